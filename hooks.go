package session

import (
	"context"
	"log/slog"
	"time"
)

// Hooks tell an application what happens behind its back. Each may be nil.
// They are called on the request's path, by many goroutines at once, and must
// return quickly. They may ask Loaded and State; From, Save and what else waits
// for the session would wait for ever. No token and no value is ever passed to
// one.
type Hooks struct {
	// Down is called when the store fails: three loads or saves of one shard in
	// a row, after it was well. Up is called when every shard does again what
	// it failed.
	Down func(ctx context.Context, err error)
	Up   func(ctx context.Context, after time.Duration)

	// Failed is called for each operation that the store failed: "load",
	// "save" or "refresh", and for a record that cannot be read. It is meant
	// for counters. Misses, conflicts and requests that their visitor canceled
	// are no failures.
	Failed func(ctx context.Context, operation string, id ID, err error)

	// Conflict is called when two requests wrote one session at once, and one
	// of them starts over; attempt counts from 1.
	Conflict func(ctx context.Context, id ID, attempt int)

	// BadValue is called when Or passes over a value that does not decode.
	BadValue func(ctx context.Context, id ID, err *ValueError)

	// Dropped is called for changes made after the response header was
	// written that could not be saved when the handler returned: it is too
	// late to tell the visitor.
	Dropped func(ctx context.Context, id ID, err error)
}

// LogHooks writes one line when the store goes away and one when it is back,
// however many requests there are in between, and one for each loss.
func LogHooks(l *slog.Logger) Hooks {
	return Hooks{
		Down: func(ctx context.Context, err error) {
			l.WarnContext(ctx, "session store failed", "error", err)
		},
		Up: func(ctx context.Context, after time.Duration) {
			l.InfoContext(ctx, "session store answers again", "after", after)
		},
		BadValue: func(ctx context.Context, id ID, err *ValueError) {
			l.WarnContext(ctx, "session value does not fit its type", "session", id, "key", err.Key)
		},
		Dropped: func(ctx context.Context, id ID, err error) {
			l.ErrorContext(ctx, "session change lost: it came after the response header", "session", id, "error", err)
		},
	}
}
