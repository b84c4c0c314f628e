package acceptance

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
)

func overlapLogout(t *testing.T, open func(testing.TB) session.Store) {
	read := func(s *session.Session) { left.Or(s, "") }
	for _, test := range []struct {
		name   string
		slow   func(*session.Session)
		wrap   func(*session.Manager, http.Handler) http.Handler
		status int
	}{
		{"a slow read-only request", read, (*session.Manager).ReadOnly, http.StatusOK},
		{"a slow read whose refresh is due", read, (*session.Manager).Handler, http.StatusOK},
		{"a slow write", func(s *session.Session) { left.Set(s, "revived") }, (*session.Manager).Handler, http.StatusServiceUnavailable},
		{"a slow increment", func(s *session.Session) { counter.Update(s, func(n *int) error { *n++; return nil }) },
			(*session.Manager).Handler, http.StatusServiceUnavailable},
		{"a slow login", func(s *session.Session) { s.Renew() }, (*session.Manager).Handler, http.StatusServiceUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := open(t)
			a := manager(t, store, session.Options{Refresh: 1})
			b := manager(t, store, session.Options{})
			v := sessiontest.NewVisitor(t, a, func(s *session.Session) { left.Set(s, "logged in") })
			before := v.Request(http.MethodGet, "/", nil)

			loaded, release := make(chan bool), make(chan bool)
			slow := test.wrap(a, do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
				loaded <- true
				<-release
				test.slow(s)
			}))
			r, w := v.Request(http.MethodPost, "/", nil), httptest.NewRecorder()
			done := make(chan bool)
			go func() {
				slow.ServeHTTP(w, r)
				close(done)
			}()
			<-loaded
			v.Do(b.Handler(do(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) {
				if d, err := s.Destroy(r.Context()); d != session.Durable || err != nil {
					t.Errorf("Destroy = %v, %v", d, err)
				}
			})), v.Request(http.MethodPost, "/logout", nil))
			close(release)
			<-done
			settle(t, a)

			answer := w.Result()
			if answer.StatusCode != test.status {
				t.Errorf("the slow request was answered %d, want %d", answer.StatusCode, test.status)
			}
			if got := answer.Header["Set-Cookie"]; got != nil {
				t.Errorf("the slow request set a cookie after the logout: %v", got)
			}
			if answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "1" {
				t.Errorf("Retry-After = %q, want 1", answer.Header.Get("Retry-After"))
			}
			for _, m := range []*session.Manager{a, b} {
				s := m.Load(t.Context(), before.Header)
				err := s.Err()
				if err != nil || s.Source() != session.FromNowhere {
					t.Errorf("after the logout the token shows %v from source %d, %v", s, s.Source(), err)
				}
			}
		})
	}
}

func overlapLogin(t *testing.T, open func(testing.TB) session.Store) {
	store := open(t)
	a, b := manager(t, store, session.Options{}), manager(t, store, session.Options{})
	v := sessiontest.NewVisitor(t, a, func(s *session.Session) { left.Set(s, "old") })
	old := v.Request(http.MethodGet, "/", nil)
	v.Do(a.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		// While this login runs, another request adds a key.
		v.Do(b.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			right.Set(s, "added meanwhile")
		})), v.Request(http.MethodPost, "/", nil))
		left.Set(s, "logged in")
		s.Renew()
	})), v.Request(http.MethodPost, "/login", nil))
	s := v.Session()
	if left.Or(s, "") != "logged in" || right.Or(s, "") != "added meanwhile" {
		t.Errorf("after the login left = %q, right = %q", left.Or(s, ""), right.Or(s, ""))
	}
	if s := a.Load(t.Context(), old.Header); s.Err() != nil || s.Source() != session.FromNowhere {
		t.Errorf("the token of before the login shows %v, %v", s, s.Err())
	}
}
