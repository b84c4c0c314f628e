package failover

import (
	"context"
	"time"

	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

// EndHeard reports whether this process knows that a session has ended, or has heard so from
// another process. If a rotation ended the session, only the store can say which session it
// made. Without a backup EndHeard reports false.
func (a *Shards) EndHeard(c state.Copy) bool {
	if a.JournalBytes == 0 {
		return false
	}
	if _, dead := a.journal.Tombstone(c.ID); dead || a.Of(c.ID).members.graces.rotatedLately(c.ID) {
		return true
	}
	_, dead := a.LoginRevoked(c.State)
	return dead
}

// RevokedUpTo returns the clock up to which the logins of a user are revoked; zero: none is. It
// loads the user's record. If the store does not answer, it returns what this process knows.
func (a *Shards) RevokedUpTo(ctx context.Context, user string) uint64 {
	if a.JournalBytes == 0 {
		return 0
	}
	id := revoked.UserID(user)
	if c, err := a.AllowLoad(ctx, id, true); err == nil {
		if r, err := a.Backend.Read(ctx, c); err == nil && r.State.Dead() {
			a.Learn(ctx, id, r.State.Death)
		}
	}
	return a.journal.RevocationOf(id).Dot.Clock
}

// EverybodyRevokedUpTo returns the time up to which this process knows that everybody's logins
// are revoked. The time of the zero Dot means that none is.
func (a *Shards) EverybodyRevokedUpTo() time.Time {
	if a.JournalBytes == 0 {
		return state.Dot{}.Time()
	}
	return a.journal.RevocationOf(revoked.Everybody).Dot.Time()
}

// MovePending reports whether a Renew has ended the session and the store lacks its
// tombstone.
func (a *Shards) MovePending(id string) bool {
	if a.JournalBytes == 0 {
		return false
	}
	g, ok := a.journal.Tombstone(id)
	return ok && g.Pending && g.Successor != ""
}

// Copy returns what this process knows of a session besides the store: what the store
// lacks, and what it has taken lately. Without a backup that is nothing.
func (a *Shards) Copy(id string) (state.Copy, bool) {
	if a.JournalBytes == 0 {
		return state.Copy{}, false
	}
	return a.Of(id).Copy(id)
}

// Undone reports whether a record of a session does not count: its shard went back in time
// so far that no process remembers which sessions have ended since.
func (a *Shards) Undone(id string, st state.State) bool {
	return a.JournalBytes != 0 && a.Of(id).members.undone(st.LastSeen)
}
