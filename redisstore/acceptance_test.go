package redisstore_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/acceptance"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/sessiontest"
)

func TestPromisesOnRedis(t *testing.T) {
	server := redistest.Start(t)
	for name, options := range map[string][]redisstore.Option{
		"without a cache":            nil,
		"with the client-side cache": {redisstore.ClientCache(time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			acceptance.Run(t, func(t testing.TB) session.Store {
				n++
				prefix := redisstore.Prefix(fmt.Sprintf("%s:%d:", t.Name(), n))
				return newStore(t, server, append(options[:len(options):len(options)], prefix)...)
			})
		})
	}
}

// Of a server that was flushed, the visitors' copies and
// their refreshes bring everything back.
func TestListsOfUsersSurviveAFlush(t *testing.T) {
	server := redistest.Start(t)
	acceptance.ListsSurvive(t, newStore(t, server), server.Flush)
}

// A list that Redis has evicted is complete again after one refresh interval.
func TestAnEvictedListIsCompleteAfterOneRefreshInterval(t *testing.T) {
	server := redistest.Start(t)
	acceptance.ListsAreComplete(t, newStore(t, server), func(id session.ID) { server.Command("DEL", "session:"+string(id)) })
}

func TestManyLoginsLeaveAListThatIsSmall(t *testing.T) {
	acceptance.ListsStaySmall(t, newStore(t, redistest.Start(t)))
}

var (
	user = session.NewKey[string]("user")
	size = session.NewKey[int]("size")
)

// The cost of a request to Redis, as Redis itself counts it.
func TestARequestCostsRedis(t *testing.T) {
	server := redistest.Start(t)
	m, err := session.New(newStore(t, server), &session.Options{ReadTimeout: patience, SaveTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(f func(s *session.Session)) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, err := session.From(r.Context())
			if err != nil {
				t.Errorf("From: %v", err)
			}
			f(s)
		})
	}
	read := ask(func(s *session.Session) { user.Or(s, "") })
	for _, test := range []struct {
		name      string
		anonymous bool
		handler   http.Handler
		want      map[string]int
	}{
		{"a route that does not ask", false, m.Handler(http.NotFoundHandler()), nil},
		{"an anonymous visitor", true, m.Handler(read), nil},
		{"a read", false, m.Handler(read), map[string]int{"get": 1}},
		{"a read that requires the session", false, m.Require(m.ReadOnly(read)), map[string]int{"get": 1}},
		{"a write of one key", false, m.Handler(ask(func(s *session.Session) { user.Set(s, "alice") })), map[string]int{"get": 1, "evalsha": 1}},
		{"the same value set again", false, m.Handler(ask(func(s *session.Session) { user.Set(s, "bob") })), map[string]int{"get": 1}},
		{"a new session", true, m.Handler(ask(func(s *session.Session) { user.Set(s, "bob") })), map[string]int{"set": 1}},
		{"a Renew", false, m.Handler(ask(func(s *session.Session) { s.Renew() })), map[string]int{"get": 1, "set": 1, "evalsha": 1}},
		{"a login, and the list of its user after the answer", false, m.Handler(ask(func(s *session.Session) { s.SetUser("bob") })), map[string]int{"get": 2, "set": 2, "evalsha": 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := sessiontest.NewVisitor(t, m)
			if !test.anonymous {
				v = sessiontest.NewVisitor(t, m, func(s *session.Session) { user.Set(s, "bob") })
				warm := v.Session() // so that the script is loaded
				size.Set(warm, 1)
				if _, err := warm.Save(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			server.Reset()
			v.Get(test.handler, "/")
			calls := func() map[string]int {
				got := server.Calls(t)
				if n := test.want["evalsha"]; n > 0 { // what the script does is counted too
					delete(got, "getrange")
					if got["set"] -= n; got["set"] == 0 {
						delete(got, "set")
					}
				}
				return got
			}
			if test.want["get"] > 1 {
				timeleft.Poll(t, "the list of the user", func() bool { return calls()["get"] >= test.want["get"] && calls()["set"] >= test.want["set"] })
			}
			if got := calls(); !maps.Equal(got, test.want) {
				t.Errorf("Redis was asked %v, want %v", got, test.want)
			}
		})
	}
}

func TestAKilledRedisCostsTheBudget(t *testing.T) {
	outage(t, (*redistest.Server).Kill, (*redistest.Server).Restart, false)
}

func TestAFrozenRedisCostsTheBudget(t *testing.T) {
	outage(t, (*redistest.Server).Freeze, (*redistest.Server).Thaw, true)
}

// outage has a site whose Redis goes away and comes back: no visitor is logged
// out, no cookie is touched, and routes that need no session are served.
func outage(t *testing.T, away, back func(*redistest.Server), remembers bool) {
	server := redistest.Start(t)
	m, err := session.New(newStore(t, server), nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /food", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") })
	mux.HandleFunc("GET /user", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		fmt.Fprint(w, user.Or(s, "nobody"))
	})
	mux.HandleFunc("POST /user", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context()) // ignored, as handlers will
		user.Set(s, "bob")
		fmt.Fprint(w, "saved")
	})
	h := m.Handler(mux)
	send := func(v *sessiontest.Visitor, method, path string) (*http.Response, time.Duration) {
		begun := time.Now()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, v.Request(method, path, nil))
		return w.Result(), time.Since(begun)
	}

	visitor := sessiontest.NewVisitor(t, m)
	eventually(t, "the first login", func() bool { // the budget is short, and this machine may be busy
		answer, _ := send(visitor, http.MethodPost, "/user")
		visitor.Keep(answer)
		return answer.StatusCode == http.StatusOK
	})
	cookie := visitor.Request(http.MethodGet, "/", nil).Header.Get("Cookie")

	const read, save, nothing = 250 * time.Millisecond, 500 * time.Millisecond, 0
	away(server)
	for _, request := range []struct {
		v            *sessiontest.Visitor
		method, path string
		status       int
		budget       time.Duration
	}{
		{visitor, http.MethodGet, "/user", http.StatusServiceUnavailable, read},
		{visitor, http.MethodPost, "/user", http.StatusServiceUnavailable, read},
		{sessiontest.NewVisitor(t, m), http.MethodPost, "/user", http.StatusServiceUnavailable, save},
		{sessiontest.NewVisitor(t, m), http.MethodGet, "/user", http.StatusOK, nothing},
		{visitor, http.MethodGet, "/food", http.StatusOK, nothing},
	} {
		most := request.budget + 25*time.Millisecond
		best := patience // of several, and of more where this machine is busy
		for try := range 40 {
			if try >= 5 && best <= most {
				break
			}
			answer, took := send(request.v, request.method, request.path)
			best = min(best, took)
			if answer.StatusCode != request.status {
				t.Errorf("%s %s answers %d, want %d", request.method, request.path, answer.StatusCode, request.status)
			}
			if request.status == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			if got := answer.Header["Set-Cookie"]; got != nil {
				t.Errorf("a cookie is touched while the store is away: %v", got)
			}
		}
		t.Logf("%s %s: %d after %v", request.method, request.path, request.status, best.Round(time.Millisecond))
		if best > most {
			t.Errorf("%s %s took %v at best, want at most %v", request.method, request.path, best, most)
		}
	}
	if st := m.Stats(); !st.Failing {
		t.Errorf("State = %+v", st)
	}

	best := patience
	for range 20 {
		back(server)
		begun := time.Now()
		eventually(t, "the store's return", func() bool {
			answer, _ := send(visitor, http.MethodGet, "/user")
			return answer.StatusCode == http.StatusOK
		})
		if best = min(best, time.Since(begun)); best <= time.Second {
			break
		}
		away(server)
	}
	t.Logf("serves again %v after the store's return", best.Round(time.Millisecond))
	if best > time.Second {
		t.Errorf("serves again %v after the store's return, want a second at most", best)
	}
	var s *session.Session
	eventually(t, "a read in its budget", func() bool { // this machine may be busy
		s = m.Load(t.Context(), http.Header{"Cookie": {cookie}})
		err := s.Err()
		if err != nil && !errors.Is(err, session.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
	if got := user.Or(s, "nobody"); (got == "bob") != remembers {
		t.Errorf("after the outage the visitor is %q", got)
	}
}
