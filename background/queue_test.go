package background_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/background"
)

// waiting starts callers whose calls may not run yet, and returns what they get.
func waiting(ctx context.Context, calls *background.Calls, n int, ran *atomic.Int64) <-chan error {
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := background.Do(ctx, calls, func(context.Context) (int, error) {
				ran.Add(1)
				return 0, nil
			})
			errs <- err
		}()
	}
	return errs
}

func TestCallersWhoLeaveAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := background.New(1, time.Minute)
		hold := make(chan struct{})
		go background.Do(t.Context(), calls, func(context.Context) (int, error) { <-hold; return 0, nil })
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		var ran atomic.Int64
		waiting(ctx, calls, 100, &ran)
		synctest.Wait()
		leave()
		synctest.Wait()
		if n := calls.Waiting(); n != 0 {
			t.Errorf("%d callers that have left are in the queue", n)
		}
		close(hold)
		calls.Close()
		if n := ran.Load(); n != 0 {
			t.Errorf("%d calls ran for callers that have left", n)
		}
	})
}

// All leave, or Close is called, while the call before theirs ends.
func TestAtTheMomentInWhichACallEnds(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			calls := background.New(1, time.Minute)
			ctx, leave := context.WithCancel(t.Context())
			hold := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				background.Do(t.Context(), calls, func(context.Context) (int, error) { <-hold; leave(); return 0, nil })
			})
			synctest.Wait()
			var ran atomic.Int64
			errs := waiting(ctx, calls, 20, &ran)
			synctest.Wait()
			close(hold)
			for range 20 {
				if err := <-errs; !errors.Is(err, context.Canceled) {
					t.Errorf("a caller that leaves: got %v, want context.Canceled", err)
				}
			}
			wg.Wait()
			if n := ran.Load(); n != 0 {
				t.Fatalf("%d calls ran for callers that had left", n)
			}

			wg.Go(func() {
				background.Do(t.Context(), calls, func(context.Context) (int, error) {
					time.Sleep(time.Second)
					go calls.Close()
					for {
						if _, err := background.Do(t.Context(), calls, func(context.Context) (int, error) { return 0, nil }); errors.Is(err, background.ErrClosed) {
							return 0, nil
						}
					}
				})
			})
			synctest.Wait()
			errs = waiting(t.Context(), calls, 20, &ran)
			for range 20 {
				if err := <-errs; !errors.Is(err, background.ErrClosed) {
					t.Errorf("a caller that waits: got %v, want ErrClosed", err)
				}
			}
			wg.Wait()
			if n := ran.Load(); n != 0 {
				t.Fatalf("%d calls ran after Close", n)
			}
		})
	}
}
