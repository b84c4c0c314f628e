package journal

import (
	"time"

	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

// The revocation of a user is a tombstone with the ID of revoked.UserID: the clock of its dot
// is that up to which the user's logins count no more. It goes the way of every tombstone,
// into the store, the revocation set, the logs, the journal and its file, and joins as
// tombstones do: the later one stays.

// LoginRevoked reports whether the login to a session was revoked, and returns the death
// of the session then. A session without a login counts as of when it was authenticated, for
// the revocation of everybody. Where no user is revoked LoginRevoked takes no lock.
func (j *Journal) LoginRevoked(st state.State) (d state.Death, dead bool) {
	if !j.users.Load() {
		return d, false
	}
	login, known := st.Login()
	if !known {
		login.Clock = state.ClockAt(time.UnixMilli(st.Authenticated))
	}
	d = j.RevocationOf(login.User)
	return d, d.Reason != 0 && login.Clock <= d.Dot.Clock
}

// RevocationOf returns the later one of the revocations of a user and of everybody; zero:
// there is none. The empty name is that of no user.
func (j *Journal) RevocationOf(user string) (d state.Death) {
	if t, ok := j.Tombstone(revoked.Everybody); ok {
		d = t.Death
	}
	if user == "" {
		return d
	}
	if t, ok := j.Tombstone(revoked.UserID(user)); ok && t.Death.Dot.Clock > d.Dot.Clock {
		d = t.Death
	}
	return d
}
