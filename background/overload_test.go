package background_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/background"
)

// answered lets so many callers ask again and again for two seconds, each with a budget
// of 50 ms, and returns how many calls a second were answered in time. Ten may be under
// way at once, and each takes about 10 ms: a thousand a second is the most.
func answered(t *testing.T, callers int) (perSecond int) {
	synctest.Test(t, func(t *testing.T) {
		calls := background.New(10, time.Minute)
		var n atomic.Int64
		end := time.Now().Add(2 * time.Second)
		done := make(chan struct{})
		for i := range callers {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			go func() {
				defer func() { done <- struct{}{} }()
				for time.Now().Before(end) {
					ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
					took := time.Duration(5+random.IntN(11)) * time.Millisecond
					_, err := background.Do(ctx, calls, func(context.Context) (int, error) {
						time.Sleep(took)
						return 0, nil
					})
					cancel()
					if err == nil {
						n.Add(1)
					}
					time.Sleep(time.Duration(random.IntN(1000)) * time.Microsecond) // the visitor
				}
			}()
		}
		for range callers {
			<-done
		}
		calls.Close()
		perSecond = int(n.Load() / 2)
	})
	return perSecond
}

// A caller that has waited for most of its budget is not answered in time: where there are
// more callers than can be served, the slots are not spent on these.
func TestMoreCallersThanCanBeServedCostFewAnswers(t *testing.T) {
	best := 0
	for _, callers := range []int{10, 20, 40, 100, 400} {
		n := answered(t, callers)
		best = max(best, n)
		t.Logf("%4d callers: %d answered a second", callers, n)
		if n < best*95/100 && callers > 10 {
			t.Errorf("%d callers: %d answered a second, want 95 %% of %d", callers, n, best)
		}
	}
}

func TestCallersTakeTurnsInTheOrderInWhichTheyCame(t *testing.T) {
	for _, budget := range []time.Duration{time.Second, 0} { // 0: none
		synctest.Test(t, func(t *testing.T) {
			calls := background.New(1, time.Minute)
			var order []int
			ctx, cancel := context.WithCancel(t.Context())
			if budget > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), budget)
			}
			defer cancel()
			for i := range 20 {
				go background.Do(ctx, calls, func(context.Context) (int, error) {
					order = append(order, i)
					time.Sleep(10 * time.Millisecond)
					return 0, nil
				})
				synctest.Wait()
			}
			time.Sleep(time.Second)
			calls.Close()
			if !slices.IsSorted(order) || len(order) != 20 {
				t.Errorf("with the budget %v: got the order %v", budget, order)
			}
		})
	}
}

// A caller that comes first and has no time for a call waits until its context ends.
func TestACallerWithoutEnoughTimeHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := background.New(1, time.Minute)
		call := func(budget, takes time.Duration) <-chan error {
			ended := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), budget)
				defer cancel()
				_, err := background.Do(ctx, calls, func(context.Context) (int, error) {
					time.Sleep(takes)
					return 0, nil
				})
				ended <- err
			}()
			synctest.Wait()
			return ended
		}
		const takes = 100 * time.Millisecond
		<-call(time.Second, takes/100)
		for range 40 { // so that it is known how long a call takes by now
			<-call(time.Second, takes)
		}
		first := call(time.Second, takes)
		late, next := call(120*time.Millisecond, takes), call(250*time.Millisecond, takes)
		for i, ended := range []<-chan error{first, next} {
			if err := <-ended; err != nil {
				t.Errorf("caller %d that has time: got %v", i, err)
			}
		}
		if err := <-late; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller without: got %v, want the deadline's error", err)
		}
		calls.Close()
	})
}

// Callers leave at the very moment at which their turn comes, too: the turn is the next
// one's, and none is lost.
func TestNoTurnIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 5
		calls := background.New(limit, time.Minute)
		random := rand.New(rand.NewPCG(1, 2))
		var callers sync.WaitGroup
		for range 2000 {
			budget := time.Duration(random.IntN(20)) * time.Millisecond
			took := time.Duration(random.IntN(5)) * time.Millisecond
			callers.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), budget)
				defer cancel()
				_, _ = background.Do(ctx, calls, func(context.Context) (int, error) {
					time.Sleep(took)
					return 0, nil
				})
			})
			if random.IntN(4) == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		callers.Wait()
		time.Sleep(time.Second)

		var atOnce, most atomic.Int64
		for range 2 * limit {
			callers.Go(func() {
				_, err := background.Do(t.Context(), calls, func(context.Context) (int, error) {
					most.Store(max(most.Load(), atOnce.Add(1)))
					time.Sleep(time.Second)
					atOnce.Add(-1)
					return 0, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if most.Load() != limit {
			t.Errorf("%d calls at once, want %d", most.Load(), limit)
		}
		calls.Close()
	})
}
