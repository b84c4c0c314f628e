package lookup

import (
	"context"
	"time"

	"github.com/holdfast-go/session/internal/failover"
)

// maxRefreshes bounds what runs in the background. Beyond it a refresh is left to
// the session's next request.
const maxRefreshes = 256

// Refresh puts the expiry of a session off in the background, if it is due: it
// saves the state with a later lastSeen over the version just read. What another
// request wrote meanwhile, a logout above all, stands, and the refresh does not
// happen.
func (m *Reader) Refresh(ctx context.Context, l Loaded) {
	if m.Due(l) {
		go m.PutOff(ctx, l)
	}
}

// Due reports whether it is time for a refresh, and no other one of the session is
// under way. If so, PutOff must follow.
func (m *Reader) Due(l Loaded) bool {
	unseen := m.Clock.Now().Sub(time.UnixMilli(l.State.LastSeen))
	return unseen >= m.Storage.Refresh && m.Refreshes.Start(l.ID, maxRefreshes)
}

// PutOff saves a refresh, and returns what stands then.
func (m *Reader) PutOff(ctx context.Context, l Loaded) Loaded {
	defer m.Refreshes.Done(l.ID)
	ctx = context.WithoutCancel(ctx)
	c, err := m.Shards.Call(ctx, l.ID, true, m.Storage.SaveTimeout)
	if err != nil {
		return l
	}
	sent := m.Clock.Now()
	st := l.State.Seen(sent)
	if v, err := m.Storage.Put(ctx, c, failover.Refresh, st, l.Version); err == nil {
		m.Refreshed.Add(1)
		l.State = st
		l.Version = v
		l.Confirmed = sent.UnixMilli()
	}
	return l
}
