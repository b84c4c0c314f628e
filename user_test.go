package session_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// inRequest has a visitor's request do something with the session. It returns the status.
func inRequest(v *sessiontest.Visitor, m *session.Manager, do func(*session.Session)) int {
	return v.Get(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		do(s)
		w.WriteHeader(http.StatusNoContent)
	})), "/").StatusCode
}

func loginOf(user string) func(*session.Session) {
	return func(s *session.Session) { s.SetUser(user) }
}

func TestASessionKnowsItsUserAndTheTimeOfTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustNew(t, memstore.New(nil), &session.Options{Backup: testBackup(t)})
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
		if s := v.Session(); s.User() != "" || !s.LoggedIn().IsZero() {
			t.Errorf("before the login: user %q at %v", s.User(), s.LoggedIn())
		}
		before := v.Session().ID()
		time.Sleep(time.Minute)
		at := time.Now()
		if got := inRequest(v, m, func(s *session.Session) {
			s.SetUser("ann")
			if s.User() != "ann" || !s.LoggedIn().Equal(at) {
				t.Errorf("in the request of the login: user %q at %v", s.User(), s.LoggedIn())
			}
		}); got != http.StatusNoContent {
			t.Fatalf("the login was answered %d", got)
		}
		s := v.Session()
		if s.ID() == before || s.ID() == "" {
			t.Error("the login did not renew the session")
		}
		if got, err := color.Get(s); got != "red" || err != nil {
			t.Errorf("the value of before the login is %q, %v", got, err)
		}
		renewed := s.ID()
		time.Sleep(time.Minute)
		inRequest(v, m, (*session.Session).Renew)
		time.Sleep(time.Minute)
		inRequest(v, m, (*session.Session).Rotate)
		s = v.Session()
		if s.ID() == renewed {
			t.Error("the session was not renewed")
		}
		if s.User() != "ann" || !s.LoggedIn().Equal(at) {
			t.Errorf("after a Renew and a Rotate: user %q at %v, want ann at %v", s.User(), s.LoggedIn(), at)
		}
		if got := s.Renewed(); !got.Equal(at.Add(time.Minute)) {
			t.Errorf("renewed at %v", got)
		}
		time.Sleep(time.Minute)
		inRequest(v, m, loginOf("ann")) // as for a step-up
		if s := v.Session(); !s.LoggedIn().Equal(at.Add(3 * time.Minute)) {
			t.Errorf("another login of the same user was at %v, want now", s.LoggedIn())
		}
		inRequest(v, m, loginOf("bob"))
		if got := v.Session().User(); got != "bob" {
			t.Errorf("after a login of bob the user is %q", got)
		}
		inRequest(v, m, func(s *session.Session) {
			if d, err := s.Destroy(t.Context()); d != session.Durable || err != nil {
				t.Errorf("logout: %v, %v", d, err)
			}
			if got := s.User(); got != "" {
				t.Errorf("after the logout the user is %q", got)
			}
		})
	})
}

func TestALoginBeginsASession(t *testing.T) {
	m := mustNew(t, memstore.New(nil), nil)
	v := sessiontest.NewVisitor(t, m)
	if got := inRequest(v, m, loginOf("ann")); got != http.StatusNoContent {
		t.Fatalf("answered %d", got)
	}
	if s := v.Session(); s.User() != "ann" || s.ID() == "" {
		t.Errorf("user %q, session %q", s.User(), s.ID())
	}
}

// In an outage the copy tells who the visitor is.
func TestTheUserIsKnownInAnOutage(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, &session.Options{Backup: testBackup(t)})
	v := sessiontest.NewVisitor(t, m, loginOf("ann"))
	at := v.Session().LoggedIn()
	store.Fail(errors.New("connection refused"))
	s := v.Session()
	if s.Source() != session.FromBackup || s.User() != "ann" || !s.LoggedIn().Equal(at) {
		t.Errorf("from %v: user %q at %v, want ann at %v", s.Source(), s.User(), s.LoggedIn(), at)
	}
	store.Heal()
}

func TestNamesThatNoUserCanHave(t *testing.T) {
	m := mustNew(t, memstore.New(nil), nil)
	for _, test := range []struct {
		user string
		ok   bool
	}{
		{"", false}, {"\xff", false}, {strings.Repeat("u", 256), false},
		{"u", true}, {strings.Repeat("u", 255), true}, {"mailto:ann@shop.test", true}, {"\x00", true},
	} {
		v := sessiontest.NewVisitor(t, m)
		var err error
		status := inRequest(v, m, func(s *session.Session) {
			s.SetUser(test.user)
			err = s.Err()
		})
		if ok := err == nil && status == http.StatusNoContent; ok != test.ok {
			t.Errorf("%.20q: %v, answered %d", test.user, err, status)
		}
		if got := v.Session().User(); got != test.user && test.ok || got != "" && !test.ok {
			t.Errorf("%.20q: the user is %q", test.user, got)
		}
	}
}

func TestLoginsThatCannotBeSaved(t *testing.T) {
	m := mustNew(t, memstore.New(nil), nil)
	v := redVisitor(t, m)
	v.Get(m.Handler(m.ReadOnly(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ann")
		if err := s.Err(); !errors.Is(err, session.ErrReadOnly) {
			t.Errorf("under ReadOnly: got %v", err)
		}
	}))), "/")
	inRequest(v, m, func(s *session.Session) {})
	v.Get(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		w.WriteHeader(http.StatusNoContent)
		s.SetUser("ann")
		if err := s.Err(); !errors.Is(err, session.ErrTooLate) {
			t.Errorf("after the header: got %v", err)
		}
	})), "/")
	if got := v.Session().User(); got != "" {
		t.Errorf("the user is %q: the login was saved under the old token", got)
	}
}

// A field of that name in another program's record is that program's.
func TestTheUserOfAForeignFormatIsNotOurs(t *testing.T) {
	m := mustNew(t, memstore.New(nil), &session.Options{Format: dated{state.State{}, new(state.State)}})
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ann")
		if err := s.Err(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v, want that this is not supported", err)
		}
		if got := s.User(); got != "" {
			t.Errorf("the user is %q", got)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
}

// Two logins of one millisecond are two.
func TestLoginsOfTheSameTimeAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		m := mustNew(t, memstore.New(nil), &session.Options{Backup: testBackup(t), Hooks: session.Hooks{
			Login: func(context.Context, session.ID, session.ID, string) { told++ },
		}})
		v := redVisitor(t, m)
		inRequest(v, m, loginOf("ann"))
		inRequest(v, m, loginOf("ann"))
		inRequest(v, m, func(s *session.Session) {
			if _, err := s.RevokeOthers(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if told != 2 {
			t.Errorf("told of %d logins, want 2", told)
		}
	})
}

func TestHooksAreToldOfLoginsAndRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		hooks := session.LogHooks(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}})))
		m := mustNew(t, memstore.New(nil), &session.Options{Backup: testBackup(t), Hooks: session.Hooks{Login: hooks.Login, Revoked: hooks.Revoked}})
		v := redVisitor(t, m)
		before := v.Session().ID()
		var ids []session.ID
		next := func(do func(*session.Session)) {
			time.Sleep(time.Second)
			inRequest(v, m, do)
			ids = append(ids, v.Session().ID())
		}
		next(loginOf("ann"))
		next((*session.Session).Renew)
		next(loginOf("ann"))
		next(func(s *session.Session) {
			if _, err := s.RevokeOthers(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if _, err := m.RevokeUser(t.Context(), "bob"); err != nil {
			t.Error(err)
		}
		if _, err := m.RevokeBefore(t.Context(), time.Now()); err != nil {
			t.Error(err)
		}
		want := fmt.Sprintf(`level=INFO msg="session login" session=%s previous=%s user=ann
level=INFO msg="session login" session=%s previous=%s user=ann
level=INFO msg="session logins revoked" user=ann durability=durable
level=INFO msg="session logins revoked" user=bob durability=durable
level=INFO msg="session logins revoked" user="" durability=durable
`, ids[0], before, ids[2], ids[1])
		if log.String() != want {
			t.Errorf("the log is\n%s\nwant\n%s", log.String(), want)
		}
	})
}
