package sessiontest_test

import (
	"net/http"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
)

func TestVisitors(t *testing.T) {
	for name, o := range map[string]*session.Options{
		"with cookies":     nil,
		"with a header":    {Header: "X-Session"},
		"with a path":      {Cookie: session.Cookie{Path: "/shop"}},
		"with plain http":  {Cookie: session.Cookie{Insecure: true}},
		"with other names": {Cookie: session.Cookie{Name: "id"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := sessiontest.New(t, o)
			app := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/logout" {
					s, _ := session.From(r.Context())
					s.Destroy(r.Context())
					return
				}
				if s, _ := session.From(r.Context()); r.URL.Path == "/login" {
					s.Renew()
				}
				count(w, r)
			}))
			v := sessiontest.NewVisitor(t, m, func(s *session.Session) { visits.Set(s, 10) })
			stranger := sessiontest.NewVisitor(t, m)
			before := v.Session().ID()
			v.Get(app, "/")
			if got := visits.Or(v.Session(), 0); got != 11 || v.Session().ID() != before {
				t.Errorf("after a visit: %d in session %s, want 11 in %s", got, v.Session().ID(), before)
			}
			v.Get(app, "/login")
			if got := visits.Or(v.Session(), 0); got != 12 || v.Session().ID() == before {
				t.Errorf("after a login: %d in session %s", got, v.Session().ID())
			}
			if s := stranger.Session(); s.Source() != session.FromNowhere {
				t.Errorf("a visitor who did nothing has %v", s)
			}
			v.Get(app, "/logout")
			if s := v.Session(); s.Source() != session.FromNowhere {
				t.Errorf("after a logout there is %v", s)
			}
			if o == nil {
				if _, err := v.Request(http.MethodGet, "/", nil).Cookie("__Host-session"); err == nil {
					t.Error("after a logout the cookie is still sent")
				}
			}
		})
	}
}
