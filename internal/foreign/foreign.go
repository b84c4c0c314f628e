// Package foreign is the interface of formats of other session systems: how a token
// is written in the cookie, and a session in the store. Only packages of this
// module can implement it, so that the interface can still change. Package
// node/express does.
package foreign

import (
	"context"
	"time"

	"github.com/holdfast-go/session/internal/state"
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

	// SetCookie returns the Set-Cookie header that sets or deletes a token, or ""
	// for none.
	SetCookie(ctx context.Context, value string, s state.State, why Why, now time.Time) string

	// Encode returns the record's data and expiry; where the expiry is zero, the
	// Manager decides it. It fails for a state that the other program's format
	// cannot express.
	Encode(ctx context.Context, s state.State, now time.Time) (data []byte, expires time.Time, err error)

	// Decode reads a record, written by either program. The state may keep data,
	// and its Origin should: a later Encode finds there the fields that Decode
	// passed over, and their order. Dates that are zero are not known, and the
	// Manager decides them. For a record that the other program treats as no
	// session, Decode fails with session.ErrNotFound.
	Decode(data []byte, now time.Time) (state.State, error)
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
