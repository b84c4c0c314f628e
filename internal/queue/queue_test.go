package queue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/queue"
)

func TestOneAtATimeEachPassingOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue.Queue[string, int]
		sum := 0
		for range 50 {
			go func() {
				turn, err := q.Enter(t.Context(), "k")
				if err != nil {
					t.Error(err)
					return
				}
				last, _ := turn.Last()
				time.Sleep(time.Millisecond)
				sum++ // the race detector watches
				turn.Pass(last + 1)
				if last+1 != sum {
					t.Errorf("the turn before passed %d, %d came before", last, sum-1)
				}
				turn.Leave()
			}()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if sum != 50 || q.Len() != 0 {
			t.Errorf("%d turns, %d lines left", sum, q.Len())
		}
		turn, err := q.Enter(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		defer turn.Leave()
		if v, ok := turn.Last(); ok {
			t.Errorf("who did not wait was passed %d", v)
		}
	})
}

func TestOtherKeysDoNotWait(t *testing.T) {
	var q queue.Queue[string, int]
	a, err := q.Enter(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Leave()
	b, err := q.Enter(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	b.Leave()
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q queue.Queue[string, int]
		first, _ := q.Enter(t.Context(), "k")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.Enter(ctx, "k"); err != context.DeadlineExceeded {
			t.Errorf("Enter = %v", err)
		}
		first.Leave()
		if q.Len() != 0 {
			t.Errorf("%d lines left", q.Len())
		}
		again, err := q.Enter(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		again.Leave()
	})
}
