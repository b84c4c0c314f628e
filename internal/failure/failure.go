// Package failure has the errors that mean the same in every package of this
// module, says whose failure an operation that had no answer is, and answers requests
// whose session failed.
package failure

import (
	"errors"
	"fmt"
	"net/http"
)

// Error is an error to compare with. It knows the HTTP status of its answer.
type Error struct {
	text   string
	status int
}

// New returns an Error that differs from every other.
func New(status int, text string) error { return &Error{text, status} }

func (e *Error) Error() string { return e.text }

// StatusCode returns the HTTP status of the answer.
func (e *Error) StatusCode() int { return e.status }

// The errors of package session that other packages return and compare with. That
// package documents them.
var (
	ErrUnavailable = New(http.StatusServiceUnavailable, "session: store unavailable")
	ErrEnded       = New(http.StatusServiceUnavailable, "session: session has ended")
	ErrPending     = New(http.StatusServiceUnavailable, "session: change not saved yet")
	ErrTooLate     = New(http.StatusInternalServerError, "session: response header already written")
	ErrLost        = New(http.StatusInternalServerError, "session: value lost")
	ErrNoSession   = New(http.StatusForbidden, "session: no session")

	ErrNotFound = errors.New("session: record not found")
	ErrConflict = errors.New("session: record has another version")
	ErrTooLarge = errors.New("session: record too large for the store")
)

// Away is a failure of the store itself: its own error, its silence for the whole
// time that an operation has, or a breaker that is open. It wraps ErrUnavailable.
// Only an Away lets a sealed copy stand in for the store (decision 41): a client
// that hangs up, a request that has used up its own time and a request that waited
// for others learn nothing about the store, and a copy that they were served from
// might be of a session that has ended.
type Away struct{ Cause error }

func (e *Away) Error() string { return ErrUnavailable.Error() + ": " + e.Cause.Error() }

// Unwrap returns ErrUnavailable and the cause.
func (e *Away) Unwrap() []error { return []error{ErrUnavailable, e.Cause} }

// IsAway reports whether err says that the store did not answer.
func IsAway(err error) bool { return errors.As(err, new(*Away)) }

var (
	// ErrNotAsked is the answer for a shard that was not asked.
	ErrNotAsked error = &Away{errors.New("the shard is known to be away, and was not asked")}

	// ErrForgetful is the error for a shard in quarantine, whose "nothing" counts
	// as no answer.
	ErrForgetful error = &Away{errors.New("the store has just lost its memory")}

	// ErrUnwritable is the answer for a shard that loads and has taken no saves for longer
	// than a lease: a session whose record it has may have ended.
	ErrUnwritable = fmt.Errorf("%w: it has taken no saves for longer than a lease", ErrUnavailable)

	// ErrStale is why a copy does not vouch: the store has confirmed it too long
	// ago, or the session is over.
	ErrStale = errors.New("session: the store has confirmed the backup too long ago")
)
