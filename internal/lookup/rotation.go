package lookup

import (
	"fmt"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// MaxRotations bounds how many rotations one request follows to its session.
const MaxRotations = 64

// ErrTooManyRotations is the error of a request that met more than MaxRotations.
var ErrTooManyRotations = fmt.Errorf("%w: the session was rotated more than %d times in %v", failure.ErrUnavailable, MaxRotations, failover.RotationGrace)

// Follow returns the token to which the tombstone of t leads while the grace
// lasts. It does not lead across a Renew, whose token cannot be derived.
func (r *Reader) Follow(t token.Token, d state.Death) (token.Token, bool) {
	if d.Reason != state.Rotated || d.Link == "" {
		return token.Token{}, false
	}
	if age := r.Clock.Now().Sub(d.Time()); age >= failover.RotationGrace || age < -state.MaxAhead {
		return token.Token{}, false
	}
	next := t.Successor(d.Link.Random())
	return next, next.ID() == d.Link.Successor()
}

// Newest returns the token to which rotations have led from t, as far as this process
// knows. It reports whether that token's session lives as far as it knows.
func (r *Reader) Newest(t token.Token) (newest token.Token, live bool) {
	for {
		g, ended := r.Shards.Tombstone(t.ID())
		if !ended {
			return t, true
		}
		next, leads := r.Follow(t, g.Death)
		if !leads {
			return t, false
		}
		t = next
	}
}

// RotatedFrom returns the entry with which a session names the one that a rotation
// replaced.
func (r *Reader) RotatedFrom(id string, d state.Death) state.Superseded {
	return state.Superseded{ID: id, Dot: d.Dot, Predecessor: true, Durable: !r.Shards.MovePending(id)}
}
