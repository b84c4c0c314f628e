package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/holdfast-go/session/internal/queue"
)

// graceAfterDeath is how long a write under the token of a dead session is
// refused instead of beginning a new one: the answer that carries the new
// token, after a login in another tab, may still be on its way.
const graceAfterDeath = 30 * time.Second

// commit is one save of what a request has changed: apply, compare and set,
// and on conflict load, join and again, until the budget ends.
type commit struct {
	m *Manager
	loaded
	edits   []*edit
	changes changes // what the edits come to on the state
	doubts  []doubt
	renewal renewal

	replaced ID      // the session that ends when this commit begins one
	token    token   // of the session that this commit begins
	copied   Version // of its record
	begun    bool    // the record stands
}

// commit saves what is not saved yet. cookies tells whether one can still be
// sent. s.io is held.
func (s *Session) commit(ctx context.Context, cookies bool) error {
	s.mu.Lock()
	c := commit{
		m: s.m, loaded: s.loaded, edits: s.edits, changes: s.changes, doubts: s.doubts,
		renewal: s.renewal, replaced: s.replaced,
	}
	fault := s.fault
	if !cookies {
		s.fault = nil // it is told once: there is no response left to replace
	}
	s.mu.Unlock()
	if fault != nil {
		return fault
	}
	changed := len(c.doubts) > 0 || len(c.changes.against(c.state)) > 0
	var err error
	switch {
	case !changed && c.phase != live:
		return nil
	case !changed && c.renewal == keepID:
		if len(c.edits) == 0 {
			return nil
		}
	case !cookies && (c.phase != live || c.renewal != keepID):
		return ErrTooLate
	default:
		err = c.run(ctx)
	}

	tooLarge := errors.Is(err, ErrTooLarge) && !cookies // or no later change could be saved
	if err == nil || c.begun || tooLarge {
		for _, e := range c.edits {
			e.done = true
		}
		c.doubts = nil
	}
	s.mu.Lock()
	s.doubts = c.doubts
	if c.begun {
		s.token, s.tokenEnd, s.notice = c.token, c.state.end, sendToken
	}
	if err == nil && c.renewal != keepID || c.begun {
		s.renewal, s.replaced = keepID, ""
	}
	if errors.Is(err, ErrEnded) && cookies {
		_ = s.fail(err) // what was changed is gone: do not answer as if it were not
	}
	moved := c.version != s.version || c.phase != s.phase
	s.mu.Unlock()
	if err == nil || moved || tooLarge {
		if err := s.settle(c.loaded); err != nil {
			_ = s.failed(err)
		}
	}
	if again := (*againError)(nil); errors.As(err, &again) {
		return again.err
	}
	return err
}

func (c *commit) run(ctx context.Context) error {
	ctx, cancel := c.m.saveBudget(ctx)
	defer cancel()
	if c.phase != live {
		return c.create(ctx)
	}
	turn, err := c.m.commits.Enter(ctx, c.id)
	if err != nil {
		return fmt.Errorf("%w: waiting for other requests of session %s: %w", ErrUnavailable, c.id, err)
	}
	defer turn.Leave()
	if len(c.doubts) > 0 {
		err = c.reload(ctx)
	} else if last, ok := turn.Last(); ok {
		err = c.meet(last.state, last.version)
	}
	for attempt := 1; err == nil; attempt++ {
		if c.renewal == keepID {
			err = c.update(ctx, turn)
		} else {
			err = c.move(ctx, turn)
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if c.m.hooks.Conflict != nil {
			c.m.hooks.Conflict(ctx, c.id, attempt)
		}
		err = c.reload(ctx)
	}
	return err
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
		_, err = c.m.save(ctx, c.replaced, c.m.tombstone(renewed), Any)
		if err != nil && !errors.Is(err, ErrUnavailable) {
			return err
		}
	}
	// The old session may have ended without an answer: see move.
	c.loaded = loaded{phase: live, id: t.id(), state: st, version: v}
	c.token, c.begun = t, true
	return err
}

// update tries once to write the session where it is.
func (c *commit) update(ctx context.Context, turn queue.Turn[ID, saved]) error {
	changes := c.changes.against(c.state)
	if len(changes) == 0 && len(c.doubts) == 0 {
		return nil // what another one wrote is what this one wanted
	}
	// A doubt is saved over even without a change: should its save come late,
	// it finds another version.
	dot := c.m.stamp(c.state)
	st := c.state.write(changes, dot).seen(time.Now())
	v, err := c.m.save(ctx, c.id, st, c.version)
	switch {
	case err == nil:
		c.state, c.version = st, v
		turn.Pass(saved{st, v})
	case errors.Is(err, ErrUnavailable):
		c.doubts = append(c.doubts[:len(c.doubts):len(c.doubts)], newDoubt(dot, c.edits))
	}
	return err
}

// move tries once to bring the session to a new ID: it makes the new record
// first and ends the old one over the version that was copied, so that no
// write to the old one gets lost. A record whose token was not handed out
// needs no cleaning up.
func (c *commit) move(ctx context.Context, turn queue.Turn[ID, saved]) error {
	if c.copied == Absent {
		c.token = newToken()
	}
	st, now := c.state.write(c.changes.against(c.state), c.m.stamp(c.state)), c.m.begin()
	st.authenticated, st.lastSeen, st.end = now.authenticated, now.lastSeen, now.end
	copied, err := c.m.save(ctx, c.token.id(), st, c.copied)
	if errors.Is(err, ErrConflict) {
		err = fmt.Errorf("%w: renew: a session stands under the new ID", ErrUnavailable)
	}
	if err != nil {
		return err
	}
	c.copied = copied
	tombstone := c.m.tombstone(renewed)
	v, err := c.m.save(ctx, c.id, tombstone, c.version)
	if err != nil && !errors.Is(err, ErrUnavailable) {
		return err
	}
	// Without an answer the old session may have ended, and the new one may be
	// all that the visitor has: the token goes out with the error. Decision 13.
	if err == nil {
		turn.Pass(saved{tombstone, v})
	}
	c.loaded = loaded{phase: live, id: c.token.id(), state: st, version: copied}
	c.begun = true
	return err
}

// reload takes in what another writer has written. A session that is gone has
// ended: that the store still had it when the request began says nothing, as
// a tombstone may have come and gone meanwhile.
func (c *commit) reload(ctx context.Context) error {
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
	unknown := resolve(c.doubts, st)
	c.edits = pending(c.edits)
	c.state, c.version = join(c.state, st), v
	if unknown != nil {
		return &againError{unknown}
	}
	l, failed, err := replay(c.state, c.edits)
	if err != nil {
		failed.done = true // as if its Update had failed at once
		return &againError{err}
	}
	c.changes = l
	return nil
}

// againError is an Update that failed when it was to run again.
type againError struct{ err error }

func (e *againError) Error() string { return e.err.Error() }

// sameValue tells whether a value that could not be read stands as it stood.
func sameValue(name string, a, b state) bool {
	x, okX := a.entries.find(name)
	y, okY := b.entries.find(name)
	return okX && okY && x.flags == y.flags && bytes.Equal(x.value, y.value)
}

// settle makes l what the session stands on. Edits that are not saved yet run
// again on it. One that fails is dropped, and its error returned. s.io is held.
func (s *Session) settle(l loaded) (failure error) {
	for {
		s.mu.Lock()
		if err := resolve(s.doubts, l.state); err != nil {
			failure = errors.Join(failure, err)
		}
		edits := pending(s.edits)
		if l.phase != live {
			edits = nil
		}
		seq := s.seq
		s.mu.Unlock()

		changes, failed, err := replay(l.state, edits)
		if err != nil {
			failed.done = true
			failure = errors.Join(failure, err)
			continue
		}
		s.mu.Lock()
		if s.seq == seq {
			maps.DeleteFunc(s.broken, func(name string, _ *ValueError) bool { return !sameValue(name, s.state, l.state) })
			s.loaded, s.edits, s.changes = l, edits, changes
			s.seq++
			s.mu.Unlock()
			return failure
		}
		s.mu.Unlock()
	}
}
