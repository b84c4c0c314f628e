package rate_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/rate"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// allowed counts what l allows of n attempts at one moment.
func allowed(l *rate.Limiter, now time.Time, perSecond, n int) (count int) {
	for range n {
		if l.Allow(now, perSecond) {
			count++
		}
	}
	return count
}

func TestALimiterAllowsASecondsWorthAtOnceAndThenWhatTimeBrings(t *testing.T) {
	var l rate.Limiter
	for _, step := range []struct {
		after time.Duration
		want  int
	}{
		{0, 10}, {0, 0}, {99 * time.Millisecond, 0}, {100 * time.Millisecond, 1}, {600 * time.Millisecond, 5},
		{time.Hour, 10}, // what was not used does not add up beyond a second's worth
		{time.Hour, 0},
	} {
		if got := allowed(&l, start.Add(step.after), 10, 20); got != step.want {
			t.Errorf("after %v: got %d, want %d", step.after, got, step.want)
		}
	}
}

func TestALimiterOfNothingAllowsNothing(t *testing.T) {
	var l rate.Limiter
	if got := allowed(&l, start, 0, 3) + allowed(&l, start.Add(time.Hour), 0, 3); got != 0 {
		t.Errorf("got %d, want none", got)
	}
}

func TestALimiterCountsForAllGoroutines(t *testing.T) {
	var l rate.Limiter
	var count atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { count.Add(int64(allowed(&l, start, 100, 50))) })
	}
	wg.Wait()
	if count.Load() != 100 {
		t.Errorf("got %d, want 100", count.Load())
	}
}
