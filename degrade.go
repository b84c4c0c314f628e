package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// Writing while the store does not answer: into the visitor's bundle, which
// keeps the lease that it had, and into the journal, which delivers it.

// askAgain is how long a request that had no answer does without the store.
const askAgain = time.Second

// worthAsking tells whether the store may answer although it did not before.
func (c *commit) worthAsking() bool { return c.m.now().Sub(c.away) >= askAgain }

// backed tells whether the session can do without the store.
func (c *commit) backed() bool {
	return c.m.backup != nil && c.m.carrier.header == "" && !c.fresh &&
		c.m.override().Mode != StoreOnly && c.m.vouches(c.witness())
}

// witness is what this commit knows, to stand beside the store's answer.
func (c *commit) witness() witness {
	return witness{Copy: c.copy(), found: c.m.backup != nil && c.m.carrier.header == ""}
}

// degrade takes a write that the store did not, because of cause.
func (c *commit) degrade(ctx context.Context, renew bool, cause error) error {
	if !isAway(cause) || !c.backed() {
		return cause
	}
	// What another request of this process has written meanwhile, the store
	// lacks too.
	s := c.m.shardOf(c.id)
	if g, ok := s.journal.buried(c.id); ok {
		return c.meet(loaded{state: state.State{Death: g.death}})
	}
	if b, ok := s.journal.owed(c.id); ok {
		l := c.loaded
		l.state, l.saved = b.State, min(l.saved, b.Saved)
		if !b.State.Equal(c.state) {
			if err := c.meet(l); err != nil {
				return err
			}
		}
	}
	l := c.loaded
	if renew {
		if !c.tombstone.Dead() {
			c.token, c.tombstone = c.m.carrier.newToken(ctx), c.m.tombstone(state.Renewed)
		}
		if lost := state.DropsUnsettled(c.kills); lost {
			return fmt.Errorf("%w: renewed too often without the store: %w", ErrUnavailable, cause)
		}
		l = c.renewed()
		l.version, l.restore, l.born, l.unstored = Absent, true, true, true
	} else if changes := c.changes.Against(l.state); len(changes) > 0 {
		l.state = l.state.Write(changes, c.m.stamp(l.state)).Seen(c.m.now())
	} else if l.state.Equal(c.state) && len(c.edits) == 0 {
		return nil // there was nothing to write but what the store lacks anyway
	}
	if err := c.entrust(ctx, &l, cause); err != nil {
		return err
	}
	if renew {
		if err := c.bequeath(ctx, l.id); err != nil {
			return err
		}
		c.begun = true
	}
	c.loaded = l
	return nil
}

// bequeath ends the session as soon as the store is there, for its heir. Where
// another hand has ended it, so has the heir.
func (c *commit) bequeath(ctx context.Context, heir ID) error {
	d := c.tombstone.Death
	g := grave{id: c.id, death: d, pending: true, heir: heir, turned: d.Reason == state.Rotated}
	if err := c.m.shardOf(c.id).bury(ctx, g); err != nil {
		return err
	}
	if g, ok := c.m.shardOf(heir).journal.buried(heir); ok {
		return c.meet(loaded{state: state.State{Death: g.death}})
	}
	return nil
}

// entrust gives a state to the journal, and makes sure that the bundle can take
// what this commit has changed.
func (c *commit) entrust(ctx context.Context, l *loaded, cause error) error {
	m := c.m
	if !isAway(cause) ||
		m.backup == nil || m.carrier.header != "" || c.fresh || m.override().Mode == StoreOnly {
		return cause
	}
	for _, ch := range c.changes {
		if ch.Flags&state.ServerOnly != 0 && ch.Flags.Kind() == state.Present {
			return fmt.Errorf("%w: key %s is ServerOnly, and the store is away: %w", ErrUnavailable, ch.Name, cause)
		}
	}
	b := l.copy()
	if c.cookies {
		if err := m.copies.CheckRoom(b, m.now(), m.backup.Copy); err != nil {
			return fmt.Errorf("%w: %w: %w", ErrUnavailable, err, cause)
		}
	}
	if kept := m.shardOf(l.id).owe(ctx, b); !kept && !c.cookies {
		return fmt.Errorf("%w: the journal is full: %w", ErrUnavailable, cause)
	}
	// The time when the store did not answer stays: commits of this session that
	// follow each other closely ask it again a second later.
	if l.away.IsZero() {
		l.away = m.now()
	}
	l.source, l.repair = FromBackup, true
	c.wrote, c.pending = true, true
	return nil
}

// admit prepares that a session which the store lacks is put there.
func (c *commit) admit(ctx context.Context) error {
	if !c.restore {
		return nil
	}
	if !c.m.restores.Allow(c.m.now(), c.m.backup.Restores) {
		return errAway
	}
	more, err := c.m.mayRestore(ctx, c.copy(), true)
	if errors.Is(err, ErrEnded) {
		tombstone := c.m.tombstone(state.Revoked)
		if _, err := c.m.bury(ctx, &grave{id: c.id, death: tombstone.Death}); err != nil {
			return err
		}
		return c.meet(loaded{state: tombstone})
	}
	if err == nil {
		c.state.Entries = state.JoinEntries(c.state.Entries, more)
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
func (m *Manager) bury(ctx context.Context, g *grave) (Durability, error) {
	return m.buryOver(ctx, g, Any)
}

// buryOver is bury where it is known what stands in the store, or over Any.
func (m *Manager) buryOver(ctx context.Context, g *grave, over Version) (Durability, error) {
	if m.backup == nil {
		return Durable, m.entomb(ctx, call{m: m, id: g.id, budget: m.options.SaveTimeout}, g, over)
	}
	s, asked := m.shardOf(g.id), g.death
	err := errAway
	if m.override().Mode != BackupOnly {
		// It is tried once even where the shard is taken for away.
		c, no := m.call(ctx, g.id, true, m.options.SaveTimeout)
		if no != nil {
			c = s.anyway(g.id)
		}
		err = m.entomb(ctx, c, g, over)
	}
	d := Durable
	if err != nil {
		if m.override().Mode == StoreOnly {
			return 0, err
		}
		d = Pending
	} else if g.nobodys() {
		g.death, g.weak, g.ifStored = asked, true, true
	} else {
		g.weak, g.ifStored = false, false // the store had it
		m.health.saves.Add(1)
	}
	g.pending = d == Pending
	return d, s.bury(ctx, *g)
}

// bequeathed tells whether the session ended by a Renew that the store does not
// know of yet.
func (m *Manager) bequeathed(id ID) bool {
	if m.backup == nil {
		return false
	}
	g, ok := m.shardOf(id).journal.buried(id)
	return ok && g.pending && g.heir != ""
}

// remember enters a tombstone that the store has into the ring.
func (m *Manager) remember(ctx context.Context, id ID, d state.Death) {
	if m.backup != nil {
		_ = m.shardOf(id).bury(ctx, grave{id: id, death: d})
	}
}
