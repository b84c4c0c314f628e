package deadline_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/deadline"
)

func TestAContextEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		parent func(context.Context) (context.Context, context.CancelFunc)
		after  time.Duration
	}{
		{"after its time", context.WithCancel, time.Second},
		{"at its parent's earlier deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Millisecond)
		}, time.Millisecond},
		{"before its parent's", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Minute)
		}, time.Second},
		{"at once where there is no time left", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 0)
		}, 0},
		{"not when its parent is canceled", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		}, time.Second},
	} {
		for _, waits := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := test.parent(context.WithValue(t.Context(), key{}, "value"))
				defer cancel()
				var l deadline.SharedTimer
				c := l.Within(parent, time.Now(), time.Second)
				if at, _ := l.After(parent, time.Now(), time.Hour).Deadline(); time.Until(at) != time.Hour {
					t.Errorf("%s: After got a deadline in %v", test.name, time.Until(at))
				}
				if got := c.Value(key{}); got != "value" {
					t.Errorf("%s: got the value %v", test.name, got)
				}
				if at, ok := c.Deadline(); !ok || time.Until(at) != test.after {
					t.Errorf("%s: got a deadline in %v, %v, want in %v", test.name, time.Until(at), ok, test.after)
				}
				begun := time.Now()
				if test.after > 0 && c.Err() != nil {
					t.Fatalf("%s: ended at once: %v", test.name, c.Err())
				}
				if waits {
					if select0(c.Done()) != (test.after == 0) {
						t.Fatalf("%s: ended at once", test.name)
					}
					if test.after > 0 && c.Err() != nil {
						t.Errorf("%s: ended at once: %v", test.name, c.Err())
					}
					<-c.Done()
				} else {
					time.Sleep(test.after)
					synctest.Wait()
				}
				if got := time.Since(begun); got != test.after {
					t.Errorf("%s: ended after %v, want %v", test.name, got, test.after)
				}
				if err := c.Err(); err != context.DeadlineExceeded {
					t.Errorf("%s: Err = %v", test.name, err)
				}
				<-c.Done() // closed, whenever it is asked for
			})
		}
	}
}

type key struct{}

func select0(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// A context that is made a little later may end a little early, and never late.
func TestContextsShareTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l deadline.SharedTimer
		begun := time.Now()
		dones := map[<-chan struct{}]int{}
		var wg sync.WaitGroup
		for range 640 {
			c := l.After(t.Context(), time.Now(), 320*time.Millisecond)
			at, _ := c.Deadline()
			dones[c.Done()]++
			wg.Go(func() {
				<-c.Done()
				if early := time.Until(at); early < 0 || early > 10*time.Millisecond {
					t.Errorf("ended %v before its deadline, want at most 10ms", early)
				}
				if c.Err() != context.DeadlineExceeded {
					t.Errorf("ended, and Err = %v", c.Err())
				}
			})
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		if got := len(dones); got > 64 {
			t.Errorf("640 contexts in %v have %d ends", time.Since(begun), got)
		}
	})
}

// No new context shares a moment that is over.
func TestAContextDoesNotBeginAtAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l deadline.SharedTimer
		short := l.After(t.Context(), time.Now(), 0)
		<-short.Done()
		c := l.After(t.Context(), time.Now(), time.Nanosecond)
		if c.Err() != nil {
			t.Error(c.Err())
		}
		<-c.Done()
	})
}

func TestChildrenEndToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l deadline.SharedTimer
		child, cancel := context.WithTimeout(l.After(t.Context(), time.Now(), time.Second), time.Hour)
		defer cancel()
		<-child.Done()
		if err := child.Err(); err != context.DeadlineExceeded {
			t.Errorf("child ended with %v", err)
		}
	})
}

func TestManyAskAtOnce(t *testing.T) {
	var l deadline.SharedTimer
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				c := l.After(t.Context(), time.Now(), time.Millisecond)
				<-c.Done()
				if c.Err() == nil {
					t.Error("Done, and Err is nil")
				}
			}
		})
	}
	wg.Wait()
}

func TestAContextIsOneAllocation(t *testing.T) {
	var l deadline.SharedTimer
	ctx := t.Context()
	if got := testing.AllocsPerRun(1000, func() {
		c := l.After(ctx, time.Now(), time.Hour)
		if c.Done() == nil || c.Err() != nil {
			t.Error("ended")
		}
	}); got > 1 {
		t.Errorf("got %v allocations, want 1", got)
	}
}

// Contexts of several lengths may share a SharedTimer, and a callee may ask late for the end.
func TestAContextEndsWithNoneThatIsLaterOrOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l deadline.SharedTimer
		begun := time.Now()
		_ = l.After(t.Context(), begun, time.Second).Done()
		<-l.After(t.Context(), begun, 100*time.Millisecond).Done()
		if got := time.Since(begun); got != 100*time.Millisecond {
			t.Errorf("a context of 100 ms ended after %v", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var l deadline.SharedTimer
		begun := time.Now()
		first := l.After(t.Context(), begun, 320*time.Millisecond)
		second := l.After(t.Context(), begun.Add(5*time.Millisecond), 320*time.Millisecond)
		<-first.Done()
		time.Sleep(time.Millisecond)
		if second.Err() != nil {
			t.Error("a context ended with one that was over when its end was asked for")
		}
		<-second.Done()
		if got := time.Since(begun); got != 325*time.Millisecond {
			t.Errorf("it ended after %v, want 325ms", got)
		}
	})
}
