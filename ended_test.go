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
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
)

// A save was not answered, and until it is left to the backup this process learns that
// the session has ended: the visitor is told that, and not that the change is kept.
func TestAChangeOfASessionThatEndedMeanwhileIsNotAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newUpdates(t, true)
		other := w.again(w.store.Store, nil)
		ids := make(chan session.ID, 1)
		var err error
		var wg sync.WaitGroup
		var code int
		saves := w.handle(w.visitor, func(_ http.ResponseWriter, s *session.Session) {
			ids <- s.ID()
			w.store.takes.Store(int64(time.Hour))
			_ = count.Update(s, increment)
			_, err = s.Save(context.Background())
		})
		reads := w.handle(w.visitor, func(_ http.ResponseWriter, s *session.Session) { _ = s.ID() })
		wg.Go(func() { code = saves() })
		time.Sleep(50 * time.Millisecond)
		if _, err := other.Revoke(t.Context(), <-ids); err != nil {
			t.Fatal(err)
		}
		reads()
		w.store.away.Store(true)
		wg.Wait()
		w.store.takes.Store(0)
		w.store.away.Store(false)
		if !errors.Is(err, session.ErrEnded) || code == http.StatusOK {
			t.Errorf("Save = %v, and the request was answered %d, want ErrEnded", err, code)
		}
	})
}

// A hook that panics takes nothing with it: whether a save that was not answered stands
// is found out by the next Save of its own request, and by the requests whose changes
// the save carried.
func TestAPanicInAHookForgetsNoSave(t *testing.T) {
	for _, backup := range []bool{false, true} {
		t.Run(fmt.Sprint("backup ", backup), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newUpdates(t, backup)
				armed, panicked := false, 0
				o := &session.Options{ReadTimeout: 50 * time.Millisecond, SaveTimeout: 100 * time.Millisecond}
				o.Hooks.Failed = func(context.Context, session.Operation, session.ID, error) {
					if armed {
						armed = false
						panicked++
						panic("a hook")
					}
				}
				if backup {
					o.Backup = &session.Backup{Keys: mustKeys(t, seal.NewKey()), Audience: "shop-test"}
				}
				w.m = w.again(w.store, o)
				w.visitor = sessiontest.NewVisitor(t, w.m, bob)
				w.store.takes.Store(int64(20 * time.Millisecond))
				var first, second error
				inc := func(s *session.Session) { _ = count.Update(s, increment) }
				codes := w.together(
					inc,
					func(s *session.Session) {
						time.AfterFunc(22*time.Millisecond, func() { // the first is saved
							armed = true
							w.store.stall.Store(true)
						})
						inc(s)
						func() {
							defer func() { _ = recover() }()
							_, first = s.Save(context.Background())
						}()
						_, second = s.Save(context.Background())
					},
					inc,
				)
				w.store.takes.Store(0)
				time.Sleep(time.Minute)
				if panicked != 1 || first != nil || second != nil || codes[0]+codes[1]+codes[2] != 600 {
					t.Errorf("%d panics, Save = %v, then %v, answered %v", panicked, first, second, codes)
				}
				w.want(3)
			})
		})
	}
}
