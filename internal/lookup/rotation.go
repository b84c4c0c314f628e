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

// ErrTooManyRotations is why a request does not follow rotations any further.
var ErrTooManyRotations = fmt.Errorf("%w: the session was rotated more than %d times in %v", failure.ErrUnavailable, MaxRotations, failover.RotationGrace)

// Follow returns the token to which the tombstone of t leads while the grace
// lasts. It never leads across a Renew, whose token nobody can derive.
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

// RotatedFrom returns how a session names the one that a rotation made it of.
func (r *Reader) RotatedFrom(id string, d state.Death) state.Superseded {
	return state.Superseded{ID: id, Dot: d.Dot, Predecessor: true, Durable: !r.Shards.MovePending(id)}
}
