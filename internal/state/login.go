package state

import (
	"encoding/binary"
	"time"
)

// LoginEntry is the name of the entry that says which user has logged in to a session,
// and when. No key of an application has a name with a slash.
const LoginEntry = "/user"

// MaxUser is the length of the longest name of a user, in bytes.
const MaxUser = 255

// Login is the last login to a session.
//
// Its clock is that of the call that made the login, and not of the save that stored it:
// a save that runs again, or a session that goes on under another ID, does not make the
// login later.
type Login struct {
	User  string
	Clock uint64 // as in a Dot: what a revocation of the user's sessions is compared with
	At    int64  // when the credentials were checked, in Unix milliseconds
}

// Change returns the change that makes l the login of a session. It travels in every
// copy, before all values.
func (l Login) Change() Change {
	value := binary.BigEndian.AppendUint64(nil, l.Clock)
	value = binary.BigEndian.AppendUint64(value, uint64(l.At))
	return Change{Name: LoginEntry, Flags: Uncompressed | MaxRank<<RankShift, Value: append(value, l.User...)}
}

// Same reports whether other is the same login of the same user. Its clock may be another one,
// because a revocation of the user's other logins moves it.
func (l Login) Same(other Login) bool { return l.User == other.User && l.At == other.At }

// Time returns when the credentials were checked; zero: there is no login.
func (l Login) Time() time.Time {
	if l.User == "" {
		return time.Time{}
	}
	return time.UnixMilli(l.At)
}

// ReadLogin returns the login in the value of a LoginEntry, and reports whether there is
// one.
func ReadLogin(value []byte) (Login, bool) {
	const head = 8 + 8
	if len(value) <= head {
		return Login{}, false
	}
	at := int64(binary.BigEndian.Uint64(value[8:]))
	return Login{User: string(value[head:]), Clock: binary.BigEndian.Uint64(value), At: at}, true
}

// Login returns the last login to the session, and reports whether there was one. A record of
// another system's format has none: an entry of that name is that system's.
func (st State) Login() (Login, bool) {
	if st.Origin != nil {
		return Login{}, false
	}
	e, ok := st.Entries.Find(LoginEntry)
	if !ok || e.Flags.Kind() != Present {
		return Login{}, false
	}
	return ReadLogin(e.Value)
}
