package sessiontest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

var admin = session.NewKey[bool]("admin")

// admins is a middleware as applications have it.
func admins(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		switch {
		case err != nil:
			session.Error(w, r, err)
		case s.User() == "" || !admin.Or(s, false):
			http.Error(w, "for administrators", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// asAdmin is what a session holds for them.
func asAdmin(s *session.Session) {
	s.SetUser("ada")
	admin.Set(s, true)
}

func answered(h http.Handler, ctx context.Context) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
	return w.Code
}

func TestAHandlerInABareContext(t *testing.T) {
	t.Run("without a session", func(t *testing.T) {
		ctx := sessiontest.Context(t)
		if got := answered(http.HandlerFunc(count), ctx); got != http.StatusNoContent {
			t.Errorf("got %d", got)
		}
		if s, err := session.From(ctx); err != nil || visits.Or(s, 0) != 1 || s.ID() != "" {
			t.Errorf("before the end: got %d, %v in session %q, want 1 that is not saved", visits.Or(s, 0), err, s.ID())
		}
		if s := sessiontest.Saved(ctx); visits.Or(s, 0) != 1 || s.ID() == "" {
			t.Errorf("saved: got %d in session %q, want 1", visits.Or(s, 0), s.ID())
		}
	})
	t.Run("with one, and a user", func(t *testing.T) {
		ctx := sessiontest.Context(t, func(s *session.Session) { s.SetUser("ada"); visits.Set(s, 41) })
		answered(http.HandlerFunc(count), context.WithValue(ctx, new(int), "what a middleware adds"))
		if s := sessiontest.Saved(context.WithValue(ctx, new(int), 1)); visits.Or(s, 0) != 42 || s.User() != "ada" {
			t.Errorf("got %d of %q, want 42 of ada", visits.Or(s, 0), s.User())
		}
	})
	t.Run("that renews", func(t *testing.T) {
		ctx := sessiontest.Context(t, func(s *session.Session) { visits.Set(s, 1) })
		s, _ := session.From(ctx)
		before := s.ID()
		s.Renew()
		if after := sessiontest.Saved(ctx); after.ID() == before || visits.Or(after, 0) != 1 {
			t.Errorf("got session %s with %d, want another one than %s with 1", after.ID(), visits.Or(after, 0), before)
		}
	})
	t.Run("that logs out", func(t *testing.T) {
		ctx := sessiontest.Context(t, func(s *session.Session) { visits.Set(s, 1) })
		s, _ := session.From(ctx)
		if _, err := s.Destroy(ctx); err != nil {
			t.Fatal(err)
		}
		if s := sessiontest.Saved(ctx); s.Source() != session.FromNowhere {
			t.Errorf("got %v", s)
		}
	})
}

func TestAMiddlewareInABareContext(t *testing.T) {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, test := range []struct {
		name string
		set  []func(*session.Session)
		want int
	}{
		{"nobody", nil, http.StatusForbidden},
		{"somebody", []func(*session.Session){func(s *session.Session) { s.SetUser("bob") }}, http.StatusForbidden},
		{"an administrator", []func(*session.Session){asAdmin}, http.StatusOK},
	} {
		if got := answered(admins(ok), sessiontest.Context(t, test.set...)); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

// Ways to wrap are those of the Manager, so that each condition of a route can be met.
func TestAContextBehindWrappers(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { visits.Set(s, 1) })
	ctx := v.Context(m.Require, m.ReadOnly)
	s, err := session.From(ctx)
	if got := visits.Or(s, 0); err != nil || got != 1 {
		t.Errorf("got %d, %v, want 1", got, err)
	}
	visits.Set(s, 2)
	if !errors.Is(s.Err(), session.ErrReadOnly) {
		t.Errorf("a write on a route that is read-only: got %v", s.Err())
	}
	if answer := sessiontest.End(ctx); answer.StatusCode != http.StatusInternalServerError {
		t.Errorf("its answer: got %d, want 500", answer.StatusCode)
	}
	if got := visits.Or(v.Session(), 0); got != 1 {
		t.Errorf("saved: got %d, want 1", got)
	}
}

func TestAContextInAnOutage(t *testing.T) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	for name, backup := range map[string]*session.Backup{"without a backup": nil, "with one": {Keys: keys, Audience: "test"}} {
		t.Run(name, func(t *testing.T) {
			store := storetest.NewFaulty(memstore.New(nil))
			m := sessiontest.NewOn(t, store, &session.Options{Backup: backup})
			v := sessiontest.NewVisitor(t, m, asAdmin)
			store.Fail(errors.New("down"))
			ctx := v.Context()
			source, code := session.Unknown, http.StatusServiceUnavailable
			if backup != nil {
				source, code = session.FromBackup, http.StatusNoContent
			}
			if got := answered(admins(http.HandlerFunc(count)), ctx); got != code {
				t.Errorf("got %d, want %d", got, code)
			}
			if s, _ := session.From(ctx); s.Source() != source {
				t.Errorf("got a session from %v, want %v", s.Source(), source)
			}
			sessiontest.End(ctx)
			store.Heal()
			want := 0
			if backup != nil {
				want = 1 // the copy has it
			}
			if got := visits.Or(v.Session(), 0); got != want {
				t.Errorf("afterwards: got %d visits, want %d", got, want)
			}
		})
	}
	t.Run("that begins in the handler", func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		m := sessiontest.NewOn(t, store, nil)
		ctx := sessiontest.NewVisitor(t, m, asAdmin).Context()
		s, err := session.From(ctx)
		if err != nil {
			t.Fatal(err)
		}
		store.Fail(errors.New("down"))
		visits.Set(s, 1)
		answer := sessiontest.End(ctx)
		if answer.StatusCode != http.StatusServiceUnavailable || sessiontest.End(ctx) != answer {
			t.Errorf("got %d, want 503, and once more the same", answer.StatusCode)
		}
	})
}

// A context is used by many goroutines, in a bubble too, and ends.
func TestAContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := sessiontest.Context(t)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				s, _ := session.From(ctx)
				visits.Update(s, func(n *int) error { *n++; return nil })
			})
		}
		wg.Wait()
		if ctx.Err() != nil {
			t.Error("it ended before")
		}
		if got := visits.Or(sessiontest.Saved(ctx), 0); got != 10 || ctx.Err() == nil {
			t.Errorf("got %d and %v, want 10 and an end", got, ctx.Err())
		}
		left := sessiontest.Context(t)
		t.Cleanup(func() {
			if left.Err() != nil {
				t.Error("it ended before the test")
			}
		})
	})
}

// failing is a TB whose Fatalf is seen. It ends the goroutine, as a test does.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestAWrapperThatTurnsTheVisitorAwayFailsTheTest(t *testing.T) {
	m := sessiontest.New(t, nil)
	f := &failing{TB: t}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sessiontest.NewVisitor(f, m).Context(m.Require)
	}()
	<-ended
	if !strings.Contains(f.said, "403") {
		t.Errorf("got %q, want it to name 403", f.said)
	}
}

func TestAContextOfAnotherKindIsToldSo(t *testing.T) {
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "sessiontest.Context") {
			t.Errorf("got %v, want a panic that names sessiontest.Context", p)
		}
	}()
	sessiontest.End(t.Context())
}
