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

// LoginRevoked reports whether the login to a session was revoked, and returns the death of the
// session then. The revocation of everybody is compared with the time of the login, or with
// Authenticated if there is none: the login's clock may be later than its time, because it follows
// the clocks of its user's revocations. If nothing is revoked, LoginRevoked takes no lock.
func (j *Journal) LoginRevoked(st state.State) (d state.Death, dead bool) {
	if !j.users.Load() {
		return d, false
	}
	login, known := st.Login()
	if !known {
		login.At = st.Authenticated
	}
	if d = j.RevocationOf(revoked.Everybody); d.Reason != 0 && state.ClockAt(time.UnixMilli(login.At)) <= d.Dot.Clock {
		return d, true
	}
	if !known {
		return d, false
	}
	d = j.RevocationOf(revoked.UserID(login.User))
	return d, d.Reason != 0 && login.Clock <= d.Dot.Clock
}

// RevocationOf returns the revocation that has an ID; zero: there is none.
func (j *Journal) RevocationOf(id string) state.Death {
	t, _ := j.Tombstone(id)
	return t.Death
}
