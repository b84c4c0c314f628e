package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/flight"
)

// stored is what the store answered to a load.
type stored struct {
	state   state // it may be dead
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
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
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
		return m.loadTogether(ctx, budget, turn, vouched, out)
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

// patience is which part of its time a load may wait for others. What is left is
// enough for a store that is just fast enough.
const patience = 4

// loadTogether waits for the turn to load, or for what somebody else has loaded
// since.
func (m *Manager) loadTogether(ctx, budget context.Context, turn flight.Turn[ID, loadAnswer], vouched bool, out *stored) error {
	id, wait := turn.Key, m.waiting.Within(budget, time.Now(), m.options.ReadTimeout/patience)
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
			return m.loadNow(ctx, budget, id, vouched, out)
		case !asks:
			turn, asks = m.loads.Enter(id)
		}
	}
	defer turn.Leave()
	err := m.loadNow(ctx, budget, id, vouched, out)
	// That his time is over, or that he can do without, is his own answer.
	own := budget.Err() != nil || errors.Is(err, errAway)
	if turn.Shared() && (err == nil || errors.Is(err, ErrNotFound) || !own) {
		turn.Answer(loadAnswer{*out, err})
	}
	return err
}

// loadNow is loadAlone for who has waited: the shard may have gone away.
func (m *Manager) loadNow(ctx, budget context.Context, id ID, vouched bool, out *stored) error {
	c, err := m.call(ctx, id, vouched, m.options.ReadTimeout)
	if err != nil {
		return err
	}
	return m.loadAlone(ctx, budget, &c, false, out)
}

// read is load with permission, and for one alone.
func (m *Manager) read(ctx context.Context, c call, fresh bool) (r stored, err error) {
	err = m.readWithin(ctx, m.reading.Within(ctx, time.Now(), c.budget), &c, fresh, &r)
	return r, err
}

// readWithin asks the store. Only ErrUnavailable is a failure, and a request
// that its visitor canceled is none.
func (m *Manager) readWithin(ctx, budget context.Context, c *call, fresh bool, out *stored) error {
	var r Record
	var err error
	if f, ok := m.store.(FreshLoader); ok && fresh {
		r, err = f.LoadFresh(budget, c.id)
	} else {
		r, err = m.store.Load(budget, c.id)
	}
	switch {
	case r.Cached: // it says nothing about the store
	case err == nil, errors.Is(err, ErrNotFound):
		c.answered(ctx, loading)
	case !callers(ctx, budget):
		c.failed(ctx, loading, err)
	}
	if err == nil {
		if out.state, err = m.decode(r.Data); err != nil {
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
	case errors.Is(err, ErrNotFound):
		return ErrNotFound
	case !callers(ctx, budget):
		m.failed(ctx, "load", c.id, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// callers tells whether it was the caller's own time that ended, or that he has
// left: the store is not to blame then.
func callers(ctx, budget context.Context) bool {
	own, limited := ctx.Deadline()
	end, _ := budget.Deadline()
	return ctx.Err() != nil || limited && !end.Before(own) && !time.Now().Before(own)
}

// save writes st over a version, within what is left of ctx.
func (m *Manager) save(ctx context.Context, id ID, st state, over Version) (Version, error) {
	c, err := m.call(ctx, id, true, m.options.SaveTimeout)
	if err != nil {
		return Absent, err
	}
	v, err := m.put(ctx, c, "save", st, over)
	if err == nil {
		m.health.saves.Add(1)
	}
	return v, err
}

func (m *Manager) put(ctx context.Context, c call, operation string, st state, over Version) (Version, error) {
	if over == Absent && m.without&restoreByCreate != 0 {
		over = Any
	}
	data, expires, err := m.encode(ctx, st)
	if err != nil {
		return Absent, err
	}
	v, err := m.store.Save(ctx, c.id, Record{Data: data, Expires: expires}, over)
	switch {
	case err == nil:
		c.answered(ctx, saving)
		return v, nil
	case errors.Is(err, ErrConflict):
		c.answered(ctx, saving)
		m.health.conflicts.Add(1)
		return Absent, err
	case errors.Is(err, ErrTooLarge):
		c.answered(ctx, saving)
		return Absent, err
	}
	m.failed(ctx, operation, c.id, err)
	c.failed(ctx, saving, err)
	return Absent, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// saveBudget is the time that a write has. The visitor's leaving does not end
// it: what a handler wrote is saved even if nobody waits for the answer.
func (m *Manager) saveBudget(ctx context.Context) context.Context {
	return m.saving.After(context.WithoutCancel(ctx), time.Now(), m.options.SaveTimeout)
}

// expires is when the store may forget st. A live session may be that late
// because its lastSeen is put off only once in a while.
func (m *Manager) expires(st state) time.Time {
	if st.dead() {
		return m.now().Add(m.tombstoneLife())
	}
	return earlier(time.UnixMilli(st.lastSeen).Add(m.options.Idle+m.options.Refresh), time.UnixMilli(st.end))
}

// expired is asked of what the store returned, as its clock may be behind.
func (m *Manager) expired(st state, now time.Time) bool {
	return !st.dead() && !now.Before(m.expires(st))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (m *Manager) tombstone(r reason) state {
	return state{death: death{dot: m.stamp(state{}), reason: r}}
}

// stamp returns a dot for a write to st.
func (m *Manager) stamp(st state) dot {
	return dot{m.clock.next(m.now(), st.entries.latest()), m.instance}
}

// begin is a new session without values.
func (m *Manager) begin() state {
	now := m.now()
	return state{
		created: now.UnixMilli(), authenticated: now.UnixMilli(), lastSeen: now.UnixMilli(),
		end: now.Add(m.options.Lifetime).UnixMilli(),
	}
}
