package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// page is a visitor's requests, over a store that can be slow, in a bubble of
// virtual time.
type page struct {
	*testing.T
	store *storetest.Faulty
	m     *session.Manager
	v     *sessiontest.Visitor
	wg    sync.WaitGroup
}

func testPage(t *testing.T, test func(*page)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &page{T: t, store: storetest.NewFaulty(memstore.New(nil))}
		p.m = mustNew(t, p.store, &session.Options{ReadTimeout: 50 * time.Millisecond, SaveTimeout: 100 * time.Millisecond})
		p.v = sessiontest.NewVisitor(t, p.m, func(s *session.Session) { color.Set(s, "red") })
		test(p)
		p.wg.Wait()
		p.store.Heal()
	})
}

// call makes a request in the background.
func (p *page) call(ctx context.Context, done func(status int, took time.Duration)) {
	r := p.v.Request("GET", "/", nil).WithContext(ctx)
	p.wg.Go(func() {
		began, w := time.Now(), httptest.NewRecorder()
		p.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s, err := session.From(r.Context()); err != nil {
				session.Error(w, r, err)
			} else if color.Or(s, "") != "red" {
				w.WriteHeader(http.StatusTeapot)
			}
		})).ServeHTTP(w, r)
		done(w.Code, time.Since(began))
	})
	synctest.Wait()
}

func (p *page) want(status int, most time.Duration) func(int, time.Duration) {
	return func(got int, took time.Duration) {
		if got != status || took > most {
			p.Errorf("got %d after %v, want %d within %v", got, took, status, most)
		}
	}
}

func TestAPageLoadsItsSessionTwice(t *testing.T) {
	testPage(t, func(p *page) {
		p.store.Delay(5 * time.Millisecond)
		before := p.store.Loads()
		for range 20 {
			p.call(p.Context(), p.want(200, 10*time.Millisecond))
		}
		p.wg.Wait()
		if got := p.store.Loads() - before; got != 2 {
			t.Errorf("%d loads for 20 calls, want 2: the first, and one for all who came while it was under way", got)
		}
	})
}

// A store that is slow, but not too slow, is not too slow for a page.
func TestAPageOnASlowStore(t *testing.T) {
	for _, delay := range []time.Duration{1, 12, 13, 20, 30, 37} {
		testPage(t, func(p *page) {
			p.store.Delay(delay * time.Millisecond)
			for range 60 {
				p.call(p.Context(), p.want(200, 50*time.Millisecond))
				time.Sleep(3 * time.Millisecond)
			}
		})
	}
}

func TestAPageOnAFrozenStore(t *testing.T) {
	testPage(t, func(p *page) {
		p.store.Hang()
		for range 20 {
			p.call(p.Context(), p.want(503, 63*time.Millisecond)) // a quarter of it waiting for the first
		}
	})
}

// limited has a deadline, and does not tell when it has passed.
type limited struct {
	context.Context
	at time.Time
}

func (l limited) Deadline() (time.Time, bool) { return l.at, true }

// The time that one request has left is no other's.
func TestWhoseTimeIsOverSpoilsNobody(t *testing.T) {
	testPage(t, func(p *page) {
		p.store.Delay(5 * time.Millisecond)
		p.call(p.Context(), p.want(200, 5*time.Millisecond))
		short := limited{p.Context(), time.Now().Add(6 * time.Millisecond)}
		p.call(short, p.want(503, 6*time.Millisecond))
		for range 5 {
			p.call(p.Context(), p.want(200, 20*time.Millisecond))
		}
		p.wg.Wait()
		if s := p.m.Stats(); s.Failures != 0 || s.Failing {
			t.Errorf("a request's own deadline counts as the store's failure: %+v", s)
		}
	})
}

// late answers with what it read before a while.
type late struct {
	session.Store
	by time.Duration
}

func (l *late) Load(ctx context.Context, id session.ID) (session.Record, error) {
	r, err := l.Store.Load(ctx, id)
	time.Sleep(l.by)
	return r, err
}

func TestNobodySeesWhatIsOlderThanHisRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New(nil)
		slow := &late{store, 10 * time.Millisecond}
		here, there := mustNew(t, slow, nil), mustNew(t, store, nil)
		v := sessiontest.NewVisitor(t, there, func(s *session.Session) { color.Set(s, "red") })
		shows := func(m *session.Manager, want string) func() {
			r := v.Request("GET", "/", nil)
			return func() {
				m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if s, err := session.From(r.Context()); err != nil || color.Or(s, "") != want {
						t.Errorf("got %q, %v, want %q", color.Or(s, ""), err, want)
					}
				})).ServeHTTP(httptest.NewRecorder(), r)
			}
		}
		var wg sync.WaitGroup
		wg.Go(shows(here, "red"))
		synctest.Wait()
		v.Get(there.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.From(r.Context())
			color.Set(s, "blue")
		})), "/")
		for range 5 {
			wg.Go(shows(here, "blue"))
		}
		wg.Wait()
	})
}
