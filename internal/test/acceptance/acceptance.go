// Package acceptance tests what sessions promise to visitors, on any store: the
// root module runs it on memory, each store's module on the real server.
package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
)

var (
	left    = session.NewKey[string]("left")
	right   = session.NewKey[string]("right")
	counter = session.NewKey[int]("counter")
)

// Run tests all promises on stores that open makes.
func Run(t *testing.T, open func(testing.TB) session.Store) {
	t.Run("costs", func(t *testing.T) { costs(t, open) })
	t.Run("200 rounds of two requests that each add a key keep both", func(t *testing.T) { twoKeys(t, open) })
	t.Run("50 parallel increments give 50", func(t *testing.T) { increments(t, open) })
	t.Run("increments on two instances lose nothing", func(t *testing.T) { twoInstances(t, open) })
	t.Run("a request that overlaps a logout does not log in again", func(t *testing.T) { overlapLogout(t, open) })
	t.Run("a write that overlaps a login is not lost", func(t *testing.T) { overlapLogin(t, open) })
	t.Run("ten parallel requests that rotate are answered, with one token", func(t *testing.T) { rotations(t, open, 1, 10) })
	t.Run("fifty on three instances that rotate are answered, with one token", func(t *testing.T) { rotations(t, open, 3, 50) })
	t.Run("a rotated token leads to the session, and a logout with it ends it", func(t *testing.T) { rotatedToken(t, open) })
	t.Run("a token of the visitor's choosing is never adopted", func(t *testing.T) { fixation(t, open) })
	t.Run("what is listed can be revoked", func(t *testing.T) { listAndRevoke(t, open) })
}

// patient keeps slow machines out of what is tested.
func patient(o session.Options) *session.Options {
	o.ReadTimeout, o.SaveTimeout = 20*time.Second, 20*time.Second
	return &o
}

func manager(t testing.TB, store session.Store, o session.Options) *session.Manager {
	t.Helper()
	m, err := session.New(store, patient(o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { settle(t, m) })
	return m
}

// settle waits for what runs in the background.
func settle(t testing.TB, m *session.Manager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Error(err)
	}
}

// do is a route that gets its session and no error.
func do(t testing.TB, f func(w http.ResponseWriter, r *http.Request, s *session.Session)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			t.Errorf("From: %v", err)
		}
		f(w, r, s)
	})
}

// parallel runs handlers at once, each for a request of v, and returns their
// answers.
func parallel(v *sessiontest.Visitor, handlers ...http.Handler) []*http.Response {
	answers := make([]*http.Response, len(handlers))
	var wg sync.WaitGroup
	for i, h := range handlers {
		r := v.Request(http.MethodPost, "/", nil)
		wg.Add(1)
		go func() {
			defer wg.Done()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			answers[i] = w.Result()
		}()
	}
	wg.Wait()
	return answers
}

// barrier returns a function that returns once n goroutines have called it.
func barrier(n int) func() {
	var wg sync.WaitGroup
	wg.Add(n)
	return func() {
		wg.Done()
		wg.Wait()
	}
}

// Counted counts what a Store is asked.
type Counted struct {
	session.Store
	Loads, Saves atomic.Int64
}

func (c *Counted) Load(ctx context.Context, id session.ID) (session.Record, error) {
	c.Loads.Add(1)
	return c.Store.Load(ctx, id)
}

func (c *Counted) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	c.Saves.Add(1)
	return c.Store.Save(ctx, id, r, over)
}

func costs(t *testing.T, open func(testing.TB) session.Store) {
	set := func(s *session.Session) {
		left.Set(s, "value")
		right.Set(s, "other")
	}
	nothing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "food") })
	read := func(t testing.TB) http.Handler {
		return do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { left.Or(s, "") })
	}
	due := session.Options{Refresh: 1} // always due
	for _, test := range []struct {
		name         string
		options      session.Options
		set          []func(*session.Session)
		route        func(testing.TB, *session.Manager) http.Handler
		loads, saves int64
		cookies      int
	}{
		{"a route that does not ask", due, []func(*session.Session){set},
			func(_ testing.TB, m *session.Manager) http.Handler { return m.Handler(nothing) }, 0, 0, 0},
		{"an anonymous visitor who only reads", due, nil,
			func(t testing.TB, m *session.Manager) http.Handler { return m.Handler(read(t)) }, 0, 0, 0},
		{"a read", session.Options{}, []func(*session.Session){set},
			func(t testing.TB, m *session.Manager) http.Handler { return m.Handler(read(t)) }, 1, 0, 0},
		{"a read on a read-only route, even when a refresh is due", due, []func(*session.Session){set},
			func(t testing.TB, m *session.Manager) http.Handler { return m.ReadOnly(read(t)) }, 1, 0, 0},
		{"a read when a refresh is due", due, []func(*session.Session){set},
			func(t testing.TB, m *session.Manager) http.Handler { return m.Handler(read(t)) }, 1, 1, 0},
		{"a write of one key", session.Options{}, []func(*session.Session){set},
			func(t testing.TB, m *session.Manager) http.Handler {
				return m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { left.Set(s, "new") }))
			}, 1, 1, 0},
		{"the same value set again", session.Options{}, []func(*session.Session){set},
			func(t testing.TB, m *session.Manager) http.Handler {
				return m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
					left.Set(s, "new")
					left.Set(s, "value")
					counter.Delete(s)
				}))
			}, 1, 0, 0},
		{"a new session", session.Options{}, nil,
			func(t testing.TB, m *session.Manager) http.Handler {
				return m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { left.Set(s, "new") }))
			}, 0, 1, 1},
		{"a rotation", session.Options{}, []func(*session.Session){set},
			func(t testing.TB, m *session.Manager) http.Handler {
				return m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { s.Rotate() }))
			}, 1, 2, 1},
		{"a logout", session.Options{}, []func(*session.Session){set},
			func(t testing.TB, m *session.Manager) http.Handler {
				return m.Handler(do(t, func(_ http.ResponseWriter, r *http.Request, s *session.Session) { s.Destroy(r.Context()) }))
			}, 1, 1, 1},
		{"a login", session.Options{}, []func(*session.Session){set},
			func(t testing.TB, m *session.Manager) http.Handler {
				return m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { s.Renew() }))
			}, 1, 2, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := &Counted{Store: open(t)}
			m := manager(t, store, test.options)
			v := sessiontest.NewVisitor(t, m, test.set...)
			h := test.route(t, m)
			r := v.Request(http.MethodGet, "/", nil)
			store.Loads.Store(0)
			store.Saves.Store(0)
			answer := v.Do(h, r)
			settle(t, m)
			if got := store.Loads.Load(); got != test.loads {
				t.Errorf("%d loads, want %d", got, test.loads)
			}
			if got := store.Saves.Load(); got != test.saves {
				t.Errorf("%d saves, want %d", got, test.saves)
			}
			if got := len(answer.Cookies()); got != test.cookies {
				t.Errorf("%d cookies, want %d: %v", got, test.cookies, answer.Header["Set-Cookie"])
			}
		})
	}
}

func twoKeys(t *testing.T, open func(testing.TB) session.Store) {
	m := manager(t, open(t), session.Options{})
	for round := range 200 {
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { counter.Set(s, round) })
		together := barrier(2)
		add := func(k session.Key[string]) http.Handler {
			return m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
				together()
				k.Set(s, "kept")
			}))
		}
		for _, answer := range parallel(v, add(left), add(right)) {
			if answer.StatusCode != http.StatusOK {
				t.Fatalf("round %d: status %d", round, answer.StatusCode)
			}
		}
		s := v.Session()
		if left.Or(s, "lost") != "kept" || right.Or(s, "lost") != "kept" {
			t.Fatalf("round %d: left %s, right %s", round, left.Or(s, "lost"), right.Or(s, "lost"))
		}
	}
}

func increments(t *testing.T, open func(testing.TB) session.Store) {
	const requests = 50
	m := manager(t, open(t), session.Options{})
	v := sessiontest.NewVisitor(t, m, func(s *session.Session) { left.Set(s, "is there") })
	together := barrier(requests)
	increment := m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		together()
		counter.Update(s, func(n *int) error { *n++; return nil })
	}))
	handlers := make([]http.Handler, requests)
	for i := range handlers {
		handlers[i] = increment
	}
	parallel(v, handlers...)
	if got := counter.Or(v.Session(), 0); got != requests {
		t.Errorf("counter = %d, want %d", got, requests)
	}
}

func twoInstances(t *testing.T, open func(testing.TB) session.Store) {
	const each = 10
	var conflicts atomic.Int64
	o := session.Options{Hooks: session.Hooks{
		Conflict: func(context.Context, session.ID, int) { conflicts.Add(1) },
	}}
	store := open(t)
	a, b := manager(t, store, o), manager(t, store, o)
	v := sessiontest.NewVisitor(t, a, func(s *session.Session) { left.Set(s, "is there") })
	together := barrier(2 * each)
	var handlers []http.Handler
	for _, m := range []*session.Manager{a, b} {
		for range each {
			handlers = append(handlers, m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
				together()
				counter.Update(s, func(n *int) error { *n++; return nil })
			})))
		}
	}
	parallel(v, handlers...)
	if got := counter.Or(v.Session(), 0); got != 2*each {
		t.Errorf("counter = %d, want %d", got, 2*each)
	}
	if conflicts.Load() == 0 {
		t.Error("no conflict: the two instances did not meet, and this test showed nothing")
	}
}

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
			r, w, done := v.Request(http.MethodPost, "/", nil), httptest.NewRecorder(), make(chan bool)
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

func fixation(t *testing.T, open func(testing.TB) session.Store) {
	m := manager(t, open(t), session.Options{})
	v := sessiontest.NewVisitor(t, m)
	const chosen = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	r := v.Request(http.MethodPost, "/", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-session", Value: chosen})
	answer := v.Do(m.Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		if s.Source() != session.FromNowhere {
			t.Errorf("a token that nobody gave shows a session")
		}
		left.Set(s, "mine")
	})), r)
	if got := answer.Cookies(); len(got) != 1 || got[0].Value == chosen || len(got[0].Value) != len(chosen) {
		t.Fatalf("cookies = %v, want one with a token of ours", got)
	}
	if s := m.Load(t.Context(), r.Header); s.Err() != nil || s.Source() != session.FromNowhere {
		t.Errorf("the chosen token shows %v, %v", s, s.Err())
	}
	if got := left.Or(v.Session(), ""); got != "mine" {
		t.Errorf("under our token left = %q", got)
	}
}

func listAndRevoke(t *testing.T, open func(testing.TB) session.Store) {
	store := open(t)
	lister, ok := store.(session.Lister)
	if !ok {
		t.Skip("the store is no Lister")
	}
	m := manager(t, store, session.Options{})
	visitors := make([]*sessiontest.Visitor, 3)
	for i := range visitors {
		visitors[i] = sessiontest.NewVisitor(t, m, func(s *session.Session) { counter.Set(s, i) })
	}
	n := 0
	for id, err := range lister.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if d, err := m.Revoke(t.Context(), id); d != session.Durable || err != nil {
			t.Errorf("Revoke(%s) = %v, %v", id, d, err)
		}
	}
	if n != len(visitors) {
		t.Errorf("%d sessions listed, want %d", n, len(visitors))
	}
	for i, v := range visitors {
		if s := v.Session(); s.Source() != session.FromNowhere {
			t.Errorf("visitor %d still has session %v", i, s)
		}
	}
	if _, err := m.Revoke(t.Context(), ""); !errors.Is(err, session.ErrNoSession) {
		t.Errorf("Revoke of no ID = %v, want ErrNoSession", err)
	}
}

func rotations(t *testing.T, open func(testing.TB) session.Store, instances, requests int) {
	store := open(t)
	var ms []*session.Manager
	for range instances {
		ms = append(ms, manager(t, store, session.Options{}))
	}
	v := sessiontest.NewVisitor(t, ms[0], func(s *session.Session) { left.Set(s, "is there") })
	before := v.Session().ID()
	together := barrier(requests)
	own := func(i int) session.Key[int] { return session.NewKey[int](fmt.Sprint("of ", i)) }
	handlers := make([]http.Handler, requests)
	for i := range handlers {
		handlers[i] = ms[i%instances].Handler(do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			together()
			s.Rotate()
			own(i).Set(s, i)
			counter.Update(s, func(n *int) error { *n++; return nil })
		}))
	}
	answers := parallel(v, handlers...)
	for i, answer := range answers {
		got := answer.Cookies()
		if answer.StatusCode != http.StatusOK || len(got) != 1 {
			t.Fatalf("request %d: status %d, cookies %v", i, answer.StatusCode, got)
		}
		if want := answers[0].Cookies()[0].Value; got[0].Value != want {
			t.Errorf("request %d was given another token than the first", i)
		}
		v.Keep(answer)
	}
	s := v.Session()
	if s.ID() == before || left.Or(s, "") != "is there" || counter.Or(s, 0) != requests {
		t.Errorf("session %v of before %s: counter %d of %d", s, before, counter.Or(s, 0), requests)
	}
	for i := range requests {
		if got, err := own(i).Get(s); got != i || err != nil {
			t.Errorf("what request %d wrote is %d, %v", i, got, err)
		}
	}
}

func rotatedToken(t *testing.T, open func(testing.TB) session.Store) {
	store := open(t)
	a, b := manager(t, store, session.Options{}), manager(t, store, session.Options{})
	v := sessiontest.NewVisitor(t, a, func(s *session.Session) { left.Set(s, "kept") })
	old, first := v.Request(http.MethodGet, "/", nil), v.Session().ID()
	rotate := do(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { s.Rotate() })
	for range 3 {
		v.Do(a.Handler(rotate), v.Request(http.MethodGet, "/", nil))
	}
	s := b.Load(t.Context(), old.Header)
	err := s.Err()
	if err != nil || left.Or(s, "") != "kept" || s.ID() != v.Session().ID() {
		t.Errorf("under the old token there is %v, %v, want %v", s, err, v.Session())
	}
	right.Set(s, "written under the old token")
	out := http.Header{}
	if err := b.Commit(t.Context(), s, out); err != nil || len(out["Set-Cookie"]) != 1 {
		t.Errorf("Commit under the old token: %v, %v", err, out["Set-Cookie"])
	}
	if got := right.Or(v.Session(), ""); got == "" {
		t.Error("what was written under the old token is lost")
	}
	// By its first ID alone, as an operator may have it from a log.
	if d, err := b.Revoke(t.Context(), first); d != session.Durable || err != nil {
		t.Errorf("Revoke = %v, %v", d, err)
	}
	for _, h := range []http.Header{old.Header, v.Request(http.MethodGet, "/", nil).Header} {
		if s := a.Load(t.Context(), h); s.Err() != nil || s.Source() != session.FromNowhere {
			t.Errorf("after the logout there is %v, %v", s, err)
		}
	}
}
