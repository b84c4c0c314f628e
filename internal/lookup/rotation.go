package lookup

import (
	"context"
	"fmt"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// MaxRotations bounds how many rotations one request follows to its session.
const MaxRotations = 64

// ErrTooManyRotations is the error of a request that met more than MaxRotations.
var ErrTooManyRotations = fmt.Errorf("%w: the session was rotated more than %d times in %v", failure.ErrUnavailable, MaxRotations, state.RotationGrace)

// Follow returns the token to which the tombstone of t leads while the grace
// lasts. It does not lead across a Renew, whose token cannot be derived.
func (r *Reader) Follow(t token.Token, d state.Death) (token.Token, bool) {
	if d.Reason != state.Rotated || d.Link == "" {
		return token.Token{}, false
	}
	if age := r.Clock.Now().Sub(d.Time()); age >= state.RotationGrace || age < -state.MaxAhead {
		return token.Token{}, false
	}
	next := t.Successor(d.Link.Random())
	return next, next.ID() == d.Link.Successor()
}

// Newest returns the token to which the rotations that this process knows of lead from t. live
// says that this process knows of no end of that token's session.
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

// Arrive follows rotations from the tombstone in l, which t opened, to the session that
// lives now, and sets l to it. Only the store knows whether the session to which they lead
// still lives. brought is what the request carries for the session of t, and reopen returns
// what it carries for another one.
//
// If they lead to a live session, Arrive returns its token and what the request carries for
// it, and l is joined with what brought knows. Otherwise arrived is false: l is dead or
// unknown, and held is the token to go on with. If l is unknown, that is t, because a later
// load begins again at the token that the client has.
func (r *Reader) Arrive(ctx context.Context, t token.Token, l *Loaded, brought Known, reopen func(id string) Known) (held token.Token, known Known, arrived bool) {
	held = t
	first := l.ID
	supersedes := brought.Copy().Supersedes
	for hops := 0; l.Phase == Dead; hops++ {
		next, ok := r.Follow(held, l.State.Death)
		if !ok {
			return held, Known{}, false
		}
		if hops == MaxRotations {
			*l = Loaded{Phase: Unknown, Copy: state.Copy{ID: first}, Err: ErrTooManyRotations}
			return t, Known{}, false
		}
		known = reopen(next.ID())
		at := r.Fetch(ctx, next.ID(), known, true)
		switch {
		case at.Phase == Nobody:
			return held, Known{}, false
		case at.Phase == Live && (at.Source != FromStore || at.Away()):
			at = Loaded{Phase: Unknown, Err: failure.ErrNotAsked}
		}
		if at.Phase == Unknown {
			*l = Loaded{Phase: Unknown, Copy: state.Copy{ID: first}, Err: at.Err}
			return t, Known{}, false
		}
		supersedes = state.AddSuperseded(supersedes, r.RotatedFrom(l.ID, l.State.Death))
		held, *l = next, at
	}
	if l.Phase != Live {
		return held, Known{}, false
	}
	l.Supersedes = state.JoinSuperseded(supersedes, l.Supersedes)
	l.bring(brought)
	return held, known, true
}

// GoesOn returns the session that goes on where a rotation has ended l, as far as tombstones lead
// there by its ID; else l.
func (r *Reader) GoesOn(ctx context.Context, l Loaded) Loaded {
	for range MaxRotations {
		next := l.State.Death.Link.Successor()
		if l.Phase != Dead || l.State.Death.Reason != state.Rotated || next == "" {
			break
		}
		if l = r.Fetch(ctx, next, Known{}, true); l.Phase == Nobody {
			l.ID = next
		}
	}
	return l
}

// Whose returns GoesOn for the audit log, which is to tell whose session has ended; l if it is not
// told of ends.
func (r *Reader) Whose(ctx context.Context, l Loaded) Loaded {
	if r.Audit == nil || r.Audit.Ended == nil {
		return l
	}
	return r.GoesOn(ctx, l)
}

// bring joins in what the request carries for the session as it was before a rotation,
// which may know more.
func (l *Loaded) bring(brought Known) {
	if !brought.Found {
		return
	}
	joined := state.Join(l.State, brought.Copy().State.Values())
	if !joined.Equal(l.State) {
		l.State = joined
		l.Saved = min(l.Saved, brought.Copy().Saved)
		l.Lack()
	}
}
