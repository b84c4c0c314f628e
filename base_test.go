package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
)

// A request that has run for long, an event stream above all, makes its change in an
// outage on nothing older than what this process has saved since, whether or not the
// visitor has carried that back.
func TestALongRequestUndoesNoUpdate(t *testing.T) {
	for _, age := range []time.Duration{8 * time.Second, 40 * time.Second, 20 * time.Minute} {
		for _, returns := range []bool{true, false} {
			t.Run(fmt.Sprintf("%v, the visitor returns: %v", age, returns), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newUpdates(t, true)
					inc := func(_ http.ResponseWriter, s *session.Session) { _ = count.Update(s, increment) }
					var wg sync.WaitGroup
					var streamed error
					stream := w.handle(w.visitor, func(rw http.ResponseWriter, s *session.Session) {
						_ = s.ID()
						rw.WriteHeader(http.StatusOK)
						time.Sleep(age + time.Second)
						_ = count.Update(s, increment)
						_, streamed = s.Save(context.Background())
					})
					wg.Go(func() { stream() })
					time.Sleep(100 * time.Millisecond)
					for range 3 {
						if code := w.handle(w.visitor, inc)(); code != http.StatusOK {
							t.Fatal(code)
						}
					}
					time.Sleep(age - time.Second)
					if returns {
						w.handle(w.visitor, func(_ http.ResponseWriter, s *session.Session) { _ = s.ID() })()
					}
					w.store.away.Store(true)
					wg.Wait()
					w.store.away.Store(false)
					time.Sleep(time.Minute)
					if !errors.Is(streamed, session.ErrPending) {
						t.Errorf("the stream was told %v, want ErrPending", streamed)
					}
					w.want(4)
				})
			})
		}
	}
}

// When the long request is over, what was kept for it goes.
func TestWhatALongRequestNeededIsForgottenAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newUpdates(t, true)
		var wg sync.WaitGroup
		stream := w.handle(w.visitor, func(_ http.ResponseWriter, s *session.Session) {
			_ = s.ID()
			time.Sleep(time.Hour)
		})
		wg.Go(func() { stream() })
		time.Sleep(time.Second)
		w.burst(1)
		time.Sleep(30 * time.Minute)
		if n := w.m.Journaled(); n != 1 {
			t.Errorf("%d copies are kept while it runs, want 1", n)
		}
		wg.Wait()
		time.Sleep(time.Minute)
		if n := w.m.Journaled(); n != 0 {
			t.Errorf("%d copies are kept a minute after it", n)
		}
	})
}

// A request of this process has read what another instance has written. Changes that
// another request makes in an outage are made on nothing older.
func TestWhatARequestHasReadIsKnownToOthers(t *testing.T) {
	for name, sets := range map[string]bool{"by a request": true, "by a request that Load serves": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newUpdates(t, true)
				other := w.again(w.store.Store, nil)
				code := 0
				var wg sync.WaitGroup
				older := w.handle(w.visitor, func(_ http.ResponseWriter, s *session.Session) {
					_ = s.ID()
					time.Sleep(5 * time.Minute)
					_ = count.Update(s, increment)
				})
				wg.Go(func() { code = older() })
				time.Sleep(10 * time.Millisecond)
				for range 5 {
					o := other.Load(t.Context(), w.visitor.Request(http.MethodGet, "/", nil).Header)
					_ = count.Update(o, increment)
					if _, err := o.Save(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if sets {
					w.handle(w.visitor, func(_ http.ResponseWriter, s *session.Session) {
						if count.Or(s, 0) != 5 {
							t.Error("not read")
						}
					})()
				} else if s := w.m.Load(t.Context(), w.visitor.Request(http.MethodGet, "/", nil).Header); count.Or(s, 0) != 5 {
					t.Error("not read")
				}
				time.Sleep(4 * time.Minute)
				w.store.away.Store(true)
				wg.Wait()
				w.store.away.Store(false)
				time.Sleep(time.Minute)
				if code != http.StatusOK {
					t.Errorf("the older request was answered %d", code)
				}
				w.want(6)
			})
		})
	}
}

// It is not known how long a goroutine that outlives its request lasts, so nothing is
// kept for it. In an outage its Update is refused, because what others have saved is
// forgotten by then. A Set overwrites its key, whatever stands there.
func TestAnUpdateOnWhatWasReadLongAgoIsRefused(t *testing.T) {
	for _, test := range []struct {
		name  string
		after time.Duration
		edit  func(*session.Session)
		want  error
	}{
		{"an Update", time.Minute, func(s *session.Session) { _ = count.Update(s, increment) }, session.ErrUnavailable},
		{"a Set", time.Minute, func(s *session.Session) { color.Set(s, "blue") }, session.ErrPending},
		{"an Update a second later", time.Second, func(s *session.Session) { _ = count.Update(s, increment) }, session.ErrPending},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newUpdates(t, true)
				var s *session.Session
				w.handle(w.visitor, func(rw http.ResponseWriter, of *session.Session) {
					s = of
					_ = s.ID()
					rw.WriteHeader(http.StatusOK)
				})()
				if test.after > time.Second {
					w.burst(3)
				}
				time.Sleep(test.after)
				w.store.away.Store(true)
				test.edit(s)
				_, err := s.Save(t.Context())
				if !errors.Is(err, test.want) {
					t.Errorf("Save = %v, want %v", err, test.want)
				}
				w.store.away.Store(false)
				time.Sleep(time.Minute)
				if test.after > time.Second {
					w.want(3)
				}
			})
		})
	}
}
