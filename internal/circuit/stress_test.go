package circuit_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
)

// Visitors, a prober, an operator and readers at once, on a shard that dies
// and recovers again and again. Time is the number of operations.
func TestManyGoroutines(t *testing.T) {
	start := time.Now()
	b := circuit.New(start)
	var clock atomic.Int64
	now := func() time.Time { return start.Add(time.Duration(clock.Add(int64(time.Millisecond)))) }
	dead := func(at time.Time) bool { return at.Sub(start)/(7*time.Second)%2 == 1 }
	outcome := func(at time.Time) circuit.Outcome {
		if dead(at) {
			return failed
		}
		return answered
	}

	var begun, ended [3]atomic.Int64 // how often each state did
	note := func(c circuit.Change, news bool) {
		if news {
			ended[c.From].Add(1)
			begun[c.To].Add(1)
		}
	}
	var quit atomic.Bool
	var visitors, others sync.WaitGroup
	for i := range 8 {
		visitors.Go(func() {
			// On until the others have had their turn, too.
			for n := 0; n < 20_000 || begun[returning].Load() == 0 && time.Since(start) < time.Minute; n++ {
				at := now()
				note(b.Report(b.Allow(at, i%2 == 0), at, budget, outcome(at)))
			}
		})
	}
	others.Go(func() {
		for i := 0; !quit.Load(); i++ {
			at := now()
			probe, wait := b.Probe(at)
			if wait > 0 {
				continue
			}
			if i%3 == 0 {
				b.Forgot(at)
			}
			note(b.Report(probe, at, budget, outcome(at)))
			note(b.Delivered(at))
		}
	})
	others.Go(func() {
		for !quit.Load() {
			at := now()
			_ = b.State(at).String()
			b.Quarantined(at)
			b.Owe()
			time.Sleep(time.Microsecond) // gives way
		}
	})
	others.Go(func() {
		for i := 0; !quit.Load(); i++ {
			note(b.Force(now(), circuit.Mode(i%3)))
			time.Sleep(time.Millisecond)
		}
	})
	visitors.Wait()
	quit.Store(true)
	others.Wait()

	note(b.Force(now(), circuit.Auto))
	state := b.State(now()).State
	for _, s := range []circuit.State{serving, away, returning} {
		want := ended[s].Load() // each change was returned to exactly one
		if s == state {
			want++
		}
		if s == serving {
			want--
		}
		if got := begun[s].Load(); got != want {
			t.Errorf("%v began %d times, want %d", s, got, want)
		}
	}
	if begun[away].Load() == 0 || begun[returning].Load() == 0 {
		t.Errorf("away %d times, returning %d times", begun[away].Load(), begun[returning].Load())
	}
	t.Logf("away %d times, back %d times", begun[away].Load(), begun[serving].Load())
}

// At one moment of an outage at most one goroutine is told of it, and none is
// let in after it was.
func TestNobodyIsLetInAfterATrip(t *testing.T) {
	now := time.Now()
	for range 200 {
		b := circuit.New(now)
		var told atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 10 {
					was := told.Load() > 0
					ticket := b.Allow(now, false)
					if was && ticket.Answer != no {
						t.Errorf("it says %v after the trip", ticket.Answer)
					}
					if _, news := b.Report(ticket, now, budget, failed); news {
						told.Add(1)
					}
				}
			})
		}
		all.Wait()
		if n := told.Load(); n != 1 {
			t.Fatalf("%d goroutines were told", n)
		}
	}
}
