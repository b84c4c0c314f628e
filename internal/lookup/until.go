package lookup

import (
	"context"
	"time"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/storage"
)

// Done returns a channel that is closed when this process knows that a session has ended, when it
// has heard of no ends for a lease, when it no longer watches the store, or when ctx ends. Until
// then a goroutine waits: for what the revocation set learns, and for the expiry. At the expiry it
// loads the session once, and goes on if the session was used meanwhile. With a backup it loads
// nothing else while the session lives; without one it loads the session when it begins, and when
// this process may have ended it.
func (r *Reader) Done(ctx context.Context, c state.Copy) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for live := true; live; {
			c, live = r.untilMoved(ctx, c)
		}
	}()
	return done
}

// untilMoved waits until a session has ended. It reports whether a rotation has ended it, and
// returns the session that goes on then.
func (r *Reader) untilMoved(ctx context.Context, c state.Copy) (next state.Copy, moved bool) {
	w := r.Shards.Waiting.Enter(c.ID)
	defer r.Shards.Waiting.Leave(w)
	timer := time.NewTimer(0)
	defer timer.Stop()
	noted := c.State.LastSeen
	for look := r.news(c); ; look = r.news(c) {
		if look {
			l := r.Look(ctx, c.ID)
			before := noted
			if noted = l.State.LastSeen; noted != before && r.left(l.State) <= 0 {
				// Decision 86: it was used since, at an instance whose clock is another.
				l.State = r.Storage.Used(l.State, r.Clock.Now())
			}
			switch {
			case l.Phase == Dead:
				// A client with the old token must not go on with the session that a Renew
				// made.
				next := l.State.Death.Link.Successor()
				return state.Copy{ID: next, State: c.State}, next != ""
			case l.Phase != Live || r.left(l.State) <= 0:
				return c, false
			}
			c = l.Copy
		}
		hears := r.hears(c)
		if hears <= 0 {
			return c, false
		}
		timer.Reset(min(r.left(c.State), hears))
		select {
		case <-ctx.Done():
			return c, false
		case <-r.Shards.Closed(): // it hears of no end from now on
			return c, false
		case <-w.News:
		case <-timer.C:
		}
	}
}

// news reports whether a session may have ended: it has expired, or this process knows of an end.
// Without a backup this process knows of none and news always reports true, because it is called
// only at the beginning and when the session may have ended.
func (r *Reader) news(c state.Copy) bool {
	return !r.Backup || r.left(c.State) <= 0 || r.Shards.EndHeard(c)
}

// hears returns how long a session may go on if this process hears of no ends from now on: a
// lease from the last exchange or from the session's confirmation, whichever is later, but at
// least as long as the next exchange may take. Without a backup there is no limit.
func (r *Reader) hears(c state.Copy) time.Duration {
	if !r.Backup {
		return storage.Century
	}
	heard, within := r.Shards.EndsHeardUntil(c.ID)
	from := max(c.Confirmed, heard.UnixMilli())
	return time.UnixMilli(from).Add(max(r.Lease(), within)).Sub(r.Clock.Now())
}

// left returns how long a session lives if no request uses it any more.
func (r *Reader) left(st state.State) time.Duration {
	return r.Storage.Expires(st).Sub(r.Clock.Now())
}
