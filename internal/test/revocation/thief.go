package revocation

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

var (
	user    = session.NewKey[string]("user")
	padding = session.NewKey[string]("padding")
)

// application logs in, logs out, begins a session of a stranger, and greets.
func application(m *session.Manager) http.Handler {
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		what, arg, _ := strings.Cut(r.URL.Path[1:], "/")
		switch what {
		case "login":
			user.Set(s, arg)
			s.Renew()
		case "begin":
			padding.Set(s, strings.Repeat("x", 600))
		case "logout":
			w.Header().Set("X-Ended", string(s.ID()))
			durability, err := s.Destroy(r.Context())
			if err != nil {
				session.Error(w, r, err)
				return
			}
			fmt.Fprint(w, durability)
		case "renew":
			name, err := user.Get(s)
			if err != nil || name == "" {
				session.Error(w, r, session.ErrNoSession)
				return
			}
			s.Renew()
			fmt.Fprint(w, name)
		}
	}))
}

// jar is a browser's cookies.
type jar map[string]string

// ask sends a request to an instance and keeps the cookies of the answer.
func (j jar) ask(i *Instance, path string) *httptest.ResponseRecorder {
	return j.send(application(i.Manager), path)
}

// send sends a request to an application and keeps the cookies of the answer.
func (j jar) send(to http.Handler, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, nil)
	for name, value := range j {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer := httptest.NewRecorder()
	to.ServeHTTP(answer, r)
	for _, c := range answer.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(j, c.Name)
		} else {
			j[c.Name] = c.Value
		}
	}
	return answer
}

// Victim is a visitor whose cookies were stolen.
type Victim struct {
	ID     session.ID // of the session that has ended
	own    jar
	stolen jar
	letIn  int
}

// login returns a visitor with a session that knows a user, and a thief with all of its
// cookies.
func login(t testing.TB, i *Instance, n int) *Victim {
	t.Helper()
	v := &Victim{own: jar{}}
	for _, path := range []string{"/begin", fmt.Sprint("/login/visitor-", n)} {
		if answer := v.own.ask(i, path); answer.Code != http.StatusOK {
			t.Fatalf("%s: got %d %s, want 200", path, answer.Code, answer.Body)
		}
	}
	v.stolen = maps.Clone(v.own)
	return v
}

// logout ends the session of the visitor, durably.
func (v *Victim) logout(t testing.TB, i *Instance) {
	t.Helper()
	answer := v.own.ask(i, "/logout")
	v.ID = session.ID(answer.Header().Get("X-Ended"))
	got, want := answer.Body.String(), session.Durable.String()
	if answer.Code == http.StatusOK && got == session.Pending.String() { // a machine with too much to do, taken for an outage
		timeleft.Poll(t, "the delivery of a logout", func() bool { return i.Stats().Journal.Tombstones == 0 })
		got = want
	}
	if answer.Code != http.StatusOK || got != want {
		t.Fatalf("logout: got %d %s, want 200 %s", answer.Code, got, want)
	}
}

// try lets the thief ask for what belongs to the visitor, and renew. It reports whether an
// instance let the thief in.
func (v *Victim) try(i *Instance) bool {
	in := v.stolen.ask(i, "/renew").Code == http.StatusOK
	if in {
		v.letIn++
	}
	return in
}
