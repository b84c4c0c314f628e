package acceptance

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
)

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
