package lookup

import (
	"time"

	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/state"
)

// Known is what this process knows of a session before it asks the store: the join
// of the copies that the request carried and of the journal's.
type Known struct {
	state.Copy
	Found bool

	// Excused: a copy was sealed with a key that is not known here, not long ago
	// by the copy's own account. A rotation of keys may be under way, so this
	// instance cannot say that there is no session.
	Excused bool
	Keep    jar.Mask // cookies of such copies

	Ended []state.Superseded // the sessions that this visitor has ended, by the tombstone cookie
}

// Add joins a copy in. A lease that is stamped more than MaxAhead in the future
// vouches for nothing, and a session that was last seen then was seen now: the clock
// that stamped it was ahead.
func (w *Known) Add(c state.Copy, now time.Time) {
	future := now.Add(state.MaxAhead).UnixMilli()
	if c.Confirmed > future {
		c.Confirmed = 0
	}
	if c.State.LastSeen > future {
		c.State.LastSeen = now.UnixMilli()
	}
	if !w.Found {
		w.Copy = c
		w.Found = true
		return
	}
	w.Copy = w.Join(c)
}
