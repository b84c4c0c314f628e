package failure

import (
	"context"
	"time"
)

// RequestOver reports whether the request itself has ended: its client has left, or
// the deadline that it came with has passed. Its errors do not count as failures of
// the store.
func RequestOver(ctx context.Context) bool {
	if ctx.Err() != nil {
		return true
	}
	at, limited := ctx.Deadline()
	return limited && !time.Now().Before(at)
}

// OfRequest returns the error for a request that has ended.
func OfRequest(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.DeadlineExceeded
}
