package session

import (
	"context"
	"time"
)

// maxRefreshes bounds what runs in the background. Beyond it a refresh is
// left to the session's next request.
const maxRefreshes = 256

// refresh puts the expiry of a session off, if it is due: it saves the state
// with a later lastSeen over the version just read. If anybody wrote the
// session meanwhile, a logout above all, that stands and this does not happen.
func (m *Manager) refresh(ctx context.Context, l loaded) {
	if m.due(l) {
		go m.putOff(ctx, l)
	}
}

// due tells whether it is time for a refresh, and nobody else is at it. If so,
// putOff must follow.
func (m *Manager) due(l loaded) bool {
	return m.now().Sub(time.UnixMilli(l.State.LastSeen)) >= m.options.Refresh && m.refreshes.Start(l.ID, maxRefreshes)
}

// putOff saves a refresh, and returns what stands then.
func (m *Manager) putOff(ctx context.Context, l loaded) loaded {
	defer m.refreshes.Done(l.ID)
	ctx = context.WithoutCancel(ctx)
	c, err := m.call(ctx, ID(l.ID), true, m.options.SaveTimeout)
	if err != nil {
		return l
	}
	sent := m.now()
	st := l.State.Seen(sent)
	if v, err := m.put(ctx, c, OperationRefresh, st, l.version); err == nil {
		m.health.refreshes.Add(1)
		l.State, l.version, l.Confirmed = st, v, sent.UnixMilli()
	}
	return l
}
