// Package foreign is the seam on which formats of other session systems stand:
// how a token looks in the cookie, and a session in the store. Only this module
// can implement it, until it has proved its shape.
package foreign

import (
	"context"
	"time"
)

// Format is how another system writes sessions. Its methods are called
// concurrently. A ctx has the values of the request that it is for, if there is
// one.
type Format interface {
	// String returns the name of the other system.
	String() string

	// NewToken returns a new token as the cookie has it, and the ID of its
	// session.
	NewToken(ctx context.Context) (value, id string)

	// ParseToken returns the ID of the session that the value of a cookie
	// names. It fails where the value is not genuine. Of several cookies of the
	// name it is asked for the first.
	ParseToken(value string) (id string, ok bool)

	// SetCookie returns the Set-Cookie header that hands a token out or takes
	// it back, and "" where there is to be none.
	SetCookie(ctx context.Context, value string, s State, why Why, now time.Time) string

	// Encode returns what is to be stored, and until when; zero is for the
	// Manager to say. Its error is what the program cannot express to the other
	// one.
	Encode(ctx context.Context, s State, now time.Time) (data []byte, expires time.Time, err error)

	// Decode reads what is stored, by whomever it was written. The State may
	// keep data. What the other system takes for no session at all is
	// session.ErrNotFound.
	Decode(data []byte, now time.Time) (State, error)
}

// Resaver is a Format that may want each session saved once in each request that
// has asked for it, changed or not.
type Resaver interface{ Resaves() bool }

// Checker is a Format that knows which settings of a Manager agree with it.
type Checker interface {
	// Check returns what does not agree, and what to change.
	Check(s Settings) error
}

// Settings are those of a Manager that a format has a say in.
type Settings struct {
	Store         any // a session.Store
	Cookie        string
	Idle, Refresh time.Duration
}

// Why is the occasion of a Set-Cookie header.
type Why uint8

// The occasions. The last two are for a visitor who has the token already.
const (
	Begun   Why = iota + 1 // the session, or its token, is new
	Ended                  // it was destroyed
	Changed                // this request has saved it
	Seen                   // this request has asked for it
)

// State is a session, live or dead. Times are Unix milliseconds; zero is not
// known.
type State struct {
	Created, Renewed, LastSeen, End int64

	Entries []Entry // in ascending order of their names
	Bare    bool    // read from a record that has no dots: the other program has written all of it
	Dead    bool
	Death   Dot
	Reason  uint8

	// Origin is the record that the state was read from: a format finds there
	// what it passed over, and the order of things. It may be missing.
	Origin []byte
}

// Entry is one named value.
type Entry struct {
	Dot   Dot
	Flags uint8 // as in docs/SPEC.md
	Name  string
	Value []byte
}

// The kinds of an entry, in the low two bits of its flags.
const (
	Present  = 0
	Deleted  = 1
	Withheld = 2
	KindMask = 3
)

// Dot says when and where an entry was written.
type Dot struct {
	Clock    uint64
	Instance uint32
}

// Compare orders dots.
func (d Dot) Compare(e Dot) int {
	switch {
	case d.Clock != e.Clock && d.Clock < e.Clock, d.Clock == e.Clock && d.Instance < e.Instance:
		return -1
	case d == e:
		return 0
	}
	return 1
}
