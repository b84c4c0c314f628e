package sessiontest_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
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

// busy is a store in memory on a machine that has other work.
type busy struct{ *memstore.Store }

func (b busy) Load(ctx context.Context, id session.ID) (session.Record, error) {
	return late(ctx, func() (session.Record, error) { return b.Store.Load(context.Background(), id) })
}

func (b busy) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	return late(ctx, func() (session.Version, error) { return b.Store.Save(context.Background(), id, r, over) })
}

func late[T any](ctx context.Context, f func() (T, error)) (T, error) {
	select {
	case <-time.After(3 * time.Second):
		return f()
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// A busy machine makes everything late, which is no outage of a store that
// lives in the same process.
func TestAStoreInTheProcessIsNotAwayWhenTheMachineIsBusy(t *testing.T) {
	n := session.NewKey[int]("n")
	synctest.Test(t, func(t *testing.T) {
		m, err := session.New(busy{memstore.New(nil)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close(context.Background())
		count := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := session.From(r.Context())
			if err != nil {
				session.Error(w, r, err)
				return
			}
			n.Update(s, func(n *int) error { *n++; return nil })
		})
		v := sessiontest.NewVisitor(t, m)
		for range 3 {
			if got := v.Get(m.Handler(count), "/").StatusCode; got != http.StatusOK {
				t.Errorf("got %d, want 200", got)
			}
		}
		if got, err := n.Get(v.Session()); err != nil || got != 3 {
			t.Errorf("got %d, %v, want 3", got, err)
		}
	})
}
