package lookup

import (
	"context"
	"time"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/storage"
)

// Done returns a channel that is closed when a session has ended, as far as this process
// knows, when this process has heard of no ends for a lease, or is closed, or ctx ends. Until then
// a goroutine waits: for what the revocation set learns, and for the expiry. At the expiry it
// loads the session once, and goes on if the session was used meanwhile. Where there is a backup
// it loads nothing else while the session lives; without one it loads the session when it begins,
// and when this process has ended it.
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
	for look := r.news(c); ; look = r.news(c) {
		if look {
			l := r.Fetch(ctx, c.ID, Known{}, true)
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

// news reports whether a session may have ended: its time is over, or this process knows of
// an end. Without a backup it knows of none, and each call of news is due to one.
func (r *Reader) news(c state.Copy) bool {
	return !r.Backup || r.left(c.State) <= 0 || r.Shards.EndHeard(c)
}

// hears returns for how long this process may go on with a session if it hears of no ends from
// now on: for a lease from when it last did, or from when the session was confirmed, as a copy may
// vouch for it, but not for less than the next exchange may take. Without a backup it never hears
// of those of others.
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
