package session

import (
	"context"
	"errors"
	"time"
)

// awayError is a failure of the store itself: its own error, its silence for
// the whole time that an operation has, or a breaker that is open. It wraps
// ErrUnavailable. Only an awayError lets a sealed copy stand in for the store
// (decision 41): a client that hangs up, a request that has used up its own time
// and one that waited for other requests learn nothing about the store, and a
// copy that they were served from might be of a session that has ended.
type awayError struct{ cause error }

func (e *awayError) Error() string { return ErrUnavailable.Error() + ": " + e.cause.Error() }

func (e *awayError) Unwrap() []error { return []error{ErrUnavailable, e.cause} }

// isAway reports whether err says that the store did not answer.
func isAway(err error) bool { return errors.As(err, new(*awayError)) }

var (
	// errAway is the answer of a shard that was not asked.
	errAway error = &awayError{errors.New("the shard is taken for away")}

	// errForgetful is the answer of a shard in quarantine: that it has nothing
	// says nothing.
	errForgetful error = &awayError{errors.New("the store has just lost its memory")}
)

// over reports whether the request itself has ended: its client has left, or
// the deadline that it came with has passed. What fails then is not taken for
// the store's failure.
func over(ctx context.Context) bool {
	if ctx.Err() != nil {
		return true
	}
	at, limited := ctx.Deadline()
	return limited && !time.Now().Before(at)
}

// errOver is why a request that has ended is told nothing.
func errOver(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.DeadlineExceeded
}
