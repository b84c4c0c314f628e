// Package stamp gives what a process writes its time and its dot.
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

// Death returns a death of now.
func (c *Clock) Death(why state.Reason) state.Death {
	return state.Death{Dot: c.Dot(state.State{}), Reason: why}
}
