package session

import (
	"errors"
	"net/http"
)

// StatusError is an error that knows the HTTP status of its answer: what
// Options.Error answers by default. The errors below are of this kind, and those
// that wrap them have one in their chain, so that a framework whose handlers
// return errors finds the status with errors.As, or by Status.
type StatusError interface {
	error
	StatusCode() int
}

// Status returns the HTTP status that err should be answered with: that of the
// first StatusError in its chain, else 500.
func Status(err error) int {
	var e StatusError
	if errors.As(err, &e) {
		return e.StatusCode()
	}
	return http.StatusInternalServerError
}

// sentinel is an error to compare with, and its status.
type sentinel struct {
	text   string
	status int
}

func (e *sentinel) Error() string { return e.text }

func (e *sentinel) StatusCode() int { return e.status }

func newSentinel(status int, text string) error { return &sentinel{text, status} }

// What a handler may meet. Compare with errors.Is: most arrive wrapped, with
// the cause behind them.
var (
	// ErrNoSession: the route requires a session and the visitor has none, or
	// the session has ended.
	ErrNoSession = newSentinel(http.StatusForbidden, "session: no session")

	// ErrNoValue: the session holds nothing under this key.
	ErrNoValue = newSentinel(http.StatusInternalServerError, "session: no value")

	// ErrUnavailable: nobody can say whether there is a session, because the
	// store does not answer. It never means that there is none.
	ErrUnavailable = newSentinel(http.StatusServiceUnavailable, "session: store unavailable")

	// ErrEnded: the session was ended elsewhere while this request ran.
	// Nothing was written.
	ErrEnded = newSentinel(http.StatusServiceUnavailable, "session: session has ended")

	// ErrLost: there was a value, but no copy of it has survived. It lasts
	// until the key is set again.
	ErrLost = newSentinel(http.StatusInternalServerError, "session: value lost")

	// ErrReadOnly: a write on a route that is wrapped in ReadOnly.
	ErrReadOnly = newSentinel(http.StatusInternalServerError, "session: read-only")

	// ErrPending: the store is away, and the response header, where the backup
	// travels, is already written. The change waits in this process alone.
	ErrPending = newSentinel(http.StatusServiceUnavailable, "session: change not saved yet")

	// ErrTooLate: the change needs a cookie, and the response header, where
	// cookies travel, is already written.
	ErrTooLate = newSentinel(http.StatusInternalServerError, "session: response header already written")
)

// What a Store returns.
var (
	ErrNotFound = errors.New("session: record not found")
	ErrConflict = errors.New("session: record has another version")
	ErrTooLarge = errors.New("session: record too large for the store")
)

// ValueError is a stored value that does not decode into its key's type, or a
// value that does not encode. Until Delete, Set on that key fails with it, so
// that a program which cannot read a value does not overwrite it either.
type ValueError struct {
	Key string // the key's name
	Err error  // what the codec said; it may quote the value, so it is not part of Error
}

func (e *ValueError) Error() string {
	return "session: value of key " + e.Key + " does not fit its type"
}

func (e *ValueError) Unwrap() error { return e.Err }
