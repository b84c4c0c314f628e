package commit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// rotate returns the token that takes the place of t, and the tombstone that
// leads to it.
func (w *Writer) rotate(t token.Token) (token.Token, state.State) {
	var random [state.LinkRandom]byte
	rand.Read(random[:]) // never fails, see crypto/rand
	next, dead := t.Successor(string(random[:])), state.State{Death: w.Clock.Death(state.Rotated)}
	dead.Death.Link = state.NewLink(dead.Death.Dot, w.Clock.Now(), random, next.ID())
	return next, dead
}

// rotatedError says that a rotation has ended the session, and where it leads.
type rotatedError struct {
	token token.Token
	death state.Death
}

func (e *rotatedError) Error() string { return "session: the token was rotated" }

// followRotations saves the session under the ID that rotations have led to.
func (c *Commit) followRotations(ctx context.Context) error {
	before, held := c.Loaded, c.Held
	rotatesOnly := c.Renewal == RotateID && len(c.Edits) == 0 && len(c.Doubts) == 0
	for hops := 0; ; hops++ {
		err := c.write(ctx)
		if err == nil {
			return nil
		}
		var turned *rotatedError
		if errors.As(err, &turned) {
			if hops < lookup.MaxRotations {
				c.followTo(turned)
				continue
			}
			err = lookup.ErrTooManyRotations
		}
		if c.arriving && c.Phase == lookup.Live { // the session there was not read
			c.Loaded, c.Held = before, held
			c.arriving, c.Followed = false, false
		}
		if rotatesOnly && !c.Begun && errors.Is(err, failure.ErrUnavailable) {
			return nil // the rotation can wait
		}
		return err
	}
}

// followTo goes on with the session that a rotation has made of this one.
func (c *Commit) followTo(e *rotatedError) {
	c.Supersedes = state.AddSuperseded(c.Supersedes, c.Writer.Reader.RotatedFrom(c.ID, e.death))
	c.ID, c.Held = e.token.ID(), e.token
	c.Version = record.Absent
	c.AwaySince = time.Time{}
	c.Placement = min(c.Placement, lookup.Behind)
	c.Born, c.NeverStored = false, false
	c.dropMove()
	c.arriving = true
	if c.Renewal == RotateID {
		c.Renewal = KeepID // another request was faster
	}
}

// leadsByStore reports whether the session was rotated, and only the store can say where that
// leads. It must be asked: it may have lost the tombstone, or been set back to before it, and
// then the session has ended, because what is saved under its ID reaches no successor.
func (c *Commit) leadsByStore() bool {
	t, known := c.Writer.Shards.Tombstone(c.ID)
	return known && t.LeadsByStore(c.Writer.Clock.Now())
}

// readSuccessor reads the session that a rotation has led to.
func (c *Commit) readSuccessor(ctx context.Context) error {
	l, err := c.atSuccessor(ctx)
	if err != nil {
		return err
	}
	return c.rebase(l)
}

// atSuccessor returns the session that a rotation has led to, from the store: this
// request has no copy of it.
func (c *Commit) atSuccessor(ctx context.Context) (lookup.Loaded, error) {
	l := c.reread(ctx, lookup.Known{})
	switch {
	case l.Phase == lookup.Unknown:
		return l, l.Err
	case l.Phase == lookup.Live && l.Source != lookup.FromStore:
		return l, failure.ErrNotAsked
	}
	return l, nil
}

// moveLater handles a move that is not possible now, because of cause. A rotation is
// postponed, and errMoveWaits says that the other changes are to be saved under the
// present ID.
func (c *Commit) moveLater(ctx context.Context, cause error) error {
	if c.Renewal != RotateID || !errors.Is(cause, failure.ErrUnavailable) {
		return c.renewLater(ctx, cause)
	}
	c.Renewal = KeepID
	c.dropMove()
	return errMoveWaits
}

// dropMove forgets the new ID that the session was to have.
func (c *Commit) dropMove() {
	c.Token = token.Token{}
	c.tombstone = state.State{}
	c.copied = record.Absent
}

// errMoveWaits postpones the rotation but not the other changes.
var errMoveWaits = errors.New("session: the rotation waits")

// lookAgain finds out whether the unanswered save of the tombstone succeeded. It returns nil if
// it did, an error that wraps failure.ErrConflict if it never will, and otherwise cause.
func (c *Commit) lookAgain(ctx context.Context, cause error) error {
	c.lookedUp = true
	var r record.Session
	err := c.Writer.Storage.Load(context.WithoutCancel(ctx), c.ID, true, true, &r)
	switch {
	case err != nil:
		return cause
	case r.State.Dead() && r.State.Death.Dot == c.tombstone.Death.Dot:
		return nil
	case r.Version != c.Version:
		// The version is another, so the save of the tombstone can only fail. The error does
		// not wrap the cause, which was that an answer was missing: the lookup was answered.
		return fmt.Errorf("%w: %s", failure.ErrConflict, cause.Error())
	}
	return cause
}
