package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// graceAfterDeath is how long a write under the token of a dead session is
// refused instead of beginning a new one: the answer that carries the new
// token, after a login in another tab, may still be on its way.
const graceAfterDeath = 30 * time.Second

// commit is one save of what a request has changed: load, apply, compare and
// set, and again on conflict, until the budget ends.
type commit struct {
	m *Manager
	loaded
	edits   []*edit
	changes changes
	renewal renewal

	replaced ID // the session that ends with this commit's creation
	token    token
	created  bool // token is new
}

// commit saves what is not saved yet. s.io is held.
func (s *Session) commit(ctx context.Context) error {
	s.mu.Lock()
	c := commit{
		m: s.m, loaded: s.loaded, edits: s.edits, changes: s.changes,
		renewal: s.renewal, replaced: s.replaced,
	}
	fault, sealed := s.fault, s.sealed
	s.mu.Unlock()
	if fault != nil {
		return fault
	}
	changed := len(c.changes.against(c.state)) > 0
	if !changed && (c.phase != live || c.renewal == keepID) {
		return nil
	}
	if sealed && (c.phase != live || c.renewal != keepID) {
		return ErrTooLate
	}
	ctx, cancel := s.m.saveBudget(ctx)
	defer cancel()
	var err error
	switch {
	case c.phase != live:
		err = c.create(ctx)
	case c.renewal == keepID:
		err = c.update(ctx)
	default:
		err = c.move(ctx)
	}
	if again := (*againError)(nil); errors.As(err, &again) {
		// As if its Update had failed at once: it is not tried another time.
		again.edit.done = true
		s.settle(c.loaded)
		return again.err
	}
	if err == nil {
		for _, e := range c.edits {
			e.done = true
		}
	}
	if err == nil || errors.Is(err, ErrEnded) {
		s.settle(c.loaded)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewal, s.replaced = keepID, ""
	if c.created {
		s.token, s.notice = c.token, sendToken
	}
	return nil
}

// create begins a session. Should it fail half-way, what it left behind is out
// of reach: nobody was given its token.
func (c *commit) create(ctx context.Context) error {
	if c.phase == dead && c.renewal == keepID && time.Since(c.state.death.dot.time()) < graceAfterDeath {
		return ErrEnded
	}
	t, st := newToken(), c.m.begin()
	st = st.write(c.changes.against(st), c.m.stamp(st))
	v, err := c.m.save(ctx, t.id(), st, Absent)
	if err != nil {
		return err
	}
	if c.replaced != "" {
		if _, err := c.m.save(ctx, c.replaced, c.m.tombstone(renewed), Any); err != nil {
			return err
		}
	}
	c.loaded = loaded{phase: live, id: t.id(), state: st, version: v}
	c.token, c.created = t, true
	return nil
}

// update writes the session where it is.
func (c *commit) update(ctx context.Context) error {
	turn, err := c.m.commits.Enter(ctx, c.id)
	if err != nil {
		return fmt.Errorf("%w: waiting for other requests of session %s: %w", ErrUnavailable, c.id, err)
	}
	defer turn.Leave()
	if last, ok := turn.Last(); ok {
		if err := c.meet(last.state, last.version); err != nil {
			return err
		}
	}
	for attempt := 1; ; attempt++ {
		changes := c.changes.against(c.state)
		if len(changes) == 0 {
			return nil // what another one wrote is what this one wanted
		}
		st := c.state.write(changes, c.m.stamp(c.state))
		st.lastSeen = time.Now().UnixMilli()
		v, err := c.m.save(ctx, c.id, st, c.version)
		if err == nil {
			c.state, c.version = st, v
			turn.Pass(saved{st, v})
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := c.reload(ctx, attempt); err != nil {
			return err
		}
	}
}

// move brings the session to a new ID: it makes the new record first and ends
// the old one over the version that was copied, so that no write to the old
// one gets lost. A token that was never handed out needs no cleaning up.
func (c *commit) move(ctx context.Context) error {
	turn, err := c.m.commits.Enter(ctx, c.id)
	if err != nil {
		return fmt.Errorf("%w: waiting for other requests of session %s: %w", ErrUnavailable, c.id, err)
	}
	defer turn.Leave()
	if last, ok := turn.Last(); ok {
		if err := c.meet(last.state, last.version); err != nil {
			return err
		}
	}
	t, copied := newToken(), Absent
	for attempt := 1; ; attempt++ {
		st := c.state.write(c.changes.against(c.state), c.m.stamp(c.state))
		begun := c.m.begin()
		st.authenticated, st.lastSeen, st.end = begun.authenticated, begun.lastSeen, begun.end
		if copied, err = c.m.save(ctx, t.id(), st, copied); err != nil {
			return err
		}
		tombstone := c.m.tombstone(renewed)
		v, err := c.m.save(ctx, c.id, tombstone, c.version)
		if err == nil {
			turn.Pass(saved{tombstone, v})
			c.loaded = loaded{phase: live, id: t.id(), state: st, version: copied}
			c.token, c.created = t, true
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if err := c.reload(ctx, attempt); err != nil {
			return err
		}
	}
}

// reload takes in what the writer who came first has written. A session that
// is gone has ended: that the store still had it when the request began says
// nothing, as a tombstone may have come and gone meanwhile.
func (c *commit) reload(ctx context.Context, attempt int) error {
	if c.m.hooks.Conflict != nil {
		c.m.hooks.Conflict(ctx, c.id, attempt)
	}
	st, v, err := c.m.load(ctx, c.id, true)
	if errors.Is(err, ErrNotFound) {
		st, err = c.m.tombstone(revoked), nil
	}
	if err != nil {
		return err
	}
	return c.meet(st, v)
}

// meet joins another copy in and makes the changes again on top.
func (c *commit) meet(st state, v Version) error {
	if st.dead() {
		c.loaded = loaded{phase: dead, id: c.id, state: st, version: v}
		return ErrEnded
	}
	c.state, c.version = join(c.state, st), v
	l, failed, err := replay(c.state, c.edits)
	if err != nil {
		return &againError{failed, err}
	}
	c.changes = l
	return nil
}

// againError is an Update that failed when it ran again after a conflict.
type againError struct {
	edit *edit
	err  error
}

func (e *againError) Error() string { return e.err.Error() }

// settle makes l what the session stands on. Edits that were made while l
// came about run again on it. One that fails is dropped, and its error is the
// next commit's. s.io is held.
func (s *Session) settle(l loaded) {
	for {
		s.mu.Lock()
		edits := slices.DeleteFunc(slices.Clone(s.edits), func(e *edit) bool { return e.done })
		if l.phase != live {
			edits = nil
		}
		seq := s.seq
		s.mu.Unlock()

		changes, failed, err := replay(l.state, edits)
		if err != nil {
			failed.done = true
			_ = s.failed(err)
			continue
		}
		s.mu.Lock()
		if s.seq == seq {
			s.loaded, s.edits, s.changes = l, edits, changes
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}
