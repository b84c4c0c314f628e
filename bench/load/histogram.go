package load

import (
	"math/bits"
	"time"
)

// Histogram counts durations, each as one of 32 steps between powers of two:
// what it tells is right within three percent. The zero Histogram is empty.
type Histogram struct {
	counts [64 * steps]uint32
	total  uint64
}

const steps = 32

// Add counts d.
func (h *Histogram) Add(d time.Duration) {
	h.counts[index(uint64(max(0, d)))]++
	h.total++
}

// Merge adds all that other counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
}

// Total is how many durations were counted.
func (h *Histogram) Total() uint64 { return h.total }

// Quantile returns the duration that the part q of all, between 0 and 1, is not
// above. Of an empty Histogram it is 0.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(h.total)), uint64(0)
	last := 0
	for i, n := range h.counts {
		if n == 0 {
			continue
		}
		last = i
		if seen += uint64(n); seen > rank {
			break
		}
	}
	return middle(last)
}

func index(ns uint64) int {
	if ns < steps {
		return int(ns)
	}
	power := bits.Len64(ns) - 6 // ns >> power is between 32 and 63
	return power*steps + int(ns>>power)
}

func middle(i int) time.Duration {
	if i < 2*steps {
		return time.Duration(i)
	}
	power := i/steps - 1
	low := uint64(i%steps+steps) << power
	return time.Duration(low + 1<<power/2)
}
