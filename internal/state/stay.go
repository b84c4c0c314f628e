package state

import (
	"encoding/binary"
	"time"
)

// StayEntry is the name of the entry that says how long a session lasts, where it does not
// last as the options say. No key of an application has a name with a slash.
//
// It changes only where a session gets a new ID by a login, so that all states of one ID
// have the same: no copy of a session makes another one last longer.
const StayEntry = "/stay"

// Stay is how long a session lasts.
type Stay struct {
	Persistent bool          // its cookies outlast the browser
	Lifetime   time.Duration // from its renewal on; 0: as the options say
	Idle       time.Duration // without a use; 0: as the options say
}

// MaxStay bounds the times of a Stay, so that one can be added to a date.
const MaxStay = 100 * 366 * 24 * time.Hour

const stayPersistent = 1 // the flag

// Change returns the change that makes s the stay of a session. It travels in every copy,
// before all values. The times count in milliseconds.
func (s Stay) Change() Change {
	value := make([]byte, 1, 1+2*binary.MaxVarintLen64)
	if s.Persistent {
		value[0] = stayPersistent
	}
	value = binary.AppendUvarint(value, uint64(s.Lifetime.Milliseconds()))
	value = binary.AppendUvarint(value, uint64(s.Idle.Milliseconds()))
	return Change{Name: StayEntry, Flags: Uncompressed | MaxRank<<RankShift, Value: value}
}

// NoStay returns the change after which a session lasts as the options say.
func NoStay() Change { return Change{Name: StayEntry, Flags: Deleted} }

// readStay returns the stay in the value of a StayEntry, and reports whether there is one.
// Times that nobody can have asked for count as none.
func readStay(value []byte) (s Stay, ok bool) {
	if len(value) == 0 {
		return Stay{}, false
	}
	s.Persistent = value[0]&stayPersistent != 0
	value = value[1:]
	for _, d := range [...]*time.Duration{&s.Lifetime, &s.Idle} {
		ms, n := binary.Uvarint(value)
		if n <= 0 || ms > uint64(MaxStay.Milliseconds()) {
			return Stay{}, false
		}
		*d, value = time.Duration(ms)*time.Millisecond, value[n:]
	}
	return s, true
}

// Stay returns how long the session lasts, and reports whether it says so itself, which a record
// of another system's format does not.
func (st *State) Stay() (Stay, bool) {
	if st.Origin != nil {
		return Stay{}, false
	}
	e, ok := st.Entries.Find(StayEntry)
	if !ok || e.Flags.Kind() != Present {
		return Stay{}, false
	}
	return readStay(e.Value)
}
