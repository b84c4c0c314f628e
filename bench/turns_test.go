package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestFiguresAreConsistent(t *testing.T) {
	const fast, slow = time.Millisecond, 4 * time.Millisecond
	wait := func(d time.Duration, calls []int) operation {
		return func(_ context.Context, caller int) error {
			calls[caller]++
			time.Sleep(d)
			return nil
		}
	}
	const callers = 3
	ours, theirs := make([]int, callers), make([]int, callers)
	o, err := turns{rounds: 5, slice: 20 * time.Millisecond}.compare(t.Context(), callers, wait(fast, ours), wait(slow, theirs))
	if err != nil {
		t.Fatal(err)
	}
	if o.low > o.ratio || o.ratio > o.high || o.low <= 0 {
		t.Errorf("the ratio %v is not between its quartiles %v and %v", o.ratio, o.low, o.high)
	}
	// A caller who waits a millisecond makes at most a thousand calls a second.
	if most := callers / fast.Seconds(); o.ours.rate <= 0 || o.ours.rate > most {
		t.Errorf("got %v operations a second, want at most %v", o.ours.rate, most)
	}
	if most := callers / slow.Seconds(); o.theirs.rate <= 0 || o.theirs.rate > most {
		t.Errorf("got %v operations a second, want at most %v", o.theirs.rate, most)
	}
	for i := range callers {
		if ours[i] == 0 || theirs[i] == 0 {
			t.Errorf("caller %d made %d and %d calls", i, ours[i], theirs[i])
		}
	}
}

func TestAllocationsAreCounted(t *testing.T) {
	var kept [2][]byte
	allocate := func(n int) operation {
		return func(context.Context, int) error {
			for range n {
				kept[n-1] = make([]byte, 100)
			}
			return nil
		}
	}
	o, err := turns{rounds: 3, slice: 5 * time.Millisecond}.compare(t.Context(), 1, allocate(1), allocate(2))
	if err != nil {
		t.Fatal(err)
	}
	if o.ours.allocs < 1 || o.theirs.allocs < 2 || o.ours.allocs >= o.theirs.allocs {
		t.Errorf("got %.2f and %.2f allocations, want 1 and 2", o.ours.allocs, o.theirs.allocs)
	}
}

func TestAFailureEndsTheComparison(t *testing.T) {
	boom := errors.New("boom")
	fails := func(context.Context, int) error { return boom }
	if _, err := (turns{1, time.Millisecond}).compare(t.Context(), 2, fails, fails); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}
