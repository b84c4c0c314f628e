package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// slowStore takes its time to save, stalls once, and is away when told.
type slowStore struct {
	session.Store
	takes atomic.Int64 // for a save
	stall atomic.Bool  // the next save is done and not answered
	away  atomic.Bool
	saves atomic.Int64
}

func (s *slowStore) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if s.away.Load() {
		return session.Record{}, errors.New("connection refused")
	}
	return s.Store.Load(ctx, id)
}

func (s *slowStore) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if s.away.Load() {
		return session.Absent, errors.New("connection refused")
	}
	if !reserved(id) {
		s.saves.Add(1)
	}
	select {
	case <-time.After(time.Duration(s.takes.Load())):
	case <-ctx.Done():
		return session.Absent, ctx.Err()
	}
	v, err := s.Store.Save(ctx, id, r, over)
	if !reserved(id) && s.stall.Swap(false) {
		<-ctx.Done()
		return session.Absent, ctx.Err()
	}
	return v, err
}

// reserved reports whether a record is the library's own.
func reserved(id session.ID) bool { return recordid.Reserved(string(id)) }

// One process: n Updates that are answered 200 are n in the store.
func TestOneProcessLosesNoUpdate(t *testing.T) {
	const budget = 100 * time.Millisecond
	for _, backup := range []bool{false, true} {
		for _, n := range []int{2, 8, 50} {
			for _, percent := range []int64{0, 2, 20, 40, 90} {
				t.Run(fmt.Sprintf("backup %v, %d at once, saves take %d %%", backup, n, percent), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := newUpdates(t, backup)
						w.store.takes.Store(int64(budget) * percent / 100)
						before := w.store.saves.Load()
						ok := w.burst(n)
						if ok != n {
							t.Errorf("%d of %d were answered 200, with a store that is well", ok, n)
						}
						if saves := w.store.saves.Load() - before; n > 2 && percent > 0 && saves > 5 {
							t.Errorf("%d updates took %d saves, want 5 at most", n, saves)
						}
						w.store.takes.Store(0)
						w.want(ok)
					})
				})
			}
		}
	}
}

// A save that is done and not answered is found to stand, and nothing is counted
// twice.
func TestAStallLosesAndRepeatsNoUpdate(t *testing.T) {
	for _, backup := range []bool{false, true} {
		t.Run(fmt.Sprint("backup ", backup), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newUpdates(t, backup)
				w.store.takes.Store(int64(20 * time.Millisecond))
				w.store.stall.Store(true)
				ok := w.burst(8)
				w.store.takes.Store(0)
				time.Sleep(time.Minute)
				w.want(ok)
				if ok != 8 {
					t.Errorf("%d of 8 were answered 200", ok)
				}
			})
		})
	}
}

// At the onset of an outage, in it and on the way out.
func TestAnOutageLosesNoUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newUpdates(t, true)
		total := 0
		w.store.takes.Store(int64(20 * time.Millisecond))
		time.AfterFunc(30*time.Millisecond, func() { w.store.away.Store(true) })
		for range 6 {
			total += w.burst(4)
		}
		time.Sleep(5 * time.Second)
		for range 3 {
			total += w.burst(8)
		}
		time.AfterFunc(50*time.Millisecond, func() { w.store.away.Store(false) })
		for range 20 {
			total += w.burst(3)
			time.Sleep(300 * time.Millisecond)
		}
		w.store.takes.Store(0)
		time.Sleep(time.Minute)
		w.want(total)
		if total < 100 {
			t.Errorf("%d of 108 were answered 200, with a copy that vouches", total)
		}
	})
}

// updates is one visitor of one instance, who counts.
type updates struct {
	*testing.T
	store   *slowStore
	m       *session.Manager
	visitor *sessiontest.Visitor
	keeping sync.Mutex // held while the visitor keeps an answer
	handler http.Handler
}

func newUpdates(t *testing.T, backup bool) *updates {
	return newUpdatesOn(t, memstore.New(nil), backup)
}

func newUpdatesOn(t *testing.T, inner session.Store, backup bool) *updates {
	store := &slowStore{Store: inner}
	o := &session.Options{ReadTimeout: 50 * time.Millisecond, SaveTimeout: 100 * time.Millisecond}
	if backup {
		o.Backup = &session.Backup{Keys: mustKeys(t, seal.NewKey()), Audience: "shop-test"}
	}
	m, err := session.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(context.Background()) })
	time.Sleep(time.Minute) // a new store is in quarantine
	w := &updates{T: t, store: store, m: m, visitor: sessiontest.NewVisitor(t, m, bob)}
	w.handler = m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		_ = count.Update(s, increment)
	}))
	return w
}

// burst sends n requests at once, each with the cookies that the browser has now,
// and returns how many were answered 200. The answers arrive in any order.
func (w *updates) burst(n int) int {
	requests := make([]*http.Request, n)
	for i := range requests {
		requests[i] = w.visitor.Request(http.MethodGet, "/", nil)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex // guards visitor and ok
	ok := 0
	for _, r := range requests {
		wg.Go(func() {
			answer := httptest.NewRecorder()
			w.handler.ServeHTTP(answer, r)
			mu.Lock()
			defer mu.Unlock()
			w.visitor.Keep(answer.Result())
			if answer.Code == http.StatusOK {
				ok++
			}
		})
	}
	wg.Wait()
	return ok
}

// want reads the count from the store.
func (w *updates) want(n int) {
	w.Helper()
	var got int
	w.visitor.Get(w.m.RequireStore(ask(w.T, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
		got = count.Or(s, -1)
	})), "/")
	if got != n {
		w.Errorf("the store counts %d, and %d updates were answered 200", got, n)
	}
}

// A login at one instance, which the store does not take yet, and another tab that goes on under
// the old token at another instance. When that instance meets the new session while the store is
// away, what it knows of the old one is a part of the base.
func TestAnUpdateAfterALoginElsewhereKeepsWhatThisInstanceKnows(t *testing.T) {
	testSite(t, session.Options{}, func(s *site) {
		b, toB := s.cutOff()
		c, toC := s.cutOff()
		v := s.visitor()
		tab := s.copyOf(v)
		toB.Before(func(op string, _ session.ID) error {
			if op == "save" {
				return errRefused
			}
			return nil
		})
		s.after(5 * time.Second)
		s.logIn(b, v, "blue")
		if status := s.serve(c, tab, func(x *session.Session) { _ = count.Update(x, increment) }); status != http.StatusOK {
			t.Fatalf("the other tab's update was answered %d", status)
		}
		toC.Fail(errRefused)
		s.after(2 * time.Second)
		s.serve(c, v, func(x *session.Session) { _ = count.Update(x, increment) })
		toB.Before(nil)
		toC.Heal()
		s.after(20 * time.Second)
		for name, m := range map[string]*session.Manager{"b": b, "c": c} {
			s.serve(m, v, func(x *session.Session) {
				if got := count.Or(x, 0); got != 2 {
					t.Errorf("at %s the count is %d, want 2", name, got)
				}
			})
		}
	})
}
