package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

type wrapper = func(*session.Manager, http.Handler) http.Handler

var (
	handler      wrapper = (*session.Manager).Handler
	readOnly     wrapper = (*session.Manager).ReadOnly
	require      wrapper = (*session.Manager).Require
	requireStore wrapper = (*session.Manager).RequireStore
)

func TestWrappersWorkAloneAndInAnyOrder(t *testing.T) {
	for _, test := range []struct {
		name    string
		wrap    []wrapper // from the outside in
		visitor bool      // has a session
		status  int
		write   error
	}{
		{"Handler, anonymous", []wrapper{handler}, false, 200, nil},
		{"Handler, with a session", []wrapper{handler}, true, 200, nil},
		{"ReadOnly, anonymous", []wrapper{readOnly}, false, 500, session.ErrReadOnly},
		{"ReadOnly, with a session", []wrapper{readOnly}, true, 500, session.ErrReadOnly},
		{"Require, anonymous", []wrapper{require}, false, 403, nil},
		{"Require, with a session", []wrapper{require}, true, 200, nil},
		{"RequireStore, anonymous", []wrapper{requireStore}, false, 200, nil},
		{"RequireStore, with a session", []wrapper{requireStore}, true, 200, nil},
		{"Handler, Require, ReadOnly, anonymous", []wrapper{handler, require, readOnly}, false, 403, nil},
		{"Handler, Require, ReadOnly", []wrapper{handler, require, readOnly}, true, 500, session.ErrReadOnly},
		{"ReadOnly, Require, Handler, anonymous", []wrapper{readOnly, require, handler}, false, 403, nil},
		{"ReadOnly, Require, Handler", []wrapper{readOnly, require, handler}, true, 500, session.ErrReadOnly},
		{"Require twice, RequireStore, Handler", []wrapper{require, require, requireStore, handler}, true, 200, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := storetest.NewFaulty(memstore.New(nil))
			m := mustNew(t, store, nil)
			v := sessiontest.NewVisitor(t, m)
			if test.visitor {
				v = sessiontest.NewVisitor(t, m, func(s *session.Session) { count.Set(s, 1) })
			}
			saves := store.Saves()
			ran := false
			h := ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
				ran = true
				user.Set(s, "bob")
				if err := s.Err(); !errors.Is(err, test.write) {
					t.Errorf("Set = %v, want %v", err, test.write)
				}
			})
			for i := range test.wrap {
				h = test.wrap[len(test.wrap)-1-i](m, h)
			}
			answer := v.Get(h, "/")
			if answer.StatusCode != test.status || ran == (test.status == 403) {
				t.Errorf("status %d, want %d; handler ran: %v", answer.StatusCode, test.status, ran)
			}
			if wrote := store.Saves() > saves; wrote != (test.status == 200) {
				t.Errorf("wrote: %v with status %d", wrote, test.status)
			}
		})
	}
}

// A logout on a route that needs a session leaves a message for the next page:
// it is a new session's, and nothing of the old one is in it.
func TestAMessageAfterALogout(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob"); count.Set(s, 7) })
	old := v.Request(http.MethodGet, "/", nil)
	logout := m.Require(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
		if _, err := s.Destroy(r.Context()); err != nil {
			t.Error(err)
		}
		color.Set(s, "you have logged out")
		if err := s.Err(); err != nil {
			t.Errorf("Set after Destroy = %v", err)
		}
	}))
	if answer := v.Do(logout, v.Request(http.MethodPost, "/", nil)); answer.StatusCode != http.StatusOK {
		t.Errorf("status %d", answer.StatusCode)
	}
	s := v.Session()
	if color.Or(s, "") == "" || user.Or(s, "") != "" || count.Or(s, 0) != 0 {
		t.Errorf("the next page has %q of %q, %d", color.Or(s, ""), user.Or(s, ""), count.Or(s, 0))
	}
	w := httptest.NewRecorder()
	logout.ServeHTTP(w, old)
	if w.Code != http.StatusForbidden {
		t.Errorf("the old token: %d, want 403", w.Code)
	}
}

// On a route that needs a session, one that another hand has ended meanwhile is
// not begun anew.
func TestRequireNeverBeginsASession(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	answer := v.Do(m.Require(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
		if _, err := m.Revoke(r.Context(), s.ID()); err != nil {
			t.Error(err)
		}
		if err := s.Reload(r.Context()); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("Reload = %v", err)
		}
		user.Set(s, "again")
		if err := s.Err(); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("Set after the end = %v, want ErrNoSession", err)
		}
	})), v.Request(http.MethodPost, "/", nil))
	if answer.StatusCode != http.StatusForbidden || len(answer.Cookies()) != 0 {
		t.Errorf("status %d, cookies %v, want 403 and none", answer.StatusCode, answer.Cookies())
	}
}

// Some frameworks' handlers return errors, and answer them in one place.
func TestAnErrorKnowsItsStatus(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	store.Fail(errors.New("away"))
	v.Get(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := session.From(r.Context())
		wrapped := fmt.Errorf("show: %w", err)
		var coder interface{ StatusCode() int } // as frameworks look for it
		if !errors.As(wrapped, &coder) || coder.StatusCode() != 503 || session.Status(wrapped) != 503 {
			t.Errorf("%v: %v, Status %d", wrapped, coder, session.Status(wrapped))
		}
	})), "/")
	for err, want := range map[error]int{
		session.ErrNoSession: 403, session.ErrEnded: 503, session.ErrPending: 503, session.ErrLost: 500,
		session.ErrReadOnly: 500, session.ErrTooLate: 500, errors.New("another"): 500,
	} {
		if got := session.Status(err); got != want {
			t.Errorf("Status(%v) = %d, want %d", err, got, want)
		}
	}
}

// gin's context is a context.Context, and does not know the request's values.
type frameworkContext struct{ context.Context }

func TestFromSaysWhichContextItNeeds(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "c.Request.Context()") || !strings.Contains(said, "frameworkContext") {
			t.Errorf("panic: %s", said)
		}
	}()
	if session.Handled(context.Background()) {
		t.Error("Handled(context.Background()) = true")
	}
	v := sessiontest.NewVisitor(t, sessiontest.New(t, nil))
	v.Get(sessiontest.New(t, nil).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if !session.Handled(r.Context()) {
			t.Error("Handled(r.Context()) = false")
		}
	})), "/")
	_, _ = session.From(frameworkContext{context.Background()})
}

func TestReadOnlyRefusesEveryWrite(t *testing.T) {
	m := sessiontest.New(t, nil)
	for name, write := range map[string]func(context.Context, *session.Session) error{
		"Set": func(_ context.Context, s *session.Session) error { user.Set(s, "x"); return s.Err() },
		"Update": func(_ context.Context, s *session.Session) error {
			return user.Update(s, func(*string) error { return nil })
		},
		"Delete":   func(_ context.Context, s *session.Session) error { user.Delete(s); return s.Err() },
		"Take":     func(_ context.Context, s *session.Session) error { _, err := user.Take(s); return err },
		"Renew":    func(_ context.Context, s *session.Session) error { s.Renew(); return s.Err() },
		"Destroy":  func(ctx context.Context, s *session.Session) error { _, err := s.Destroy(ctx); return err },
		"StartNew": func(ctx context.Context, _ *session.Session) error { _, err := session.StartNew(ctx); return err },
		"SetUser":  func(_ context.Context, s *session.Session) error { s.SetUser("eve"); return s.Err() },
		"Rotate":   func(_ context.Context, s *session.Session) error { s.Rotate(); return s.Err() },
		"Remember": func(_ context.Context, s *session.Session) error {
			s.Remember(session.Stay{Idle: time.Minute})
			return s.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
			answer := v.Get(m.ReadOnly(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
				if err := write(r.Context(), s); !errors.Is(err, session.ErrReadOnly) {
					t.Errorf("%s = %v, want ErrReadOnly", name, err)
				}
			})), "/")
			if answer.StatusCode != http.StatusInternalServerError || answer.Header["Set-Cookie"] != nil {
				t.Errorf("status %d, cookies %v", answer.StatusCode, answer.Header["Set-Cookie"])
			}
			if got := user.Or(v.Session(), ""); got != "bob" {
				t.Errorf("user = %q", got)
			}
		})
	}
}

func TestReadOnlyStillSavesWhatWasChangedFurtherOut(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	h := m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		count.Update(s, func(n *int) error { *n++; return nil })
		m.ReadOnly(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })).ServeHTTP(w, r)
	}))
	v.Get(h, "/")
	if got := count.Or(v.Session(), 0); got != 1 {
		t.Errorf("count = %d, want 1", got)
	}
}

func TestTwoManagersNest(t *testing.T) {
	site := mustNew(t, memstore.New(nil), &session.Options{Cookie: session.Cookie{Name: "__Host-site"}})
	admin := mustNew(t, memstore.New(nil), &session.Options{Cookie: session.Cookie{Name: "__Host-admin"}})
	h := site.Handler(admin.Handler(site.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		inner, err := session.From(r.Context())
		if err != nil {
			t.Error(err)
		}
		outer, err := site.From(r.Context())
		if err != nil {
			t.Error(err)
		}
		if same, _ := admin.From(r.Context()); same != inner || inner == outer {
			t.Error("From is not the innermost manager's")
		}
		user.Set(inner, "root")
		if fresh, err := site.StartNew(r.Context()); err != nil || fresh != outer {
			t.Errorf("StartNew of the outer manager: %v, %v, want its session", fresh, err)
		}
		user.Set(outer, "bob")
	}))))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	in := http.Header{}
	for _, c := range w.Result().Cookies() {
		in.Add("Cookie", c.Name+"="+c.Value)
	}
	for m, want := range map[*session.Manager]string{site: "bob", admin: "root"} {
		s := m.Load(t.Context(), in)
		err := s.Err()
		if got := user.Or(s, ""); err != nil || got != want {
			t.Errorf("user = %q, want %q, %v; cookies %v", got, want, err, in)
		}
	}
}

func TestFromWithoutAWrapperPanics(t *testing.T) {
	m := sessiontest.New(t, nil)
	for name, f := range map[string]func(){
		"From":             func() { session.From(t.Context()) },
		"Manager.From":     func() { m.From(t.Context()) },
		"StartNew":         func() { session.StartNew(t.Context()) },
		"Manager.StartNew": func() { m.StartNew(t.Context()) },
		"Error": func() {
			session.Error(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), session.ErrNoSession)
		},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, "Handler") {
					t.Errorf("%s: panic %q does not say what to do", name, got)
				}
			}()
			f()
		}()
	}
}

func TestLoadedNeverAsksTheStore(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	if _, ok := session.Loaded(t.Context()); ok {
		t.Error("Loaded outside a request")
	}
	loads := store.Loads()
	v.Get(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, ok := session.Loaded(r.Context()); ok || store.Loads() != loads {
			t.Errorf("Loaded before From: %v, %d loads", ok, store.Loads()-loads)
		}
		s, _ := session.From(r.Context())
		if got, ok := session.Loaded(r.Context()); !ok || got != s {
			t.Errorf("Loaded after From = %v, %v", got, ok)
		}
	})), "/")
}

func TestStartNew(t *testing.T) {
	t.Run("ends the old session, and keeps none of its values", func(t *testing.T) {
		m := sessiontest.New(t, nil)
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob"); count.Set(s, 1) })
		old := v.Request(http.MethodPost, "/", nil)
		v.Do(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, err := session.StartNew(r.Context())
			if err != nil {
				t.Error(err)
			}
			user.Set(s, "alice")
		})), old)
		if s := v.Session(); user.Or(s, "") != "alice" || count.Or(s, 0) != 0 {
			t.Errorf("user = %q, count = %d", user.Or(s, ""), count.Or(s, 0))
		}
		if s := m.Load(t.Context(), old.Header); s.Err() != nil || s.Source() != session.FromNowhere {
			t.Errorf("the old token shows %v, %v", s, s.Err())
		}
	})
	t.Run("works where the store cannot load", func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		m := mustNew(t, store, nil)
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
		broken := errors.New("cannot read")
		store.Before(func(op string, _ session.ID) error {
			if op == "load" {
				return broken
			}
			return nil
		})
		v.Do(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if s, err := session.From(r.Context()); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, broken) || s == nil {
				t.Errorf("From = %v, %v", s, err)
			}
			s, err := session.StartNew(r.Context())
			if err != nil {
				t.Error(err)
			}
			user.Set(s, "alice")
		})), v.Request(http.MethodPost, "/login", nil))
		store.Before(nil)
		if got := user.Or(v.Session(), ""); got != "alice" {
			t.Errorf("user = %q", got)
		}
	})
}

func TestLoadAndCommitForOtherFrameworks(t *testing.T) {
	m := sessiontest.New(t, nil)
	s := m.Load(t.Context(), http.Header{})
	err := s.Err()
	if err != nil {
		t.Fatal(err)
	}
	user.Set(s, "bob")
	out := http.Header{}
	if err := m.Commit(t.Context(), s, out); err != nil {
		t.Fatal(err)
	}
	cookie, err := http.ParseSetCookie(out.Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	in := http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}
	again := m.Load(t.Context(), in)
	err = again.Err()
	if got := user.Or(again, ""); err != nil || got != "bob" {
		t.Errorf("user = %q, %v", got, err)
	}
	count.Set(again, 1)
	out = http.Header{}
	if err := m.Commit(t.Context(), again, out); err != nil || out.Get("Set-Cookie") != "" {
		t.Errorf("Commit of a known session: %v, %v", err, out)
	}
}

// While the store is away no visitor is logged out, and routes that need no
// session are served.
func TestWithoutAnAnswerNobodyIsLoggedOut(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	store.Fail(errors.New("connection refused"))
	for name, f := range map[string]func(w http.ResponseWriter, r *http.Request){
		"a handler that looks at the error": func(w http.ResponseWriter, r *http.Request) {
			if _, err := session.From(r.Context()); err != nil {
				session.Error(w, r, err)
			}
		},
		"a handler that ignores the error and writes": func(w http.ResponseWriter, r *http.Request) {
			s, _ := session.From(r.Context())
			if _, err := user.Get(s); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("Get = %v, want ErrUnavailable", err)
			}
			user.Set(s, "somebody else")
			fmt.Fprint(w, "done")
		},
		"a handler that ignores the error and logs out": func(w http.ResponseWriter, r *http.Request) {
			s, _ := session.From(r.Context())
			s.Destroy(r.Context())
			fmt.Fprint(w, "logged out")
		},
	} {
		t.Run(name, func(t *testing.T) {
			answer := v.Get(m.Handler(http.HandlerFunc(f)), "/")
			if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
				t.Errorf("status %d, Retry-After %q", answer.StatusCode, answer.Header.Get("Retry-After"))
			}
			if got := answer.Header["Set-Cookie"]; got != nil {
				t.Errorf("the cookie was touched: %v", got)
			}
		})
	}
	t.Run("Require", func(t *testing.T) {
		if answer := v.Get(m.Require(http.NotFoundHandler()), "/"); answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d: an outage is not a missing session", answer.StatusCode)
		}
	})
	t.Run("a route that does not ask", func(t *testing.T) {
		answer := v.Get(m.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "food") })), "/")
		if answer.StatusCode != http.StatusOK {
			t.Errorf("status %d", answer.StatusCode)
		}
	})
	t.Run("an anonymous visitor", func(t *testing.T) {
		answer := sessiontest.NewVisitor(t, m).Get(m.Handler(ask(t, func(http.ResponseWriter, *http.Request, *session.Session) {})), "/")
		if answer.StatusCode != http.StatusOK || answer.Header["Set-Cookie"] != nil {
			t.Errorf("status %d, cookies %v", answer.StatusCode, answer.Header["Set-Cookie"])
		}
	})
	store.Heal()
	if got := user.Or(v.Session(), ""); got != "bob" {
		t.Errorf("after the outage user = %q", got)
	}
}

// A session of a request that came another way costs what it is used for, too.
func TestLoadAsksWhenTheSessionIsUsed(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	in := v.Request(http.MethodGet, "/", nil).Header
	before := store.Loads()
	out := http.Header{}
	if err := m.Commit(t.Context(), m.Load(t.Context(), in), out); err != nil || store.Loads() != before || len(out) != 0 {
		t.Errorf("unused: %v, %d loads, %v", err, store.Loads()-before, out)
	}
	for name, use := range map[string]func(*session.Session) string{
		"Get":     func(s *session.Session) string { return user.Or(s, "") },
		"ID":      func(s *session.Session) string { return map[bool]string{true: "bob"}[s.ID() != ""] },
		"Created": func(s *session.Session) string { return map[bool]string{true: "bob"}[!s.Created().IsZero()] },
		"Source":  func(s *session.Session) string { return map[bool]string{true: "bob"}[s.Source() == session.FromStore] },
		"Set": func(s *session.Session) string {
			count.Set(s, 3)
			if _, err := s.Save(t.Context()); err != nil {
				return err.Error()
			}
			return user.Or(s, "")
		},
		"Update": func(s *session.Session) string {
			count.Update(s, func(n *int) error { *n++; return nil })
			return user.Or(s, "")
		},
		"Reload": func(s *session.Session) string { _ = s.Reload(t.Context()); return user.Or(s, "") },
		"Err":    func(s *session.Session) string { _ = s.Err(); return user.Or(s, "") },
	} {
		s := m.Load(t.Context(), in)
		if got := use(s); got != "bob" {
			t.Errorf("%s: %q", name, got)
		}
		if err := m.Commit(t.Context(), s, http.Header{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := m.Load(t.Context(), in)
	if _, err := s.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
	if user.Or(v.Session(), "") != "" {
		t.Error("Destroy before any other use ended nothing")
	}
}

func TestTheWrappersOfFunctionsAreThoseOfHandlers(t *testing.T) {
	m := sessiontest.New(t, nil)
	show := func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		count.Set(s, 1)
		fmt.Fprint(w, s.ID() != "", err, " ", s.Err())
	}
	handler := http.HandlerFunc(show)
	for _, c := range []struct {
		name     string
		function http.HandlerFunc
		handler  http.Handler
	}{
		{"HandlerFunc", m.HandlerFunc(show), m.Handler(handler)},
		{"ReadOnlyFunc", m.ReadOnlyFunc(show), m.ReadOnly(handler)},
		{"RequireFunc", m.RequireFunc(show), m.Require(handler)},
		{"RequireStoreFunc", m.RequireStoreFunc(show), m.RequireStore(handler)},
		{"RequireFunc(ReadOnlyFunc)", m.RequireFunc(m.ReadOnlyFunc(show)), m.Require(m.ReadOnly(handler))},
	} {
		for name, begin := range map[string][]func(*session.Session){"anonymous": nil, "bob": {func(s *session.Session) { user.Set(s, "bob") }}} {
			ask := func(h http.Handler) string {
				v := sessiontest.NewVisitor(t, m, begin...)
				resp := v.Get(h, "/")
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				return fmt.Sprint(resp.StatusCode, " ", string(body), " ", len(resp.Header["Set-Cookie"]))
			}
			if got, want := ask(c.function), ask(c.handler); got != want {
				t.Errorf("%s, %s: got %s, want %s", c.name, name, got, want)
			}
		}
	}
	if got := sessiontest.NewVisitor(t, m).Get(m.RequireFunc(show), "/").StatusCode; got != http.StatusForbidden {
		t.Errorf("RequireFunc without a session: got %d, want 403", got)
	}
}
