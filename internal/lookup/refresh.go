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
func (r *Reader) Refresh(ctx context.Context, l Loaded) {
	if r.Due(l) {
		go r.PutOff(ctx, l)
	}
}

// Due reports whether it is time for a refresh, and no other one of the session is
// under way. If so, PutOff must follow.
func (r *Reader) Due(l Loaded) bool {
	unseen := r.Clock.Now().Sub(time.UnixMilli(l.State.LastSeen))
	return unseen >= r.Storage.Refresh && r.Refreshes.Start(l.ID, maxRefreshes)
}

// PutOff saves a refresh, and returns what stands then.
func (r *Reader) PutOff(ctx context.Context, l Loaded) Loaded {
	defer r.Refreshes.Done(l.ID)
	ctx = context.WithoutCancel(ctx)
	c, err := r.Shards.Call(ctx, l.ID, true, r.Storage.SaveTimeout)
	if err != nil {
		return l
	}
	sent := r.Clock.Now()
	st := l.State.Seen(sent)
	if v, err := r.Storage.Put(ctx, c, failover.Refresh, st, l.Version); err == nil {
		r.Refreshed.Add(1)
		l.State = st
		l.Version = v
		l.Confirmed = sent.UnixMilli()
	}
	return l
}
