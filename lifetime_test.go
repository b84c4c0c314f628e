package session_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// visit asks for the session and does nothing with it; alive reports whether there
// was one.
func visit(t *testing.T, m *session.Manager, v *sessiontest.Visitor) (alive bool) {
	t.Helper()
	v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { alive = s.ID() != "" })), "/")
	synctest.Wait()
	return alive
}

func TestIdleSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sessiontest.New(t, &session.Options{Idle: time.Hour, Lifetime: 24 * time.Hour})
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
		for range 10 { // in use, it goes on past Idle
			time.Sleep(50 * time.Minute)
			if !visit(t, m, v) {
				t.Fatal("a session in use ended")
			}
		}
		time.Sleep(time.Hour + 6*time.Minute + time.Second) // Idle and Refresh
		if visit(t, m, v) {
			t.Error("an idle session lives on")
		}
	})
}

func TestAStreamThatReloadsIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sessiontest.New(t, &session.Options{Idle: time.Hour})
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
		v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
			w.WriteHeader(http.StatusOK)
			for range 300 {
				time.Sleep(time.Minute)
				if err := s.Reload(r.Context()); err != nil {
					t.Fatal(err)
				}
			}
			count.Set(s, 1)
		})), "/")
		if got := count.Or(v.Session(), 0); got != 1 {
			t.Errorf("after five hours of a stream count = %d", got)
		}
	})
}

func TestNoSessionOutlivesItsLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sessiontest.New(t, &session.Options{Idle: time.Hour, Lifetime: 3 * time.Hour})
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
		begun := time.Now()
		for visit(t, m, v) {
			if time.Since(begun) >= 3*time.Hour {
				t.Fatalf("alive after %v", time.Since(begun))
			}
			v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
				count.Update(s, func(n *int) error { *n++; return nil })
			})), "/")
			time.Sleep(10 * time.Minute)
		}
		if time.Since(begun) < 3*time.Hour-10*time.Minute {
			t.Errorf("ended after %v", time.Since(begun))
		}
	})
}

func TestRenewRestartsTheLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sessiontest.New(t, &session.Options{Idle: 2 * time.Hour, Lifetime: 3 * time.Hour})
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
		first := v.Session()
		time.Sleep(100 * time.Minute)
		v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { s.Renew() })), "/")
		s := v.Session()
		if s.ID() == first.ID() || !s.Created().Equal(first.Created()) || time.Since(s.Renewed()) > time.Millisecond {
			t.Errorf("after Renew: ID %s then %s, created %v then %v, renewed %v", first.ID(), s.ID(), first.Created(), s.Created(), s.Renewed())
		}
		time.Sleep(100 * time.Minute)
		if !visit(t, m, v) {
			t.Error("a renewed session ended with the lifetime of the old one")
		}
		if got := user.Or(v.Session(), ""); got != "bob" {
			t.Errorf("user = %q", got)
		}
	})
}

func TestRefreshIsSeldomAndOverAllInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		o := &session.Options{Idle: time.Hour} // Refresh: 6 minutes
		a, b := mustNew(t, store, o), mustNew(t, store, o)
		v := sessiontest.NewVisitor(t, a, func(s *session.Session) { user.Set(s, "bob") })
		saves := store.Saves()
		for range 600 { // ten hours, every minute, on both
			time.Sleep(time.Minute)
			if !visit(t, a, v) || !visit(t, b, v) {
				t.Fatal("a session in use ended")
			}
		}
		got := store.Saves() - saves
		if lifetime := int(600 * time.Minute / (6 * time.Minute)); got > lifetime || got < lifetime/2 {
			t.Errorf("%d refreshes in ten hours, want at most %d", got, lifetime)
		}
		if n := a.Stats().Refreshes + b.Stats().Refreshes; int(n) != got {
			t.Errorf("State tells %d refreshes, the store saw %d", n, got)
		}
	})
}

func TestRefreshIsOffTheResponsePath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		m := mustNew(t, store, &session.Options{Idle: time.Hour})
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
		time.Sleep(10 * time.Minute)
		store.Before(func(op string, _ session.ID) error {
			if op == "save" {
				time.Sleep(90 * time.Millisecond)
			}
			return nil
		})
		begun := time.Now()
		v.Get(m.Handler(ask(t, func(http.ResponseWriter, *http.Request, *session.Session) {})), "/")
		if d := time.Since(begun); d != 0 {
			t.Errorf("the visitor waited %v for a refresh", d)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if time.Since(begun) == 0 || m.Stats().Refreshes != 1 {
			t.Errorf("Close did not wait for the refresh: %v, %+v", time.Since(begun), m.Stats())
		}
	})
}

func TestAFrozenStoreCostsTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		m := mustNew(t, store, nil)
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
		status := func(h http.Handler) int { return v.Get(h, "/").StatusCode }
		store.Hang()
		begun := time.Now()
		if got := status(m.Require(http.NotFoundHandler())); got != http.StatusServiceUnavailable || time.Since(begun) != 250*time.Millisecond {
			t.Errorf("a read: %d after %v, want 503 after 250ms", got, time.Since(begun))
		}
		begun = time.Now()
		anonymous := sessiontest.NewVisitor(t, m)
		answer := anonymous.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { user.Set(s, "eve") })), "/")
		if answer.StatusCode != http.StatusServiceUnavailable || time.Since(begun) != 500*time.Millisecond || answer.Header["Set-Cookie"] != nil {
			t.Errorf("a write: %d after %v with cookie %v, want 503 after 500ms", answer.StatusCode, time.Since(begun), answer.Header["Set-Cookie"])
		}
		status(m.Require(http.NotFoundHandler()))
		if st := m.Stats(); !st.Failing || st.Failures != 3 {
			t.Errorf("State = %+v", st)
		}
		store.Heal()
		if got := status(m.Require(http.NotFoundHandler())); got != http.StatusNotFound {
			t.Errorf("after the thaw: %d", got)
		}
		if m.Stats().Failing {
			t.Error("State still says failing")
		}
	})
}

func TestGraceAfterALogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sessiontest.New(t, nil)
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
		old := v.Request(http.MethodPost, "/", nil)
		v.Do(m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) { s.Destroy(r.Context()) })), old)
		write := m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { user.Set(s, "late") }))
		login := m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			user.Set(s, "alice")
			s.Renew()
		}))
		time.Sleep(29 * time.Second)
		answer := sessiontest.NewVisitor(t, m).Do(write, old)
		if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "1" || answer.Header["Set-Cookie"] != nil {
			t.Errorf("a write just after the logout: %d, Retry-After %q, cookies %v", answer.StatusCode, answer.Header.Get("Retry-After"), answer.Header["Set-Cookie"])
		}
		if answer := sessiontest.NewVisitor(t, m).Do(login, old); answer.StatusCode != http.StatusOK || len(answer.Cookies()) != 1 {
			t.Errorf("a login just after the logout: %d, cookies %v", answer.StatusCode, answer.Cookies())
		}
		time.Sleep(2 * time.Second)
		if answer := sessiontest.NewVisitor(t, m).Do(write, old); answer.StatusCode != http.StatusOK || len(answer.Cookies()) != 1 {
			t.Errorf("a write 31 s after the logout: %d, cookies %v: want a new session", answer.StatusCode, answer.Cookies())
		}
	})
}

// A tombstone lives five minutes; a request that runs longer must still not
// bring the session back.
func TestARequestLongerThanATombstoneRevivesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := sessiontest.New(t, nil)
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
		old := v.Request(http.MethodPost, "/", nil)
		answer := sessiontest.NewVisitor(t, m).Do(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			v.Do(m.Handler(ask(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) { s.Destroy(r.Context()) })), v.Request(http.MethodPost, "/", nil))
			time.Sleep(10 * time.Minute)
			user.Set(s, "revived")
		})), old)
		if answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("status %d", answer.StatusCode)
		}
		if s := m.Load(t.Context(), old.Header); s.Err() != nil || s.Source() != session.FromNowhere {
			t.Errorf("the session is back: %v, %v", s, s.Err())
		}
	})
}

func TestAWebsocketSeesOthersAndTheLogout(t *testing.T) {
	m := sessiontest.New(t, nil)
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
	v.Get(m.Handler(ask(t, func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		w.WriteHeader(http.StatusOK) // the handshake is over
		other := v.Session()
		user.Set(other, "renamed")
		other.Save(r.Context())
		count.Update(s, func(n *int) error { *n++; return nil })
		if err := s.Reload(r.Context()); err != nil {
			t.Error(err)
		}
		if user.Or(s, "") != "renamed" || count.Or(s, 0) != 1 {
			t.Errorf("after Reload user = %q, count = %d: want both the others' and our own", user.Or(s, ""), count.Or(s, 0))
		}
		if _, err := s.Save(r.Context()); err != nil {
			t.Error(err)
		}
		if _, err := m.Revoke(r.Context(), s.ID()); err != nil {
			t.Error(err)
		}
		count.Set(s, 5)
		if err := s.Reload(r.Context()); !errors.Is(err, session.ErrNoSession) {
			t.Errorf("Reload after the logout = %v, want ErrNoSession", err)
		}
		count.Set(s, 6)
		if err := s.Err(); err == nil {
			t.Error("Set after the logout succeeded")
		}
	})), "/")
	if s := v.Session(); s.ID() != "" {
		t.Errorf("closing the websocket brought back %v", s)
	}
}

// Whom another hand has logged out, on another device or at the administrator's
// desk, may log in again at once: no answer is on its way that says otherwise.
func TestAfterARevokeTheVisitorBeginsAnewAtOnce(t *testing.T) {
	for name, o := range map[string]*session.Options{"without a backup": nil, "with a backup": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if o != nil {
					o.Backup = testBackup(t)
				}
				store := memstore.New(nil)
				m, other := mustNew(t, store, o), mustNew(t, store, o)
				time.Sleep(10 * time.Second)
				v := sessiontest.NewVisitor(t, m, bob)
				id := v.Session().ID()
				if _, err := other.Revoke(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				// A page that keeps something for strangers too.
				page := m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
					count.Update(s, func(n *int) error { *n++; return nil })
				}))
				if answer := v.Get(page, "/"); answer.StatusCode != http.StatusOK {
					t.Errorf("right after Revoke: %d", answer.StatusCode)
				}
				if s := v.Session(); s.ID() == id || user.Or(s, "") != "" || count.Or(s, 0) != 1 {
					t.Errorf("the new session is %s, of %q", s.ID(), user.Or(s, ""))
				}
			})
		})
	}
}
