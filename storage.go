package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/deadline"
)

// tombstoneLife is how long the store keeps a dead session. It must outlast
// every request that loaded the session while it lived and could still write.
const tombstoneLife = 5 * time.Minute

// load asks the store for a session, within the read budget. It returns
// ErrNotFound for one that does not stand there or has expired, a state that
// may be dead, or ErrUnavailable with the cause. Only the latter is a failure,
// and a request that its visitor canceled is none.
func (m *Manager) load(ctx context.Context, id ID, fresh bool) (state, Version, error) {
	m.health.loads.Add(1)
	budget := deadline.After(ctx, m.options.ReadTimeout)
	defer budget.Cancel()
	var r Record
	var err error
	if f, ok := m.store.(FreshLoader); ok && fresh {
		r, err = f.LoadFresh(budget, id)
	} else {
		r, err = m.store.Load(budget, id)
	}
	switch {
	case err == nil, errors.Is(err, ErrNotFound):
		m.answered(ctx, loading, id)
	case ctx.Err() == nil:
		m.away(ctx, loading, id, err)
	}
	var st state
	if err == nil {
		st, err = decodeState(r.Data)
	}
	switch {
	case err == nil && !m.expired(st, time.Now()):
		return st, r.Version, nil
	case err == nil, errors.Is(err, ErrNotFound):
		return state{}, Absent, ErrNotFound
	case ctx.Err() == nil:
		m.failed(ctx, "load", id, err)
	}
	return state{}, Absent, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// save writes st over a version, within what is left of ctx.
func (m *Manager) save(ctx context.Context, id ID, st state, over Version) (Version, error) {
	v, err := m.put(ctx, "save", id, st, over)
	if err == nil {
		m.health.saves.Add(1)
	}
	return v, err
}

func (m *Manager) put(ctx context.Context, operation string, id ID, st state, over Version) (Version, error) {
	v, err := m.store.Save(ctx, id, Record{Data: st.encode(), Expires: m.expires(st)}, over)
	switch {
	case err == nil:
		m.answered(ctx, saving, id)
		return v, nil
	case errors.Is(err, ErrConflict):
		m.answered(ctx, saving, id)
		m.health.conflicts.Add(1)
		return Absent, err
	case errors.Is(err, ErrTooLarge):
		m.answered(ctx, saving, id)
		return Absent, err
	}
	m.failed(ctx, operation, id, err)
	m.away(ctx, saving, id, err)
	return Absent, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// saveBudget is the time that a write has. The visitor's leaving does not end
// it: what a handler wrote is saved even if nobody waits for the answer.
func (m *Manager) saveBudget(ctx context.Context) (context.Context, context.CancelFunc) {
	budget := deadline.After(context.WithoutCancel(ctx), m.options.SaveTimeout)
	return budget, budget.Cancel
}

// expires is when the store may forget st. A live session may be that late
// because its lastSeen is put off only once in a while.
func (m *Manager) expires(st state) time.Time {
	if st.dead() {
		return time.Now().Add(tombstoneLife)
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
	return state{death: death{m.stamp(state{}), r}}
}

// stamp returns a dot for a write to st.
func (m *Manager) stamp(st state) dot {
	return dot{m.clock.next(time.Now(), st.entries.latest()), m.instance}
}

// begin is a new session without values.
func (m *Manager) begin() state {
	now := time.Now()
	return state{
		created: now.UnixMilli(), authenticated: now.UnixMilli(), lastSeen: now.UnixMilli(),
		end: now.Add(m.options.Lifetime).UnixMilli(),
	}
}
