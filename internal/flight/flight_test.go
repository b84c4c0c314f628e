package flight_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/flight"
)

func ask(ctx context.Context, g *flight.Group[string, int], key string, question func() int) (int, error) {
	for {
		t, asks := g.Enter(key)
		if !asks {
			o, err := t.Wait(ctx)
			if o.Answered || err != nil {
				return o.Answer, err
			}
			asks = o.Asks
		}
		if asks {
			defer t.Leave()
			answer := question()
			if t.Shared() {
				t.Answer(answer)
			}
			return answer, nil
		}
	}
}

func TestAPageAsksTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		asked := 0
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				got, err := ask(t.Context(), &g, "key", func() int {
					asked++
					time.Sleep(time.Second)
					return asked
				})
				if want := min(i+1, 2); got != want || err != nil {
					t.Errorf("the call %d: got %d, %v, want %d", i, got, err, want)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		if asked != 2 {
			t.Errorf("asked %d times, want 2", asked)
		}
		if g.Len() != 0 {
			t.Error("there is something left")
		}
	})
}

func TestKeysDoNotWaitForOneAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		begun := time.Now()
		var wg sync.WaitGroup
		for i := range 2000 { // more than there are slots
			wg.Go(func() {
				_, _ = ask(t.Context(), &g, fmt.Sprint(i), func() int { time.Sleep(time.Second); return i })
			})
		}
		wg.Wait()
		if took := time.Since(begun); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
	})
}

func TestWhoCannotWaitLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		second := func() int { time.Sleep(time.Second); return 1 }
		go ask(t.Context(), &g, "key", second)
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for range 3 {
			if _, err := ask(short, &g, "key", second); err != context.DeadlineExceeded {
				t.Errorf("got %v", err)
			}
		}
		if g.Len() != 1 {
			t.Errorf("%d keys are asked, want 1", g.Len())
		}
		if got, err := ask(t.Context(), &g, "key", second); got != 1 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
		if g.Len() != 0 {
			t.Error("there is something left")
		}
	})
}

func TestOneWhoPanicsStrandsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				defer func() { _ = recover() }()
				got, err := ask(t.Context(), &g, "key", func() int {
					time.Sleep(time.Second)
					if i < 2 {
						panic("out")
					}
					return i
				})
				if got < 2 || err != nil {
					t.Errorf("got %d, %v", got, err)
				}
			})
		}
		wg.Wait()
		if g.Len() != 0 {
			t.Error("there is something left")
		}
	})
}

// No caller gets an answer that is older than its question, one question is under
// way at a time, and no caller is left waiting.
func TestAnswersAreNeverOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		var now, inFlight, asked, shared atomic.Int64
		var wg sync.WaitGroup
		for w := range 20 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(1, uint64(w)))
				for range 300 {
					time.Sleep(time.Duration(r.IntN(50)) * time.Microsecond)
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(100))*time.Microsecond)
					knows, own := now.Add(1), false
					got, err := ask(ctx, &g, "key", func() int {
						own = true
						if inFlight.Add(1) != 1 {
							t.Error("two questions at once")
						}
						defer inFlight.Add(-1)
						asked.Add(1)
						answer := now.Load()
						time.Sleep(time.Duration(r.IntN(30)) * time.Microsecond)
						return int(answer)
					})
					if err == nil && int64(got) < knows {
						t.Errorf("asked at %d: got an answer of %d", knows, got)
					}
					if err == nil && !own {
						shared.Add(1)
					}
					cancel()
				}
			})
		}
		wg.Wait()
		if g.Len() != 0 {
			t.Error("there is something left")
		}
		if shared.Load() == 0 || asked.Load() == 0 {
			t.Errorf("%d asked, %d shared", asked.Load(), shared.Load())
		}
	})
}

func TestToAskAloneAllocatesNothing(t *testing.T) {
	var g flight.Group[string, int]
	if got := testing.AllocsPerRun(1000, func() {
		turn, asks := g.Enter("key")
		if !asks || turn.Shared() {
			t.Error("somebody else asks")
		}
		turn.Leave()
	}); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}
