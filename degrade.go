package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
)

// Writing while the store does not answer: into the visitor's bundle, which
// keeps the lease that it had, and into the journal, which delivers it.

// askAgain is how long a request that had no answer does without the store.
const askAgain = time.Second

// worthAsking tells whether the store may answer although it did not before.
func (c *commit) worthAsking() bool { return c.m.now().Sub(c.awaySince) >= askAgain }

// travels reports whether a copy of the session goes to its visitor.
func (c *commit) travels() bool {
	hasCopies := c.m.backup != nil && c.m.carrier.Header == ""
	return hasCopies && !c.fresh && c.m.override().Mode != StoreOnly
}

// backed reports whether the session can do without the store.
func (c *commit) backed() bool { return c.travels() && c.m.vouches(c.witness()) }

// witness is what this commit knows, to stand beside the store's answer.
func (c *commit) witness() witness {
	return witness{Copy: c.Copy, found: c.m.backup != nil && c.m.carrier.Header == ""}
}

// degrade takes a write that the store did not, because of cause.
func (c *commit) degrade(ctx context.Context, renew bool, cause error) error {
	if !isAway(cause) || !c.backed() {
		return cause
	}
	if err := c.meetJournal(); err != nil {
		return err
	}
	if renew {
		return c.renewLater(ctx, cause)
	}
	l := c.loaded
	if changes := c.changes.Against(l.State); len(changes) > 0 {
		l.State = l.State.Write(changes, c.m.stamp(l.State)).Seen(c.m.now())
	} else if len(c.edits) == 0 {
		return nil // there was nothing to write but what the store lacks anyway
	}
	if err := c.entrust(ctx, &l, cause); err != nil {
		return err
	}
	c.loaded = l
	return nil
}

// meetJournal joins in what another request of this process has written
// meanwhile, and the store lacks too.
func (c *commit) meetJournal() error {
	s := c.m.shardOf(ID(c.ID))
	if g, ok := s.journal.Tombstone(c.ID); ok {
		return c.meet(loaded{Copy: state.Copy{State: state.State{Death: g.Death}}})
	}
	b, ok := s.journal.Copy(c.ID)
	if !ok {
		return nil
	}
	if b.State.Equal(c.State) {
		return nil
	}
	l := c.loaded
	l.State = b.State
	l.Saved = min(l.Saved, b.Saved)
	return c.meet(l)
}

// renewLater is degrade for a session that gets a new ID: its copy begins under
// that, and the old one ends as soon as the store is there.
func (c *commit) renewLater(ctx context.Context, cause error) error {
	if !c.tombstone.Dead() {
		c.token, c.tombstone = c.m.carrier.NewToken(ctx), c.m.tombstone(state.Renewed)
	}
	if state.DropsUnsettled(c.Supersedes) {
		return fmt.Errorf("%w: renewed too often without the store: %w", ErrUnavailable, cause)
	}
	l := c.renewed()
	l.version = Absent
	l.neverStored()
	if err := c.entrust(ctx, &l, cause); err != nil {
		return err
	}
	if err := c.bequeath(ctx, ID(l.ID)); err != nil {
		return err
	}
	c.begun = true
	c.loaded = l
	return nil
}

// bequeath ends the session as soon as the store is there, for its heir. Where
// another hand has ended it, so has the heir.
func (c *commit) bequeath(ctx context.Context, heir ID) error {
	d := c.tombstone.Death
	g := journal.Tombstone{ID: c.ID, Death: d, Pending: true, Successor: string(heir), Rotated: d.Reason == state.Rotated}
	if err := c.m.shardOf(ID(c.ID)).bury(ctx, g); err != nil {
		return err
	}
	if g, ok := c.m.shardOf(heir).journal.Tombstone(string(heir)); ok {
		return c.meet(loaded{Copy: state.Copy{State: state.State{Death: g.Death}}})
	}
	return nil
}

// entrust gives a state to the journal, and makes sure that the bundle can take
// what this commit has changed.
func (c *commit) entrust(ctx context.Context, l *loaded, cause error) error {
	m := c.m
	if !isAway(cause) || !c.travels() {
		return cause
	}
	if err := c.fits(l.Copy); err != nil {
		return fmt.Errorf("%w: %w: %w", ErrUnavailable, err, cause)
	}
	if kept := m.shardOf(ID(l.ID)).owe(ctx, l.Copy); !kept && !c.cookies {
		return fmt.Errorf("%w: the journal is full: %w", ErrUnavailable, cause)
	}
	// The time when the store did not answer stays: commits of this session that
	// follow each other closely ask it again a second later.
	if !l.away() {
		l.awaySince = m.now()
	}
	l.source = FromBackup
	l.lack()
	c.wrote, c.pending = true, true
	return nil
}

// fits returns why a copy cannot take what this commit has changed, if it cannot.
// Values that the store has may stay behind for want of room.
func (c *commit) fits(b state.Copy) error {
	for _, ch := range c.changes {
		if ch.Flags&state.ServerOnly != 0 && ch.Flags.Kind() == state.Present {
			return fmt.Errorf("key %s is ServerOnly, and the store is away", ch.Name)
		}
	}
	if !c.cookies {
		return nil
	}
	return c.m.copies.CheckRoom(b, c.m.now(), c.m.backup.Copy)
}

// admit prepares that a session which the store lacks is put there.
func (c *commit) admit(ctx context.Context) error {
	if c.placement != missing {
		return nil
	}
	if !c.m.restores.Allow(c.m.now(), c.m.backup.Restores) {
		return errAway
	}
	more, err := c.m.mayRestore(ctx, c.Copy, true)
	if errors.Is(err, ErrEnded) {
		tombstone := c.m.tombstone(state.Revoked)
		if _, err := c.m.bury(ctx, &journal.Tombstone{ID: c.ID, Death: tombstone.Death}); err != nil {
			return err
		}
		return c.meet(loaded{Copy: state.Copy{State: tombstone}})
	}
	if err == nil {
		c.State.Entries = state.JoinEntries(c.State.Entries, more)
		c.m.health.restores.Add(1)
	}
	return err
}

// mend gives the store what it lacks of a session that did not change. It is
// nobody's failure if that does not work out.
func (c *commit) mend(ctx context.Context) {
	before := *c
	if err := c.run(ctx); err != nil || c.pending {
		if c.phase != dead {
			*c = before
		}
	}
}

// bury ends a session in the store, or where it does not answer as soon as it
// does. The death of g becomes the one that stands.
func (m *Manager) bury(ctx context.Context, g *journal.Tombstone) (Durability, error) {
	return m.buryOver(ctx, g, Any)
}

// buryOver is bury where it is known what stands in the store, or over Any.
func (m *Manager) buryOver(ctx context.Context, g *journal.Tombstone, over Version) (Durability, error) {
	if m.backup == nil {
		return Durable, m.entomb(ctx, call{m: m, id: ID(g.ID), budget: m.options.SaveTimeout}, g, over)
	}
	s, asked := m.shardOf(ID(g.ID)), g.Death
	err := errAway
	if m.override().Mode != BackupOnly {
		// It is tried once even where the shard is taken for away.
		c, no := m.call(ctx, ID(g.ID), true, m.options.SaveTimeout)
		if no != nil {
			c = s.anyway(ID(g.ID))
		}
		err = m.entomb(ctx, c, g, over)
	}
	d := Durable
	if err != nil {
		if m.override().Mode == StoreOnly {
			return 0, err
		}
		d = Pending
	} else if g.EndedNothing() {
		g.Death, g.Unverified, g.IfStored = asked, true, true
	} else {
		g.Unverified, g.IfStored = false, false // the store had it
		m.health.saves.Add(1)
	}
	g.Pending = d == Pending
	return d, s.bury(ctx, *g)
}

// bequeathed tells whether the session ended by a Renew that the store does not
// know of yet.
func (m *Manager) bequeathed(id ID) bool {
	if m.backup == nil {
		return false
	}
	g, ok := m.shardOf(id).journal.Tombstone(string(id))
	return ok && g.Pending && g.Successor != ""
}

// remember enters a tombstone that the store has into the ring.
func (m *Manager) remember(ctx context.Context, id ID, d state.Death) {
	if m.backup != nil {
		_ = m.shardOf(id).bury(ctx, journal.Tombstone{ID: string(id), Death: d})
	}
}
