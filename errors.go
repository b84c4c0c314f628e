package session

import (
	"net/http"

	"github.com/holdfast-go/session/internal/devices"
	"github.com/holdfast-go/session/internal/failure"
)

// StatusError is an error that knows the HTTP status of its answer: what Options.Error
// answers by default. The Err variables of this package are of this kind, except those of a
// Store, and errors that wrap them have one in their chain, so that a framework whose
// handlers return errors finds the status with errors.As, or by Status.
type StatusError interface {
	error
	StatusCode() int
}

// Status returns the HTTP status that err should be answered with: that of the
// first StatusError in its chain, else 500.
func Status(err error) int { return failure.Status(err) }

// The errors that a handler may meet. Most arrive wrapped, together with their
// cause: compare with errors.Is.
var (
	// ErrNoSession: there is no session, or it has ended, on a route that requires one, or
	// for Open or Reload. Also a write that another site has made, see Cookie.SameSite.
	ErrNoSession = failure.ErrNoSession

	// ErrNoValue: the session holds nothing under this key.
	ErrNoValue = failure.New(http.StatusInternalServerError, "session: no value")

	// ErrUnavailable: the store does not answer, so that it is unknown whether there is a
	// session, what a value is that the backup lacks, or whether a save has happened. Also
	// a change beyond 10,000 that wait to be saved. It never means that there is no session.
	ErrUnavailable = failure.ErrUnavailable

	// ErrEnded: the session was ended elsewhere while this request ran.
	// Nothing was written.
	ErrEnded = failure.ErrEnded

	// ErrLost: there was a value, but no copy of it has survived. It lasts
	// until the key is set again.
	ErrLost = failure.ErrLost

	// ErrReadOnly: a write on a route that is wrapped in ReadOnly.
	ErrReadOnly = failure.New(http.StatusInternalServerError, "session: read-only")

	// ErrPending: the store is away, and the response header, where the backup travels, is
	// already written. The change waits in this process, and in Backup.Dir if that is set.
	ErrPending = failure.ErrPending

	// ErrTooLate: the change needs a cookie, and the response header, where
	// cookies travel, is already written.
	ErrTooLate = failure.ErrTooLate
)

// ErrTooManySessions is the error of a login that PerUser refuses: the user has as many
// sessions as may be.
var ErrTooManySessions = devices.ErrTooManySessions

// The errors that a Store returns.
var (
	// ErrNotFound: nothing was saved under the ID, or what was saved has expired.
	ErrNotFound = failure.ErrNotFound

	// ErrConflict: what stands in the store is not what Save was to write over. Nothing has
	// changed.
	ErrConflict = failure.ErrConflict

	// ErrTooLarge: the record is larger than the store takes. The commit of a session that
	// is too large answers it too.
	ErrTooLarge = failure.ErrTooLarge
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
