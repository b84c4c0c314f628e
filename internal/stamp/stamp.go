// Package stamp makes the times and dots of what a process writes.
package stamp

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// Clock is the clock of one process. Any number of goroutines may use it.
type Clock struct {
	Instance uint32        // of this process, in its dots; 0 is a foreign writer
	Skew     time.Duration // that the simulation gives the clock; else none

	logical state.Clock
}

// New returns the clock of a process with an instance number of its own.
func New() *Clock { return &Clock{Instance: 1 + rand.Uint32N(math.MaxUint32)} }

// Now returns the time by this process's clock.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Skew) }

// Dot returns a dot for a write to st.
func (c *Clock) Dot(st state.State) state.Dot {
	return state.Dot{Clock: c.logical.Next(c.Now(), st.Entries.Latest()), Instance: c.Instance}
}

// Login returns the clock value of a login of now. It is larger than after, up to which the
// user's logins are revoked, whatever this clock says. It does not move the clock up to
// after: the next write of this process is at its own time.
func (c *Clock) Login(after uint64) uint64 { return max(c.logical.Next(c.Now(), 0), after+1) }

// Revocation returns the clock value for the revocation of a user's logins until now, also
// of those by a clock that was up to state.MaxAhead before this one, and of each in such a
// millisecond. It is larger than after, that of a revocation of before, and than that of a login
// made in knowledge of it.
func (c *Clock) Revocation(after uint64) uint64 {
	return max(c.logical.Next(c.Now(), 0)+uint64(state.MaxAhead.Milliseconds()+1)<<state.CounterBits, after+1)
}

// Death returns a death of now.
func (c *Clock) Death(why state.Reason) state.Death {
	return state.Death{Dot: c.Dot(state.State{}), Reason: why}
}
