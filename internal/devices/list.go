package devices

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
)

// ID returns the ID of the record that lists a user's sessions. A reader of the store who
// cannot guess the user's name does not learn it from the ID.
func ID(user string) string {
	sum := sha256.Sum256([]byte("holdfast user\x00" + user))
	return recordid.User([16]byte(sum[:16]))
}

const (
	// MaxRows bounds a list. Where more sessions are live, those that were seen longest
	// ago are left out, until they are used again.
	MaxRows = 100

	// remembered bounds the sessions that a list names as ended, so that a refresh which
	// was under way does not enter them again.
	remembered = 32

	// remembers is for how long the list of a user without sessions stands, in
	// milliseconds.
	remembers = 5 * 60 * 1000
)

// Row is what a list says of a session. Dates are in Unix milliseconds.
type Row struct {
	Session string // its ID

	Began, Renewed int64
	Seen           int64 // when it was used last, as of the last refresh
	Ends           int64 // when it has ended at the latest if it is not used again

	LoggedIn int64  // when its user logged in
	Login    uint64 // the clock value of that, which a revocation is compared with
	Idle     int64  // its own idle timeout, in milliseconds; 0: that of the options
}

// List is the sessions of one user. It is immutable: its methods return another.
//
// It is a map of session IDs to rows, in the form of a session's entries. A session that has
// ended is a deleted entry.
type List struct{ entries state.Entries }

// Decode returns the list in a state.
func Decode(st state.State) List { return List{st.Entries} }

// Encode returns the list as a state, which ends with the last of its sessions.
func (l List) Encode(now int64) state.State {
	st := state.State{Created: now, Authenticated: now, LastSeen: now, End: now + remembers, Entries: l.entries}
	for _, r := range l.all() {
		st.End = max(st.End, r.Ends)
	}
	return st
}

// Put returns l with a row, written with the dot d. A session that the list names as ended
// stays out.
func (l List) Put(r Row, d state.Dot) List {
	if e, ok := l.entries.Find(r.Session); ok && e.Flags.Kind() == state.Deleted {
		return l
	}
	return l.with(state.Entry{Dot: d, Name: []byte(r.Session), Value: r.encode()})
}

// Remove returns l without a session, which has ended, as of the dot d.
func (l List) Remove(session string, d state.Dot) List {
	return l.with(state.Entry{Dot: d, Name: []byte(session), Flags: state.Deleted})
}

// without returns l without any trace of the first name that begins with a prefix, if there is
// one. For places of logins only: what an instance may enter again must be remembered as ended.
func (l List) without(prefix string) List {
	rest := l.entries.From(prefix)
	if len(rest) == 0 {
		return l
	}
	e, after, _ := rest.Cut()
	if !bytes.HasPrefix(e.Name, []byte(prefix)) {
		return l
	}
	before := l.entries[:len(l.entries)-len(rest)]
	return List{append(before[:len(before):len(before)], after...)}
}

func (l List) equal(other List) bool { return bytes.Equal(l.entries, other.entries) }

// with returns l with an entry, in place of the one of that name. Dots do not decide between the
// two: those of a list all precede the dot of a change, and changes that are saved together have
// the same one.
func (l List) with(e state.Entry) List {
	rest := l.entries.From(string(e.Name))
	before := l.entries[:len(l.entries)-len(rest)]
	if old, after, ok := rest.Cut(); ok && bytes.Equal(old.Name, e.Name) {
		rest = after
	}
	return List{slices.Concat(before, e.Append(nil), rest)}
}

// Rows returns the sessions that are not over at a time, those seen last first.
func (l List) Rows(now int64) []Row {
	return slices.DeleteFunc(l.all(), func(r Row) bool { return r.Ends <= now || isReservation(r.Session) })
}

// Claimed returns how many sessions and reservations there are at a time, without some
// sessions.
func (l List) Claimed(now int64, except []string) (n int) {
	for _, r := range l.all() {
		if r.Ends > now && !slices.Contains(except, r.Session) {
			n++
		}
	}
	return n
}

// all returns all rows, those seen last first.
func (l List) all() []Row {
	var all []Row
	for _, e := range l.entries.Present() {
		if r, ok := decodeRow(e); ok {
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b Row) int { return cmp.Compare(b.Seen, a.Seen) })
	return all
}

// Tidy returns l without the sessions that are over at a time, those beyond MaxRows, and
// all but the last 32 of those that have ended.
func (l List) Tidy(now int64) List {
	var seen, ended []int64
	l.each(now, func(_ state.Entry, deleted bool, date int64) {
		if deleted {
			ended = append(ended, date)
		} else {
			seen = append(seen, date)
		}
	})
	rows, deaths := newest(seen, MaxRows), newest(ended, remembered)
	out := make(state.Entries, 0, len(l.entries))
	l.each(now, func(e state.Entry, deleted bool, date int64) {
		of := &rows
		if deleted {
			of = &deaths
		}
		if of.takes(date) {
			out = append(out, e.Raw...)
		}
	})
	return List{out}
}

// each calls do for each entry that counts at a time, in order. It passes the time when the
// session was last seen for a row, and the clock of its end for a session that has ended.
func (l List) each(now int64, do func(e state.Entry, deleted bool, date int64)) {
	for rest := l.entries; len(rest) > 0; {
		e, next, _ := rest.Cut()
		rest = next
		if e.Flags.Kind() == state.Deleted {
			do(e, true, int64(e.Dot.Clock>>1))
		} else if r, ok := decodeRow(e); ok && r.Ends > now {
			do(e, false, r.Seen)
		}
	}
}

// latest is the dates from which on a bounded number of dates are taken.
type latest struct {
	from int64
	ties int // of the date from, how many are taken
}

// newest returns which of the dates are taken where at most n are: the latest.
func newest(dates []int64, n int) latest {
	if len(dates) <= n {
		return latest{from: -1}
	}
	slices.Sort(dates)
	dates = dates[len(dates)-n:]
	first, _ := slices.BinarySearch(dates, dates[0]+1)
	return latest{dates[0], first}
}

// takes reports whether a date is taken.
func (l *latest) takes(date int64) bool {
	if date == l.from {
		l.ties--
		return l.ties >= 0
	}
	return date > l.from
}

// reservation begins the name of a row that holds the place of a session which is about to
// begin. No session has such an ID: those of ours are hex, and no name with a slash is
// registered.
const reservation = "/"

func isReservation(name string) bool { return strings.HasPrefix(name, reservation) }

const (
	rowV1 = 1

	maxDate = 47 // bits of a date that a state can have
)

// encode returns the value of a row's entry: a format byte, and the dates, the idle timeout and
// the clock value as unsigned varints.
func (r Row) encode() []byte {
	b := []byte{rowV1}
	for _, t := range [...]int64{r.Began, r.Renewed, r.Seen, r.Ends, r.LoggedIn, r.Idle} {
		b = binary.AppendUvarint(b, uint64(max(0, t)))
	}
	return binary.AppendUvarint(b, r.Login)
}

// decodeRow is the inverse of encode. It reports false where the entry is no row of this
// format: such a row is not shown.
func decodeRow(e state.Entry) (Row, bool) {
	b := e.Value
	if len(b) == 0 || b[0] != rowV1 {
		return Row{}, false
	}
	r := Row{Session: string(e.Name)}
	b = b[1:]
	for _, t := range [...]*int64{&r.Began, &r.Renewed, &r.Seen, &r.Ends, &r.LoggedIn, &r.Idle} {
		v, n := binary.Uvarint(b)
		if n <= 0 || v >= 1<<maxDate {
			return Row{}, false
		}
		*t, b = int64(v), b[n:]
	}
	clock, n := binary.Uvarint(b)
	r.Login = clock
	return r, n > 0 && n == len(b)
}
