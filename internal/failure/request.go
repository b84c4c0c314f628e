package failure

import (
	"context"
	"time"
)

// RequestOver reports whether the request itself has ended: its client has left,
// or the deadline that it came with has passed. What fails then is not taken for
// the store's failure.
func RequestOver(ctx context.Context) bool {
	if ctx.Err() != nil {
		return true
	}
	at, limited := ctx.Deadline()
	return limited && !time.Now().Before(at)
}

// OfRequest returns why a request that has ended is told nothing.
func OfRequest(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.DeadlineExceeded
}
