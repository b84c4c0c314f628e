package lookup

import (
	"time"

	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/state"
)

// Known is what is known of a session without asking the store: the join of the
// copies that a request carried and of what the journal holds.
type Known struct {
	state.Copy
	Found bool

	// Excused: a copy was sealed, not long ago by its own account, with a key that
	// is not known here. A rotation of keys may be under way, and then it is not
	// for this instance to say that there is no session.
	Excused bool
	Keep    jar.Mask // cookies of such copies

	Ended []state.Superseded // the sessions that this visitor has ended, by the tombstone cookie
}

// Add joins a copy in.
func (w *Known) Add(c state.Copy, now time.Time) {
	// A lease that is stamped ahead of time vouches for nothing.
	if c.Confirmed > now.Add(state.MaxAhead).UnixMilli() {
		c.Confirmed = 0
	}
	if !w.Found {
		w.Copy = c
		w.Found = true
		return
	}
	w.Copy = w.Join(c)
}
