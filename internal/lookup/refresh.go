package lookup

import (
	"context"
	"time"

	"github.com/holdfast-go/session/internal/failover"
)

// maxRefreshes bounds the refreshes in the background. Beyond it, the session's next
// request refreshes it.
const maxRefreshes = 256

// Refresh puts off the expiry of a session in the background, if that is due. It saves
// the state with a later LastSeen over the version just read, so that after a write by
// another request, a logout above all, this refresh has no effect.
func (r *Reader) Refresh(ctx context.Context, l Loaded) {
	if r.Due(l) {
		go r.PutOff(ctx, l)
	}
}

// Due reports whether a refresh is due and none of the session is under way. If it
// reports true, the caller must call PutOff.
func (r *Reader) Due(l Loaded) bool {
	unseen := r.Clock.Now().Sub(time.UnixMilli(l.State.LastSeen))
	return unseen >= r.Storage.RefreshOf(&l.State) && r.Refreshes.Start(l.ID, maxRefreshes)
}

// PutOff saves a refresh and returns the session as it is afterwards.
func (r *Reader) PutOff(ctx context.Context, l Loaded) Loaded {
	defer r.Refreshes.Done(l.ID)
	ctx = context.WithoutCancel(ctx)
	c, err := r.Shards.AllowSave(ctx, l.ID)
	if err != nil {
		return l
	}
	sent := r.Clock.Now()
	st := l.State.Seen(sent)
	if v, err := r.Storage.Put(ctx, c, failover.Refresh, st, l.Version); err == nil {
		r.Refreshed.Add(1)
		before := l.Copy
		l.State = st
		l.Version = v
		l.Confirmed = sent.UnixMilli()
		if r.OnRefresh != nil {
			r.OnRefresh(before, l.Copy)
		}
	}
	return l
}
