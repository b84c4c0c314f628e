package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/flight"
	"github.com/holdfast-go/session/internal/state"
)

// stored is what the store answered to a load.
type stored struct {
	state   state.State // it may be dead
	version Version
	cached  bool    // the store itself was not asked
	garbled Version // of a record that cannot be read
}

// load asks the store for a session, within the read budget. It fails with
// ErrNotFound for one that does not stand there, or has expired, and then it
// tells of that one too: who knows of a later use may go on from it. It fails
// with ErrUnavailable and the cause. vouched tells whether the visitor can do
// without the store.
//
// Who asks for a session that is just being loaded waits for a moment, and loads
// it once more together with all who came meanwhile: what is on its way may be
// older than what he has seen. Where the store is slow, everybody goes alone; who
// asks past a cache always does.
//
// From here down a load is on the stack of each request that waits for the
// store, so the frames are kept small: out is the caller's.
func (m *Manager) load(ctx context.Context, id ID, vouched, fresh bool, out *stored) error {
	if over(ctx) {
		return fmt.Errorf("%w: %w", ErrUnavailable, errOver(ctx))
	}
	c, err := m.call(ctx, id, vouched, m.options.ReadTimeout)
	if err != nil {
		return err
	}
	budget := m.reading.Within(ctx, time.Now(), m.options.ReadTimeout)
	if _, caches := m.store.(FreshLoader); fresh && caches {
		return m.loadAlone(ctx, budget, &c, true, out)
	}
	turn, asks := m.loads.Enter(id)
	if !asks {
		return m.loadTogether(ctx, turn, vouched, out)
	}
	defer turn.Leave()
	return m.loadAlone(ctx, budget, &c, false, out)
}

func (m *Manager) loadAlone(ctx, budget context.Context, c *call, fresh bool, out *stored) error {
	m.health.loads.Add(1)
	return m.readWithin(ctx, budget, c, fresh, out)
}

// loadAnswer is what came of a load, for all who share it.
type loadAnswer struct {
	stored
	err error
}

// patience is which part of ReadTimeout a load may wait for others. It is not
// taken from the load's own time: a store that had less than a whole
// ReadTimeout to answer has not failed.
const patience = 4

// loadTogether waits for the turn to load, or for what somebody else has loaded
// since.
func (m *Manager) loadTogether(ctx context.Context, turn flight.Turn[ID, loadAnswer], vouched bool, out *stored) error {
	id, wait := turn.Key, m.waiting.Within(ctx, time.Now(), m.options.ReadTimeout/patience)
	for asks := false; !asks; {
		var a loadAnswer
		var answered bool
		var slow error
		a, answered, asks, slow = turn.Wait(wait)
		switch {
		case answered:
			*out = a.stored
			return a.err
		case slow != nil:
			return m.loadNow(ctx, id, vouched, out)
		case !asks:
			turn, asks = m.loads.Enter(id)
		}
	}
	defer turn.Leave()
	err := m.loadNow(ctx, id, vouched, out)
	// That the request has ended, or that the shard was not asked because the
	// caller can do without it, is an answer for this caller alone.
	own := over(ctx) || errors.Is(err, errAway)
	if turn.Shared() && (err == nil || errors.Is(err, ErrNotFound) || !own) {
		turn.Answer(loadAnswer{*out, err})
	}
	return err
}

// loadNow is loadAlone after a wait: the shard may have gone away meanwhile, and
// the request may have ended.
func (m *Manager) loadNow(ctx context.Context, id ID, vouched bool, out *stored) error {
	if over(ctx) {
		return fmt.Errorf("%w: %w", ErrUnavailable, errOver(ctx))
	}
	c, err := m.call(ctx, id, vouched, m.options.ReadTimeout)
	if err != nil {
		return err
	}
	budget := m.reading.Within(ctx, time.Now(), m.options.ReadTimeout)
	return m.loadAlone(ctx, budget, &c, false, out)
}

// read is load with permission, and for one alone.
func (m *Manager) read(ctx context.Context, c call, fresh bool) (r stored, err error) {
	err = m.readWithin(ctx, m.reading.Within(ctx, time.Now(), c.budget), &c, fresh, &r)
	return r, err
}

// ask is the store's Load, or LoadFresh.
func (m *Manager) ask(ctx context.Context, id ID, fresh bool) (Record, error) {
	if f, ok := m.store.(FreshLoader); ok && fresh {
		return f.LoadFresh(ctx, id)
	}
	return m.store.Load(ctx, id)
}

// stalled reports whether budget ended a good while ago, although a load honors
// it: this process stood still, throttled or suspended, and the answer may have
// been waiting for it. Then the store is asked once more, and the second answer
// counts, however late it is.
func stalled(budget context.Context) bool {
	at, _ := budget.Deadline()
	return time.Since(at) > longPause
}

// longPause is more than a busy scheduler makes of a timer.
const longPause = 20 * time.Millisecond

// readWithin asks the store. Its error is ErrNotFound, an awayError where the
// store failed, or ErrUnavailable where it is not known whether there is a
// session although the store may be well: the request has ended, or the record
// cannot be read here.
func (m *Manager) readWithin(ctx, budget context.Context, c *call, fresh bool, out *stored) error {
	r, err := m.ask(budget, c.id, fresh)
	if err != nil && stalled(budget) && !over(ctx) {
		r, err = m.ask(m.reading.Within(ctx, time.Now(), c.budget), c.id, fresh)
	}
	absent := errors.Is(err, ErrNotFound)
	switch {
	case r.Cached: // it says nothing about the store
	case err == nil, absent:
		c.answered(ctx, loading)
	case !over(ctx):
		c.failed(ctx, loading, err)
		m.failed(ctx, OperationLoad, c.id, err)
		return &awayError{err}
	}
	if err == nil {
		if out.state, err = m.decode(r.Data); err != nil {
			m.failed(ctx, OperationLoad, c.id, err)
			out.garbled = r.Version
		}
	}
	switch {
	case err == nil && (m.foreign() || !m.expired(out.state, m.now())):
		out.version, out.cached = r.Version, r.Cached
		return nil
	case err == nil:
		out.version = r.Version
		return ErrNotFound
	case absent:
		return ErrNotFound
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// save writes st over a version.
func (m *Manager) save(ctx context.Context, id ID, st state.State, over Version) (Version, error) {
	c, err := m.call(ctx, id, true, m.options.SaveTimeout)
	if err != nil {
		return Absent, err
	}
	v, err := m.put(ctx, c, OperationSave, st, over)
	if err == nil {
		m.health.saves.Add(1)
	}
	return v, err
}

// put is save with permission. The save has SaveTimeout to itself, and goes on
// when the client leaves: what a handler wrote is saved even if nobody waits for
// the answer.
func (m *Manager) put(ctx context.Context, c call, operation Operation, st state.State, over Version) (Version, error) {
	if over == Absent && m.without&restoreByCreate != 0 {
		over = Any
	}
	data, expires, err := m.encode(ctx, st)
	if err != nil {
		return Absent, err
	}
	budget := m.saving.After(ctx, time.Now(), m.options.SaveTimeout)
	v, err := m.store.Save(budget, c.id, Record{Data: data, Expires: expires}, over)
	switch {
	case err == nil:
		c.answered(ctx, workOf(over))
		return v, nil
	case errors.Is(err, ErrConflict):
		c.answered(ctx, noWork)
		m.health.conflicts.Add(1)
		return Absent, err
	case errors.Is(err, ErrTooLarge):
		c.answered(ctx, noWork)
		return Absent, err
	}
	m.failed(ctx, operation, c.id, err)
	c.failed(ctx, workOf(over), err)
	return Absent, &awayError{err}
}

// attempts is how long an operation that meets others goes on beginning anew.
// Each load and save that it makes has a whole budget of its own.
func (m *Manager) attempts() (end time.Time) { return m.now().Add(m.options.SaveTimeout) }

// expires is when the store may forget st. A live session may be that late
// because its lastSeen is put off only once in a while.
func (m *Manager) expires(st state.State) time.Time {
	if st.Dead() {
		return m.now().Add(m.tombstoneLife())
	}
	return earlier(time.UnixMilli(st.LastSeen).Add(m.options.Idle+m.options.Refresh), time.UnixMilli(st.End))
}

// expired is asked of what the store returned, as its clock may be behind.
func (m *Manager) expired(st state.State, now time.Time) bool {
	return !st.Dead() && !now.Before(m.expires(st))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (m *Manager) tombstone(r state.Reason) state.State {
	return state.State{Death: state.Death{Dot: m.stamp(state.State{}), Reason: r}}
}

// stamp returns a dot for a write to st.
func (m *Manager) stamp(st state.State) state.Dot {
	return state.Dot{Clock: m.clock.Next(m.now(), st.Entries.Latest()), Instance: m.instance}
}

// begin is a new session without values.
func (m *Manager) begin() state.State {
	now := m.now()
	return state.State{
		Created: now.UnixMilli(), Authenticated: now.UnixMilli(), LastSeen: now.UnixMilli(),
		End: now.Add(m.options.Lifetime).UnixMilli(),
	}
}
