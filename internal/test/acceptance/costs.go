package acceptance

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
)

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
