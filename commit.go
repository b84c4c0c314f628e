package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// graceAfterDeath is how long a write under the token of a session that its own
// client has renewed or destroyed is refused instead of beginning a new one: the
// answer that says so, after a login in another tab, may still be on its way.
// After Revoke no answer is on its way, and the client begins anew at once.
const graceAfterDeath = 30 * time.Second

// commit is one save of what a request has changed: apply, compare and set,
// and on conflict load, join and again, until the budget ends.
type commit struct {
	m *Manager
	loaded
	held    token // that opens the session
	edits   []*state.Edit
	changes state.Changes // what the edits come to on the state
	doubts  []state.InDoubt
	renewal renewal
	cookies bool // one can still be sent
	fresh   bool // RequireStore: never into the backup

	replaced  ID          // the session that ends when this commit begins one
	vouched   bool        // its client has brought a copy of it
	token     token       // of the session that this commit begins
	tombstone state.State // of the session that it ends
	copied    Version     // of the new one's record
	begun     bool        // the new one stands
	wrote     bool
	pending   bool // backup and journal took it, not the store

	arriving bool // a rotation was followed, and what it made is not read yet
	followed bool // and it was read: the visitor may not have its token
}

// idle tells whether there is nothing to commit. s.mu is held.
func (s *Session) idle() bool {
	return s.fault.err == nil && len(s.edits) == 0 && len(s.changes) == 0 && len(s.doubts) == 0 && s.renewal == keepID && !s.repair
}

// commit saves what is not saved yet. cookies tells whether one can still be
// sent. s.io is held.
func (s *Session) commit(ctx context.Context, cookies bool) (Durability, error) {
	s.mu.Lock()
	if p := s.parcel; s.replaced != "" && p != nil && p.in == nil {
		s.mu.Unlock()
		p.open(ctx, s) // StartNew has not asked, and whether there is a copy says whether there was a session
		s.mu.Lock()
	}
	c := commit{
		m: s.m, loaded: s.loaded, held: s.held, edits: s.edits, changes: s.changes, doubts: s.doubts,
		renewal: s.renewal, replaced: s.replaced, cookies: cookies, fresh: s.fresh,
		vouched: s.parcel.vouched(),
	}
	fault, readOnly := s.fault.err, s.readOnly
	if !cookies && fault != nil {
		// It is answered once: there is no response left to replace.
		s.refused, s.fault = s.fault, refusal{}
	}
	s.mu.Unlock()
	if fault != nil {
		return 0, fault
	}
	asked, adopted := c.renewal, c.unsaved()
	if c.renewal == turnID && (c.phase != live || !cookies || over(s.ctx)) {
		c.renewal = keepID // there is no token to exchange, or nobody to give the new one to
	}
	changed := len(c.doubts) > 0 || len(c.changes.Against(c.state)) > 0
	var err error
	switch {
	case !changed && c.phase != live, !changed && c.unsaved() && (readOnly || !cookies):
		return Durable, nil
	case !changed && c.renewal == keepID && !c.unsaved():
		if c.repair && !readOnly && c.worthAsking() {
			c.mend(ctx)
		} else if len(c.edits) == 0 {
			return Durable, nil
		}
	case !cookies && (c.phase != live || c.unsaved() || c.renewal != keepID):
		return 0, ErrTooLate
	default:
		err = c.run(ctx)
	}

	tooLarge := errors.Is(err, ErrTooLarge) && !cookies // or no later change could be saved
	if err == nil || c.begun || tooLarge {
		for _, e := range c.edits {
			e.Done = true
		}
		c.doubts = nil
	}
	s.mu.Lock()
	s.doubts = c.doubts
	switch {
	case c.begun:
		s.held = c.token
		s.token, s.tokenEnd, s.notice = c.token, c.state.End, sendToken
	case c.followed:
		s.pass(c.held, c.state.End)
	}
	if err == nil && asked != keepID || c.begun {
		s.renewal, s.replaced = keepID, ""
	}
	if errors.Is(err, ErrEnded) && cookies {
		_ = s.fail(err) // what was changed is gone: do not answer as if it were not
	}
	moved := c.version != s.version || c.phase != s.phase || c.pending
	s.written = s.written || moved && c.phase == live
	s.mu.Unlock()
	if c.begun && adopted {
		s.endTaken(ctx)
	}
	if c.begun && c.renewal == newValues {
		_, _ = s.endAdoption(ctx, &c.loaded) // as well as it can: StartNew works without the store
	}
	if moved && c.phase == live && s.parcel != nil {
		s.parcel.dirty = true
	}
	if err == nil || moved || tooLarge {
		if err := s.settle(c.loaded); err != nil {
			_ = s.failed(err)
		}
	}
	if again := (*againError)(nil); errors.As(err, &again) {
		return 0, again.err
	}
	switch {
	case err != nil:
		return 0, err
	case c.pending && !cookies:
		return Pending, ErrPending
	case c.pending:
		return Pending, nil
	}
	return Durable, nil
}

func (c *commit) run(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if c.phase != live || c.unsaved() {
		return c.create(ctx)
	}
	return c.followRotations(ctx)
}

// write saves the session under the ID that it has.
func (c *commit) write(ctx context.Context) (err error) {
	turn, err := c.m.commits.Enter(c.m.turns.After(ctx, time.Now(), 2*c.m.options.SaveTimeout), c.id)
	if err != nil {
		// The store may be well: this write waited for others of its session.
		return fmt.Errorf("%w: waiting for other requests of session %s: %w", ErrUnavailable, c.id, err)
	}
	defer turn.Leave()
	defer func() {
		if turned := (*turnedError)(nil); errors.As(err, &turned) {
			turn.Pass(loaded{phase: dead, state: state.State{Death: turned.death}})
		}
	}()
	end := c.m.attempts()
	switch last, ok := turn.Last(); {
	case c.arriving && (!ok || len(c.doubts) > 0):
		err = c.arrive(ctx)
	case ok:
		c.yield(last)
		err = c.meet(last)
	}
	if err == nil && (len(c.doubts) > 0 || !c.away.IsZero() && c.worthAsking()) {
		err = c.reload(ctx)
	}
	refusals := 0
	for attempt := 1; err == nil; attempt++ {
		if c.renewal == keepID {
			err = c.update(ctx)
		} else {
			err = c.move(ctx)
		}
		if c.wrote {
			turn.Pass(c.last())
		}
		if c.begun || !errors.Is(err, ErrConflict) {
			return err // what has begun is begun once
		}
		if c.m.hooks.Conflict != nil {
			c.m.hooks.Conflict(ctx, c.id, attempt)
		}
		// Without an answer now it is the store that fails, and not the others
		// who are faster.
		version, late := c.version, !c.m.now().Before(end)
		if err = c.reload(ctx); late && err != nil {
			c.m.failed(ctx, OperationSave, c.id, err)
		} else if err == nil && c.away.IsZero() {
			if c.version == version {
				refusals++
			}
			switch {
			case refusals > 1: // once may be a cache's mistake
				err = c.m.refused(ctx, c.id, version)
			case late:
				err = fmt.Errorf("%w: too many concurrent writes of session %s", ErrUnavailable, c.id)
				c.m.failed(ctx, OperationSave, c.id, err)
			}
		}
	}
	return err
}

// last is what the next commit of the same session goes on from.
func (c *commit) last() loaded {
	if c.tombstone.Dead() {
		return loaded{phase: dead, state: c.tombstone}
	}
	return c.loaded
}

// create begins a session. Should it fail half-way, what it left behind is out
// of reach: nobody was given its token.
func (c *commit) create(ctx context.Context) error {
	if c.phase == dead && c.renewal == keepID && c.state.Death.Reason != state.Revoked {
		// A death far ahead is of another clock, or this one was set back.
		if age := c.m.now().Sub(c.state.Death.Time()); age < graceAfterDeath && age > -state.MaxAhead {
			return ErrEnded
		}
	}
	t, st := c.m.carrier.newToken(ctx), c.m.begin()
	if c.unsaved() {
		t, st = c.held, c.state
	}
	st = st.Write(c.changes.Against(st), c.m.stamp(st))
	l := loaded{phase: live, id: t.id(), state: st, source: FromStore, confirmed: st.Created, saved: st.Entries.Latest()}
	v, err := c.m.save(ctx, l.id, st, Absent)
	if errors.Is(err, ErrConflict) {
		err = c.m.refused(ctx, l.id, Absent)
	}
	if l.version = v; err != nil {
		l.restore, l.born, l.unstored, l.saved = true, true, true, 0
		if err = c.entrust(ctx, &l, err); err != nil {
			return err
		}
	}
	c.token, c.begun = t, true
	if c.replaced != "" {
		// Nobody has asked the store for it: it may be a made-up token's.
		g := &grave{id: c.replaced, death: c.m.tombstone(state.Renewed).Death, gentle: true, weak: !c.vouched, ifStored: !c.vouched}
		_, l.kills, err = c.m.endLine(ctx, g, Any)
	}
	// The old session may have ended without an answer: see move.
	c.loaded = l
	return err
}

// update tries once to write the session where it is.
func (c *commit) update(ctx context.Context) error {
	changes := c.changes.Against(c.state)
	if len(changes) == 0 && len(c.doubts) == 0 && !c.repair {
		return nil // what another one wrote is what this one wanted
	}
	if !c.away.IsZero() {
		return c.degrade(ctx, false, errAway)
	}
	if err := c.admit(ctx); err != nil {
		return c.degrade(ctx, false, err)
	}
	// A doubt is saved over even without a change: should its save come late,
	// it finds another version.
	dot, sent := c.m.stamp(c.state), c.m.now()
	st := c.state.Write(changes, dot).Seen(sent)
	v, err := c.m.save(ctx, c.id, st, c.version)
	switch {
	case err == nil:
		c.state, c.version, c.confirmed, c.saved, c.kills = st, v, sent.UnixMilli(), dot.Clock, state.MarkDurable(c.kills)
		c.repair, c.restore, c.born, c.unstored, c.wrote = false, false, false, false, true
	case isAway(err):
		// It may have happened: in the backup it keeps its dot, so that to write
		// it again does no harm.
		l := c.loaded
		if l.state = st; c.backed() && c.entrust(ctx, &l, err) == nil {
			c.loaded = l
			return nil
		}
		c.doubts = append(c.doubts[:len(c.doubts):len(c.doubts)], state.NewInDoubt(dot, c.edits))
	}
	return err
}

// move tries once to bring the session to a new ID: it makes the new record
// first and ends the old one over the version that was copied, so that no
// write to the old one gets lost. A record whose token was not handed out
// needs no cleaning up.
func (c *commit) move(ctx context.Context) error {
	if !c.tombstone.Dead() {
		if c.renewal == turnID {
			c.token, c.tombstone = c.m.rotate(c.held)
		} else {
			c.token, c.tombstone = c.m.carrier.newToken(ctx), c.m.tombstone(state.Renewed)
		}
	}
	if !c.away.IsZero() {
		return c.moveLater(ctx, errAway)
	}
	if err := c.admit(ctx); err != nil {
		return c.moveLater(ctx, err)
	}
	l, sent := c.renewed(), c.m.now()
	copied, err := c.m.save(ctx, l.id, l.state, c.copied)
	if errors.Is(err, ErrConflict) {
		err = fmt.Errorf("renew: %w", c.m.refused(ctx, l.id, c.copied))
	}
	if err != nil {
		return c.moveLater(ctx, err)
	}
	c.copied = copied
	_, err = c.m.save(ctx, c.id, c.tombstone, c.version)
	if c.renewal == turnID && errors.Is(err, ErrUnavailable) {
		err = c.lookAgain(ctx, err)
	}
	switch {
	case err == nil:
		c.m.remember(ctx, c.id, c.tombstone.Death)
		l.kills[len(l.kills)-1].Durable = true
	case !isAway(err):
		return err
	case c.backed():
		err = c.bequeath(ctx, l.id)
		if c.pending = err == nil; errors.Is(err, ErrEnded) {
			return err
		}
	case c.renewal == turnID:
		err = nil // all that there is to save is saved: decision 39
	}
	// Without an answer the old session may have ended, and the new one may be
	// all that the visitor has: the token goes out with the error. Decision 13.
	l.version, l.confirmed, l.saved, l.repair, l.restore = copied, sent.UnixMilli(), l.state.Entries.Latest(), false, false
	l.born, l.unstored = false, false
	c.loaded, c.begun, c.wrote = l, true, err == nil
	return err
}

// renewed is the session under its new ID.
func (c *commit) renewed() loaded {
	l, now := c.loaded, c.m.begin()
	l.id = c.token.id()
	l.state = l.state.Write(c.changes.Against(l.state), c.m.stamp(l.state))
	if c.renewal == turnID {
		l.state.Rotated, l.state.LastSeen = now.LastSeen, now.LastSeen
	} else {
		l.state.Authenticated, l.state.LastSeen, l.state.End, l.state.Rotated = now.Authenticated, now.LastSeen, now.End, 0
	}
	l.kills = state.AddSuperseded(l.kills, state.Superseded{ID: string(c.id), Dot: c.tombstone.Death.Dot, Heir: true, NeverStored: l.unstored})
	return l
}

// reload takes in what another writer has written. A session that is gone has
// ended, unless its backup vouches: that the store still had it when the
// request began says nothing, as a tombstone may have come and gone meanwhile.
func (c *commit) reload(ctx context.Context) error {
	l := c.m.fetch(ctx, c.id, c.witness(), true)
	switch l.phase {
	case unknown:
		return l.err
	case nobody:
		l = loaded{phase: dead, state: c.m.tombstone(state.Revoked)}
	}
	c.yield(l)
	return c.meet(l)
}

// meet joins another copy in and makes the changes again on top.
func (c *commit) meet(l loaded) error {
	if l.state.Dead() {
		if next, ok := c.m.follow(c.held, l.state.Death); ok {
			return &turnedError{next, l.state.Death}
		}
		c.loaded = loaded{phase: dead, id: c.id, state: l.state, version: l.version}
		return ErrEnded
	}
	if c.arriving {
		c.arriving, c.followed, c.source = false, true, l.source
	}
	unknown := state.Resolve(c.doubts, l.state)
	c.edits = state.Unsaved(c.edits)
	joined := state.Join(c.state, l.state)
	c.repair = l.repair || c.repair && !joined.Equal(l.state)
	c.state, c.version, c.away, c.restore = joined, l.version, l.away, l.restore
	c.confirmed, c.kills = max(c.confirmed, l.confirmed), state.JoinSuperseded(c.kills, l.kills)
	c.saved = l.saved
	if unknown != "" {
		return &againError{unknownUpdate(unknown)}
	}
	changes, failed, err := state.Replay(c.state, c.edits)
	if err != nil {
		failed.Done = true // as if its Update had failed at once
		return &againError{lostValue(err)}
	}
	c.changes = changes
	return nil
}

// unknownUpdate is the error of an Update of which nobody knows whether it was
// saved.
func unknownUpdate(key string) error {
	return fmt.Errorf("%w: whether an Update of key %s was saved is not known", ErrUnavailable, key)
}

// lostValue is the error of an Update that could not run again, because its
// value was withheld from the copy that is left.
func lostValue(err error) error {
	if errors.Is(err, state.ErrWithheld) {
		return ErrLost
	}
	return err
}

// againError is an Update that failed when it was to run again.
type againError struct{ err error }

func (e *againError) Error() string { return e.err.Error() }

// sameValue tells whether a value that could not be read stands as it stood.
func sameValue(name string, a, b state.State) bool {
	x, okX := a.Entries.Find(name)
	y, okY := b.Entries.Find(name)
	return okX && okY && x.Flags == y.Flags && bytes.Equal(x.Value, y.Value)
}

// settle makes l what the session stands on. Edits that are not saved yet run
// again on it. One that fails is dropped, and its error returned. s.io is held.
func (s *Session) settle(l loaded) (failure error) {
	for {
		s.mu.Lock()
		if name := state.Resolve(s.doubts, l.state); name != "" {
			failure = errors.Join(failure, unknownUpdate(name))
		}
		edits := state.Unsaved(s.edits)
		if l.phase != live {
			edits = nil
		}
		seq := s.seq
		s.mu.Unlock()

		changes, failed, err := state.Replay(l.state, edits)
		if err != nil {
			failed.Done = true
			failure = errors.Join(failure, lostValue(err))
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
