package state

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// dot says when and where an entry was written. No two writes of one entry
// have the same dot, and a write has a larger one than all it knew of.
type Dot struct {
	Clock    uint64 // hybrid: Unix milliseconds, then a counter in the low 16 bits
	Instance uint32 // random, one for each Manager
}

const (
	DotSize     = 12
	CounterBits = 16
	maxMillis   = 1<<47 - 1 // the year 6429; what is later is no date of ours
)

func (d Dot) compare(e Dot) int {
	return cmp.Or(cmp.Compare(d.Clock, e.Clock), cmp.Compare(d.Instance, e.Instance))
}

func (d Dot) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, d.Clock)
	return binary.BigEndian.AppendUint32(b, d.Instance)
}

func readDot(b []byte) Dot {
	return Dot{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])}
}

func (d Dot) Time() time.Time { return time.UnixMilli(int64(d.Clock >> CounterBits)) }

// clock is a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks",
// 2014): close to the wall clock, never behind what it has seen. Any number of
// goroutines may use it.
type Clock struct{ last atomic.Uint64 }

// maxAhead is how far the clock follows a dot that is ahead of the wall clock.
// Without a bound, one instance with a wrong date would drag all others along.
const MaxAhead = time.Minute

// next returns a clock value larger than seen and than all that it returned
// before. Those for a seen too far ahead are the exception: they are larger than
// seen, by up to 16 milliseconds at random, so that two are not the same.
func (c *Clock) Next(now time.Time, seen uint64) uint64 {
	wall := uint64(now.UnixMilli()) << CounterBits
	if seen>>CounterBits > uint64(now.Add(MaxAhead).UnixMilli()) {
		return seen + 1 + rand.Uint64N(16<<CounterBits)
	}
	for {
		last := c.last.Load()
		v := max(last+1, seen+1, wall)
		if c.last.CompareAndSwap(last, v) {
			return v
		}
	}
}
