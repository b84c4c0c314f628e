package lookup

import (
	"time"

	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/state"
)

// Known is what this process knows of a session before it asks the store: the join
// of the copies that the request carried and of the journal's.
type Known struct {
	copy  *state.Copy // see Copy; nil: a zero one
	Found bool

	// Excused: a copy was sealed with a key that is not known here, and says that it
	// was sealed recently. A rotation of keys may be under way, so this instance
	// cannot say that there is no session.
	Excused bool
	Keep    jar.Mask // cookies of such copies

	Ended []state.Superseded // the sessions that this visitor has ended, by the tombstone cookie
}

// KnownAs returns a Known whose copy is c. c must not be modified afterwards. found says that c
// may stand in for a store that does not answer.
func KnownAs(c *state.Copy, found bool) Known { return Known{copy: c, Found: found} }

var noCopy state.Copy

// Copy returns the join of the copies, a zero one if there is none. It must not be modified,
// because other requests may share it.
func (w *Known) Copy() *state.Copy {
	if w.copy == nil {
		return &noCopy
	}
	return w.copy
}

// Add joins in c, which must not be modified afterwards. A lease that is stamped more than
// MaxAhead in the future vouches for nothing, and a session that was last seen then was seen
// now: the clock that stamped it was ahead.
func (w *Known) Add(c *state.Copy, now time.Time) {
	future := now.Add(state.MaxAhead).UnixMilli()
	if c.Confirmed > future || c.State.LastSeen > future {
		c = notAhead(*c, future, now)
	}
	if w.Found {
		joined := w.copy.Join(*c)
		c = &joined
	}
	w.copy, w.Found = c, true
}

// notAhead returns c without dates that are later than future.
func notAhead(c state.Copy, future int64, now time.Time) *state.Copy {
	if c.Confirmed > future {
		c.Confirmed = 0
	}
	if c.State.LastSeen > future {
		c.State.LastSeen = now.UnixMilli()
	}
	return &c
}
