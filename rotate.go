package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
)

// Rotation exchanges an ageing token for a new one. No rights are gained, so
// requests that are under way with the old token need not fail: the new token
// can be made from the old one and the tombstone, by any instance. Decision 38.

// graceAfterRotation is how long the old token still leads to the session.
const graceAfterRotation = 10 * time.Second

// rotate returns the token that takes the place of t, and the tombstone that
// leads to it.
func (m *Manager) rotate(t token.Token) (token.Token, state.State) {
	var random [state.LinkRandom]byte
	rand.Read(random[:]) // never fails, see crypto/rand
	next, dead := t.Successor(string(random[:])), m.tombstone(state.Rotated)
	dead.Death.Link = state.NewLink(dead.Death.Dot, m.now(), random, next.ID())
	return next, dead
}

// follow returns the token to which the tombstone of t leads while the grace
// lasts. It never leads across a Renew, whose token nobody can derive.
func (m *Manager) follow(t token.Token, d state.Death) (token.Token, bool) {
	if d.Reason != state.Rotated || d.Link == "" {
		return token.Token{}, false
	}
	if age := m.now().Sub(d.Time()); age >= graceAfterRotation || age < -state.MaxAhead {
		return token.Token{}, false
	}
	next := t.Successor(d.Link.Random())
	return next, next.ID() == d.Link.Successor()
}

// Rotate gives the session a new token and ID when it is saved, and changes
// nothing else: for middleware that exchanges a token which Issued says is old,
// so that a token that was stolen is of use for a while only. Where a visitor
// gains rights, call Renew instead.
//
// Requests that still carry the old token go on for ten seconds, on any
// instance, and their answers carry the new one; of requests that rotate at the
// same time one does, and the others answer with its token. After that the old
// token shows nothing, though Destroy with it still ends the session.
//
// Nothing about a rotation is urgent. Where the store does not answer, Rotate
// does nothing, and the token stays as old as it was; where the request is over
// before it is saved, so that nobody gets the new token, or where there is no
// session, it does nothing either. Where the store answers the new session's save
// and then nothing, the new token goes out, and the answer is no error: all that
// was changed is under it. Whether the old token still opens the session as it
// was before nobody knows then; with a Backup it ends when the store is back,
// without one at the latest when it is idle or its Lifetime ends.
//
// The commit answers ErrTooLate once the response header is written, ErrReadOnly,
// and an error that wraps errors.ErrUnsupported with an Options.Format, whose
// tokens cannot be exchanged in this way; Err tells.
func (s *Session) Rotate() {
	s.lockLoaded()
	defer s.mu.Unlock()
	switch {
	case s.readOnly:
		_ = s.fail(ErrReadOnly)
		return
	case s.m.foreign():
		_ = s.fail(errNoRotation)
		return
	case s.loaded.phase == unknown:
		return // and the handler answers whatever it can; Err tells
	case s.sealed:
		_ = s.fail(ErrTooLate)
		return
	case s.loaded.phase != live:
		return
	}
	s.renewal = max(s.renewal, turnID)
	s.watch()
}

var errNoRotation = fmt.Errorf("session: Rotate: tokens of Options.Format cannot be made from one another, use Renew: %w", errors.ErrUnsupported)

// maxRotations bounds how many rotations one request follows to its session.
const maxRotations = 64

var errTooManyRotations = fmt.Errorf("%w: the session was rotated more than %d times in %v", ErrUnavailable, maxRotations, graceAfterRotation)

// hold remembers the token that opens what was loaded. Where it was rotated
// lately, l becomes what stands under the new one. s.io is held.
func (s *Session) hold(ctx context.Context, t token.Token, l *loaded) {
	if l.phase == dead && l.State.Death.Reason == state.Rotated {
		t = s.arrive(ctx, t, l)
	}
	s.mu.Lock()
	s.held = t
	s.mu.Unlock()
}

// arrive follows rotations from the tombstone in l. Only the store can say that
// the session still lives where they lead: without its answer nobody knows.
func (s *Session) arrive(ctx context.Context, t token.Token, l *loaded) token.Token {
	m, p := s.m, s.parcel
	held, id := t, l.ID
	var brought, w witness
	if p != nil {
		brought = p.witness
	}
	kills := brought.Supersedes
	for hops := 0; l.phase == dead; hops++ {
		next, ok := m.follow(t, l.State.Death)
		if !ok {
			return t
		}
		if hops == maxRotations {
			*l = loaded{phase: unknown, Copy: state.Copy{ID: id}, err: errTooManyRotations}
			return held
		}
		if w = (witness{}); p != nil {
			w = m.reopen(p.in, ID(next.ID()), brought)
		}
		at := m.fetch(ctx, ID(next.ID()), w, true)
		switch {
		case at.phase == nobody:
			return t
		case at.phase == live && (at.source != FromStore || at.away()):
			at = loaded{phase: unknown, err: errAway}
		}
		if at.phase == unknown {
			// Whoever asks again begins where the token in hand does.
			*l = loaded{phase: unknown, Copy: state.Copy{ID: id}, err: at.err}
			return held
		}
		kills = state.AddSuperseded(kills, m.rotatedKill(ID(l.ID), l.State.Death))
		t, *l = next, at
	}
	if l.phase != live {
		return t
	}
	l.Supersedes = state.JoinSuperseded(kills, l.Supersedes)
	if p != nil {
		p.witness = w
	}
	if brought.found { // by a cookie of before the rotation, which may know more
		joined := state.Join(l.State, brought.State.Values())
		if !joined.Equal(l.State) {
			l.State = joined
			l.Saved = min(l.Saved, brought.Saved)
			l.lack()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass(t, l.State.End)
	return t
}

// reopen returns what a request brought for the session that rotations lead to.
// Cookies of other sessions were reported already.
func (m *Manager) reopen(in *requestCookies, id ID, brought witness) witness {
	w := witness{excused: brought.excused, keep: brought.keep, ended: brought.ended}
	if in == nil {
		return w
	}
	opened := m.copies.Open(&in.RequestCookies, string(id))
	for b := range opened.Copies {
		w.add(b, m.now())
	}
	return w
}

// rotatedKill is how a session names one that a rotation made it of.
func (m *Manager) rotatedKill(id ID, d state.Death) state.Superseded {
	return state.Superseded{ID: string(id), Dot: d.Dot, Heir: true, Durable: !m.bequeathed(id)}
}

// pass tells the visitor of a token that another request has made. s.mu is held.
func (s *Session) pass(t token.Token, end int64) {
	s.token, s.tokenEnd = t, end
	if s.notice != sendToken {
		s.notice = passToken
	}
}

// turnedError says that a rotation has ended the session, and where it leads.
type turnedError struct {
	token token.Token
	death state.Death
}

func (e *turnedError) Error() string { return "session: the token was rotated" }

// followRotations saves the session, under whatever ID it has come to.
func (c *commit) followRotations(ctx context.Context) error {
	before, held := c.loaded, c.held
	rotatesOnly := c.renewal == turnID && len(c.edits) == 0 && len(c.doubts) == 0
	for hops := 0; ; hops++ {
		err := c.write(ctx)
		if err == nil {
			return nil
		}
		var turned *turnedError
		if errors.As(err, &turned) {
			if hops < maxRotations {
				c.turn(turned)
				continue
			}
			err = errTooManyRotations
		}
		if c.arriving && c.phase == live { // nobody knows what stands there
			c.loaded, c.held, c.arriving, c.followed = before, held, false, false
		}
		if rotatesOnly && !c.begun && errors.Is(err, ErrUnavailable) {
			return nil // it can wait
		}
		return err
	}
}

// turn goes on with the session that a rotation has made of this one.
func (c *commit) turn(e *turnedError) {
	c.Supersedes = state.AddSuperseded(c.Supersedes, c.m.rotatedKill(ID(c.ID), e.death))
	c.ID, c.held, c.version = e.token.ID(), e.token, Absent
	c.awaySince = time.Time{}
	c.placement = min(c.placement, behind)
	c.Born, c.NeverStored = false, false
	c.token, c.tombstone, c.copied = token.Token{}, state.State{}, Absent
	c.arriving = true
	if c.renewal == turnID {
		c.renewal = keepID // somebody was faster
	}
}

// arrive reads the session that a rotation has led to.
func (c *commit) arrive(ctx context.Context) error {
	l := c.m.fetch(ctx, ID(c.ID), witness{}, true)
	switch {
	case l.phase == unknown:
		return l.err
	case l.phase == nobody:
		l = loaded{phase: dead, Copy: state.Copy{State: c.m.tombstone(state.Revoked)}}
	case l.phase == live && l.source != FromStore:
		return errAway
	}
	return c.meet(l)
}

// moveLater is for a session that cannot be moved now, because of cause. A
// rotation can wait; what else there is to save is saved where the session is.
func (c *commit) moveLater(ctx context.Context, cause error) error {
	if c.renewal != turnID || !errors.Is(cause, ErrUnavailable) {
		return c.degrade(ctx, true, cause)
	}
	c.renewal = keepID
	c.token, c.tombstone, c.copied = token.Token{}, state.State{}, Absent
	return c.update(ctx)
}

// lookAgain finds out whether a tombstone that was not answered stands.
func (c *commit) lookAgain(ctx context.Context, cause error) error {
	var r stored
	err := c.m.load(context.WithoutCancel(ctx), ID(c.ID), true, true, &r)
	switch {
	case err != nil:
		return cause
	case r.state.Dead() && r.state.Death.Dot == c.tombstone.Death.Dot:
		return nil
	case r.version != c.version:
		// And so it will never stand. The cause is no part of the chain: it was
		// the store's silence, and this is an answer.
		return fmt.Errorf("%w: %s", ErrConflict, cause.Error())
	}
	return cause
}

// entomb makes sure that a session is dead in the store, where over says what
// stands there as far as it is known. A tombstone is never overwritten blindly:
// it may have a link. The death of g becomes the one that stands: none, where
// there was nothing to end, see journal.Tombstone.nobodys.
func (m *Manager) entomb(ctx context.Context, c call, g *journal.Tombstone, over Version) error {
	if g.IfLive {
		done, err := m.execute(ctx, c, *g)
		if err == nil {
			g.Death = done.Death
		}
		return err
	}
	st := state.State{Death: g.Death}
	end := m.attempts()
	for known := over != Any; ; known = false {
		if !known {
			r, err := m.read(ctx, c, true)
			if err != nil && !errors.Is(err, ErrNotFound) && r.garbled == Absent {
				return err
			}
			if over = r.version; r.garbled != Absent {
				over = r.garbled
			} else if err == nil && r.state.Dead() {
				if st = state.Join(st, r.state); st.Death == r.state.Death {
					break
				}
			}
		}
		_, err := m.put(ctx, c, OperationSave, st, over)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrConflict) {
			return err
		}
		if !m.now().Before(end) {
			return errContested
		}
	}
	g.Death = st.Death
	return nil
}

// maxLine bounds how many sessions one call ends. It takes hours of rotations
// every few seconds to get there.
const maxLine = 1000

// endLine ends a session like buryOver, and what rotations have made of it since,
// up to the next Renew. It returns all that it ended, or tried to. Where the store does not
// answer, the journal goes on from there.
func (m *Manager) endLine(ctx context.Context, g *journal.Tombstone, over Version) (d Durability, ended []state.Superseded, err error) {
	g.Line = true
	why, at := g.Death.Reason, g
	for range maxLine {
		far, err := m.buryOver(ctx, at, over)
		if err == nil && at.EndedNothing() { // and there is no backup
			return max(d, far), ended, nil
		}
		ended = state.AddSuperseded(ended, state.Superseded{ID: at.ID, Dot: at.Death.Dot, IfLive: at.IfLive, Durable: far == Durable, IfStored: at.IfStored})
		if err != nil {
			return 0, ended, err
		}
		d = max(d, far)
		next := at.Death.Link.Successor()
		if next == "" {
			return d, ended, nil
		}
		heir := m.nextGrave(ID(next), why)
		at, over = &heir, Any
	}
	return 0, ended, fmt.Errorf("%w: more than %d rotations to follow", ErrUnavailable, maxLine)
}

// nextGrave is for what a rotation has made of a session that somebody ends. It
// may be dead by now, by a Renew above all, and then it stays as it is.
func (m *Manager) nextGrave(id ID, why state.Reason) journal.Tombstone {
	if why == state.Rotated {
		why = state.Destroyed
	}
	return journal.Tombstone{ID: string(id), Death: m.tombstone(why).Death, IfLive: true, Line: true}
}

// endNext is the journal's part in endLine: g was delivered, and what rotations
// have made of it is owed from now on.
func (m *Manager) endNext(ctx context.Context, g journal.Tombstone, why state.Reason) error {
	next := g.Death.Link.Successor()
	if !g.Line || next == "" {
		return nil
	}
	heir := m.nextGrave(ID(next), why)
	heir.Pending, heir.Again = true, g.Again
	return m.shardOf(ID(next)).bury(ctx, heir)
}

// inheritance is what the session that a rotation made gets of a state that the
// store lacks: what was written to the old one before the grace was over. all
// tells whether that is everything.
func inheritance(b state.Copy, d state.Death) (heir state.Copy, all, ok bool) {
	if d.Reason != state.Rotated || d.Link == "" {
		return heir, false, false
	}
	end := d.Dot.Time().Add(graceAfterRotation)
	var kept state.Entries
	all = true
	for l := b.State.Entries; len(l) > 0; {
		e, rest, _ := l.Cut()
		if l = rest; e.Dot.Time().Before(end) {
			kept = append(kept, e.Raw...)
		} else {
			all = false
		}
	}
	st := b.State
	st.Entries = kept
	return state.Copy{ID: d.Link.Successor(), State: st.Values()}, all, len(kept) > 0
}

// settleLater is settleDebt for a session that has ended.
func (m *Manager) settleLater(ctx context.Context, b state.Copy, d state.Death) error {
	heir, all, ok := inheritance(b, d)
	if !ok {
		return ErrEnded
	}
	if err := m.settleDebt(ctx, heir); err != nil || all {
		return err
	}
	return ErrEnded
}
