package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// PrepareRestore makes sure that b may be put into a store that has nothing under
// its ID: the shard must not have lost its data, and the sessions that b supersedes
// must be dead. It returns the entries that these held. It fails with failure.ErrEnded if b
// has ended too, and with an error that wraps failure.ErrUnavailable if it cannot tell.
// visitor reports whether a visitor waits for the result.
func (a *Shards) PrepareRestore(ctx context.Context, b state.Copy, visitor bool) (more state.Entries, err error) {
	s := a.Of(b.ID)
	if err := s.checkMemory(ctx); err != nil {
		return nil, err
	}
	a.putBack.note(b.ID, a.Clock.Now()) // before what is known is asked for, so that no end is missed in between
	if t, ended := a.Tombstone(b.ID); ended && !t.IfStored {
		return nil, failure.ErrEnded // the logs may have said so just now
	}
	if _, dead := a.LoginRevoked(b.State); dead {
		return nil, failure.ErrEnded
	}
	if a.Without.Lacks(mechanism.Superseded) {
		return nil, nil
	}
	for _, k := range b.Supersedes {
		if a.Forgotten(k) {
			continue
		}
		held, err := a.endSuperseded(ctx, b, k, visitor)
		if err != nil {
			return nil, err
		}
		more = state.JoinEntries(more, held)
	}
	return more, nil
}

// endSuperseded ends the session k that b supersedes. If k is b's predecessor and the store
// may lack its tombstone, endSuperseded returns the entries that k held. Any other session was
// dead already when its visitor began b, or has its tombstone in the store, so a store that does
// not answer for it does not keep the visitor from b.
func (a *Shards) endSuperseded(ctx context.Context, b state.Copy, k state.Superseded, visitor bool) (held state.Entries, err error) {
	s := a.Of(k.ID)
	inherits := k.Predecessor && !k.Durable
	death := state.Death{Dot: k.Dot, Reason: state.Renewed}
	if k.Predecessor {
		death = death.Follow(b.ID)
	}
	t := journal.Stored(k.ID, death)
	if inherits {
		if known, ok := s.all.journal.Tombstone(k.ID); ok && known.ByOtherWriter(k) {
			return nil, failure.ErrEnded
		}
		t.Successor = b.ID
		t.Rotated = b.State.Rotated != 0 // what came before that rotation is dead by now
	}
	c := s.bypass(k.ID)
	if visitor { // a visitor does not wait for a shard that is away
		c, err = a.AllowSave(ctx, k.ID)
		c.Budget = a.ReadTimeout
	}
	var done state.State
	if err == nil {
		done, err = a.ensureDead(ctx, c, t, b)
	}
	switch {
	case err != nil && inherits:
		return nil, err
	case err != nil:
		return nil, nil //nolint:nilerr // see above
	case inherits:
		held = done.Entries
		if known, ok := a.journal.Copy(b.ID); ok { // another request, or a delivery, may have come first
			held = state.JoinEntries(held, known.State.Entries)
		}
	}
	return held, s.AddTombstone(ctx, journal.Stored(k.ID, done.Death)) // this process has written it
}

// ensureDead makes sure that a session is dead in the store, and never writes over another
// writer's tombstone. It returns the death that the store has, with the entries that a
// successor takes over; if there was nothing to end, it returns a state that is not dead. It
// fails with failure.ErrEnded if the successor is dead too.
//
// If another instance has rotated the session that g renews, the sessions that the rotation
// led to end for the successor as well, because a login ends all earlier tokens.
//
// heir is what the caller knows of the successor. The journal gets all of it, because a delivery
// can put back only a session whose lease is known.
func (a *Shards) ensureDead(ctx context.Context, c Call, g journal.Tombstone, heir state.Copy) (state.State, error) {
	heir.ID = g.Successor
	st, err := a.ensureOneDead(ctx, c, g, heir)
	for at, hops := st, 0; err == nil && g.Supersedes(at.Death.Link); hops++ {
		if hops == maxSuccessors {
			return state.State{}, fmt.Errorf("%w: more than %d rotations to follow", failure.ErrUnavailable, maxSuccessors)
		}
		next := g
		next.ID = at.Death.Link.Successor()
		next.Death.Link = ""
		s := a.Of(next.ID)
		if b, ok := s.all.journal.Copy(next.ID); ok {
			a.inherits(ctx, inherit(heir, b.State), true)
		}
		c := Call{all: a, ID: next.ID, shard: s, Budget: c.Budget, Patient: c.Patient}
		if at, err = a.ensureOneDead(ctx, c, next, heir); err == nil {
			a.Learn(ctx, next.ID, at.Death)
			st.Entries = state.JoinEntries(st.Entries, at.Entries)
		}
	}
	return st, err
}

// ensureOneDead is ensureDead for the session alone, without those that rotations
// made of it.
func (a *Shards) ensureOneDead(ctx context.Context, c Call, g journal.Tombstone, heir state.Copy) (state.State, error) {
	for tries := a.attempts(); ; {
		r, err := a.Backend.Read(ctx, c)
		st := r.State
		if errors.Is(err, failure.ErrNotFound) {
			if settled, err := c.nothingThere(ctx, r, g); settled {
				return state.State{}, err
			}
			g.Death = a.deathThatWasLost(g)
		} else if err != nil {
			unreadable := g.Successor == "" && r.Unreadable != record.Absent
			if !unreadable {
				return state.State{}, err
			}
			r.Version = r.Unreadable // no program can read that record, so the tombstone may replace it
		}
		dead := state.State{Death: g.Death}
		if st.Dead() {
			if st.Death.Reason != state.Rotated || !g.Supersedes(st.Death.Link) {
				return deathInPlaceOf(st, g)
			}
			dead.Death = state.JoinDeaths(dead.Death, st.Death)
		}
		if g.Successor != "" && len(st.Entries) > 0 {
			// These entries belong to the successor. The journal has them before the
			// tombstone takes them out of the store.
			a.inherits(ctx, inherit(heir, st), true)
		}
		_, err = a.Backend.Put(ctx, c, Deliver, dead, r.Version)
		switch {
		case err == nil:
			st.Death = dead.Death
			return st, nil
		case !errors.Is(err, failure.ErrConflict):
			return state.State{}, err
		case tries.spent():
			return state.State{}, errContested
		}
	}
}

// nothingThere reports whether the tombstone t is not to be written, because the store has no
// record of its session or an expired one. With a nil error, no tombstone is needed.
func (c Call) nothingThere(ctx context.Context, r record.Session, t journal.Tombstone) (settled bool, err error) {
	switch {
	case t.Successor != "" && c.shard.Quarantined():
		return true, failure.ErrForgetful // there may have been a tombstone
	case r.Version != record.Absent:
		return false, nil
	case t.IfLive && t.Death.Reason == state.Revoked && c.shard != nil:
		// The caller has the ID alone, and no store and no copy has vouched for the session:
		// a Renew whose tombstone the store has lost may have ended it.
		err := c.shard.checkMemory(ctx)
		return err != nil, err
	case !t.IfStored:
		return false, nil
	case c.shard == nil:
		return true, nil
	}
	return true, c.shard.checkMemory(ctx)
}

// deathThatWasLost returns the death to write for g if the store has no record: for an IfLive
// tombstone the death that the store is known to have had, if any; otherwise g's own. See
// decision 90.
func (a *Shards) deathThatWasLost(g journal.Tombstone) state.Death {
	known, ok := a.Tombstone(g.ID)
	stood := ok && (!known.Pending || known.Again) && !known.IfStored
	if !g.IfLive || !stood {
		return g.Death
	}
	return known.Death
}

// deathInPlaceOf returns st, the tombstone that the store has in the place of t. If another
// writer has written it, the successor of t ends too, and the error is failure.ErrEnded.
func deathInPlaceOf(st state.State, t journal.Tombstone) (state.State, error) {
	byAnother := st.Death.Dot != t.Death.Dot && st.Death.Reason != state.Rotated
	if t.Successor != "" && byAnother {
		return state.State{}, failure.ErrEnded
	}
	return st, nil
}

// checkMemory returns why "nothing" from the shard does not count: the shard may have lost
// its data, or it does not answer.
func (s *Shard) checkMemory(ctx context.Context) error {
	answered, err := s.look(s.all.looks.Within(ctx, time.Now(), s.all.ReadTimeout), false)
	believes := s.members.silent || s.all.Without.Lacks(mechanism.Quarantine)
	logsUnread := !believes && (!s.members.Complete(s.all.Clock.Now()) || s.all.begins())
	switch {
	case err != nil && failure.RequestOver(ctx):
		return fmt.Errorf("%w: %w", failure.ErrUnavailable, failure.OfRequest(ctx))
	case answered.IsZero():
		return &failure.Away{Cause: err}
	case s.Quarantined() || logsUnread:
		return failure.ErrForgetful
	}
	return nil
}

// errContested is the error of an operation that gives up because other writers came
// first each time.
var errContested = fmt.Errorf("%w: others write the session all the time", failure.ErrUnavailable)
