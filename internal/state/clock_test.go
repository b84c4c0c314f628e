package state

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var noon = time.UnixMilli(1772625600000)

func clockAt(t time.Time) uint64 { return ClockAt(t) }

func TestDotsAreOrderedAsTheirBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 1))
	for range 1000 {
		d, e := Dot{uint64(r.IntN(3)), uint32(r.IntN(3))}, Dot{uint64(r.IntN(3)), uint32(r.IntN(3))}
		x, y := string(d.append(nil)), string(e.append(nil))
		if got := d.compare(e); got < 0 != (x < y) || got > 0 != (x > y) {
			t.Fatalf("%v compared with %v is %d", d, e, got)
		}
		if len(x) != DotSize || readDot([]byte(x)) != d {
			t.Fatalf("%v became %v", d, readDot([]byte(x)))
		}
	}
	if got := (Dot{Clock: clockAt(noon) + 5}).Time(); !got.Equal(noon) {
		t.Errorf("the time of a dot is %v, want %v", got, noon)
	}
}

func TestClockStaysCloseToTheWall(t *testing.T) {
	var c Clock
	for _, step := range []struct {
		name string
		now  time.Time
		seen uint64
		want uint64
	}{
		{name: "it begins at the wall clock", now: noon, want: clockAt(noon)},
		{name: "it counts within a millisecond", now: noon, want: clockAt(noon) + 1},
		{name: "it goes on where the wall clock goes back", now: noon.Add(-time.Hour), want: clockAt(noon) + 2},
		{name: "a dot of before changes nothing", now: noon, seen: clockAt(noon) - 1, want: clockAt(noon) + 3},
		{name: "it passes what it has seen", now: noon, seen: clockAt(noon) + 10, want: clockAt(noon) + 11},
		{name: "it follows the wall clock", now: noon.Add(time.Second), want: clockAt(noon.Add(time.Second))},
		{name: "it follows a dot a minute ahead", now: noon, seen: clockAt(noon.Add(MaxAhead)) + 7, want: clockAt(noon.Add(MaxAhead)) + 8},
		{name: "and remembers it", now: noon, want: clockAt(noon.Add(MaxAhead)) + 9},
	} {
		if got := c.Next(step.now, step.seen); got != step.want {
			t.Errorf("%s: next = %d, want %d (%d more)", step.name, got, step.want, got-step.want)
		}
	}
}

func TestClockDoesNotFollowADotThatIsTooFarAhead(t *testing.T) {
	var c Clock
	before := c.Next(noon, 0)
	seen := clockAt(noon.Add(MaxAhead + time.Millisecond))
	got := map[uint64]bool{}
	for range 200 {
		v := c.Next(noon, seen)
		if v <= seen || v > seen+16<<CounterBits {
			t.Errorf("next is %d after the dot that it must pass, by 16 milliseconds at most", int64(v-seen))
		}
		got[v] = true
	}
	if len(got) < 195 {
		t.Errorf("200 writers got %d values: two of them would share a dot", len(got))
	}
	if v := c.Next(noon, 0); v != before+1 {
		t.Errorf("the clock followed by %v", Dot{Clock: v}.Time().Sub(noon))
	}
}

// Each writer sees the latest value of any, as it would over a store.
func TestConcurrentWritersPassWhatTheySaw(t *testing.T) {
	var c Clock
	var latest atomic.Uint64
	var all sync.Map
	var group sync.WaitGroup
	for writer := range 4 {
		group.Go(func() {
			own := uint64(0)
			for i := range 2000 {
				seen := latest.Load()
				v := c.Next(noon.Add(time.Duration(i*writer)*time.Microsecond), seen)
				if v <= seen || v <= own {
					t.Errorf("next after %d and %d is %d", seen, own, v)
					return
				}
				if _, twice := all.LoadOrStore(v, true); twice {
					t.Errorf("%d twice", v)
					return
				}
				own = v
				for last := latest.Load(); last < v && !latest.CompareAndSwap(last, v); last = latest.Load() {
				}
			}
		})
	}
	group.Wait()
}

// contended is a cell that others take values from, each just before it is
// written.
type contended struct {
	atomic.Uint64
	others int
}

func (c *contended) CompareAndSwap(before, after uint64) bool {
	if c.others > 0 {
		c.others--
		c.Add(1)
	}
	return c.Uint64.CompareAndSwap(before, after)
}

func TestAWriterPassesWhatOthersTakeMeanwhile(t *testing.T) {
	for others := range 4 {
		c := contended{others: others}
		c.Store(clockAt(noon))
		want := clockAt(noon) + uint64(others) + 1
		if got := next(&c, noon, 0); got != want || c.Load() != want {
			t.Errorf("%d others: next is %d and %d remains, want %d more than noon", others, got-clockAt(noon), c.Load()-clockAt(noon), want-clockAt(noon))
		}
	}
}
