package circuit

import "time"

const (
	tick     = 100 * time.Millisecond
	ticks    = 10 // a second, of which the tick under way is a part
	tripFrom = 20 // operations, before their share of failures counts
)

// window counts the operations of the last second. It forgets tick by tick, so
// it holds between 0.9 and 1 s. The zero window is empty. Its times never go
// backwards.
type window struct {
	sum  count
	last int64 // the tick under way, from when times begin
	ring [ticks]count
}

type count struct{ operations, bad int }

func (w *window) add(at time.Duration, bad bool) {
	w.forget(at)
	c := &w.ring[w.last%ticks]
	c.operations++
	w.sum.operations++
	if bad {
		c.bad++
		w.sum.bad++
	}
}

// bad reports whether the window has enough operations and at least half of them
// were bad.
func (w *window) bad() bool {
	return w.sum.operations >= tripFrom && 2*w.sum.bad >= w.sum.operations
}

// forget drops what is older than a second.
func (w *window) forget(at time.Duration) {
	now := int64(at / tick)
	if now-w.last >= ticks {
		*w = window{last: now}
		return
	}
	for w.last < now {
		w.last++
		c := &w.ring[w.last%ticks]
		w.sum.operations -= c.operations
		w.sum.bad -= c.bad
		*c = count{}
	}
}
