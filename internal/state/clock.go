package state

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Dot says when and where an entry was written. No two writes of one entry
// have the same dot, and the dot of a write is larger than every dot that its
// writer knew of.
type Dot struct {
	Clock    uint64 // hybrid: Unix milliseconds, then a counter in the low CounterBits
	Instance uint32 // random, one for each Manager; 0 for a record of another system's format
}

const (
	// DotSize is the length of an encoded dot in bytes.
	DotSize = 12

	// CounterBits is how many low bits of a clock value count within a
	// millisecond.
	CounterBits = 16

	maxMillis = 1<<47 - 1 // the year 6429; a later date is not one that this program wrote
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

// Time returns the time in d's clock, to the millisecond. It may be up to
// MaxAhead later than the wall clock was.
func (d Dot) Time() time.Time { return time.UnixMilli(int64(d.Clock >> CounterBits)) }

// ClockAt returns the first clock value of a time.
func ClockAt(t time.Time) uint64 { return uint64(t.UnixMilli()) << CounterBits }

// Clock is a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks",
// 2014): it stays close to the wall clock, and never falls behind a value that
// it has seen. The zero Clock is ready; any number of goroutines may use it.
type Clock struct{ last atomic.Uint64 }

// MaxAhead is how far a Clock follows a dot that is ahead of the wall clock.
// Without a bound, one instance with a wrong date would drag all others along.
const MaxAhead = time.Minute

// Next returns a clock value for a write at the time now, by a writer that knows
// of clock values up to seen. It is larger than seen and than every value that
// Next has returned before.
//
// A seen more than MaxAhead ahead of now is the exception: Next does not
// remember the value that it returns then. That value is larger than seen by up
// to 16 milliseconds at random, so that two writers do not get the same.
func (c *Clock) Next(now time.Time, seen uint64) uint64 { return next(&c.last, now, seen) }

// cell is what a Clock uses of an atomic.Uint64. A test has one that another
// goroutine gets at between the two calls.
type cell interface {
	Load() uint64
	CompareAndSwap(before, after uint64) bool
}

func next(c cell, now time.Time, seen uint64) uint64 {
	wall := uint64(now.UnixMilli()) << CounterBits
	if seen>>CounterBits > uint64(now.Add(MaxAhead).UnixMilli()) {
		return seen + 1 + rand.Uint64N(16<<CounterBits)
	}
	for {
		last := c.Load()
		v := max(last+1, seen+1, wall)
		if c.CompareAndSwap(last, v) {
			return v
		}
	}
}
