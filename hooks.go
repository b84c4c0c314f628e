package session

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// Hooks tell an application what happens behind its back. Each may be nil.
// They are called on the request's path, by many goroutines at once, and must
// return quickly. They may ask Loaded and State; From, Save and what else waits
// for the session would wait for ever. No token and no value is ever passed to
// one.
type Hooks struct {
	// Down is called when a shard of the store is away: the whole store where
	// it is not made of shards, and its name is empty then. Without a Backup that
	// is after three loads or saves in a row that failed; with one it is when the
	// shard's breaker trips, and requests are served from the backup from then
	// on. Up is called when it is back.
	Down func(ctx context.Context, shard string, err error)
	Up   func(ctx context.Context, shard string, after time.Duration)

	// Forgot is called when a shard has lost its memory: it was restarted or
	// emptied. It is called once for a new store too.
	Forgot func(ctx context.Context, shard string)

	// Backup is called for each backup that a request brought and that cannot
	// be used, and for one that cannot be made whole. The ID is empty for the
	// cookie that says which sessions have ended.
	Backup func(ctx context.Context, id ID, fault BackupFault, err error)

	// Overflow is called when the journal is full and drops the change of a
	// session that the store lacks. Its visitor's cookies still have it.
	Overflow func(ctx context.Context, id ID)

	// Failed is called for each operation that the store failed: "load",
	// "save", "refresh" or "deliver", and for a record that cannot be read. It is meant
	// for counters. Misses, conflicts and requests that their visitor canceled
	// are no failures.
	Failed func(ctx context.Context, operation string, id ID, err error)

	// Conflict is called when two requests wrote one session at once, and one
	// of them starts over; attempt counts from 1.
	Conflict func(ctx context.Context, id ID, attempt int)

	// BadValue is called when Or passes over a value that does not decode.
	BadValue func(ctx context.Context, id ID, err *ValueError)

	// Dropped is called for changes that are lost when it is too late to tell
	// the visitor: those made after the response header was written that could
	// not be saved when the handler returned, and those made while the store was
	// away that it could not take any more, because the session has ended
	// (ErrEnded) or its lease has (ErrLost).
	Dropped func(ctx context.Context, id ID, err error)
}

// LogHooks writes one line when a shard of the store goes away and one when it
// is back, however many requests there are in between, and one for each loss.
// Of the backups that cannot be used it writes one line a minute for each kind.
func LogHooks(l *slog.Logger) Hooks {
	var told [BackupTooLarge + 1]atomic.Int64 // Unix seconds
	return Hooks{
		Down: func(ctx context.Context, shard string, err error) {
			l.WarnContext(ctx, "session store is away", "shard", shard, "error", err)
		},
		Up: func(ctx context.Context, shard string, after time.Duration) {
			l.InfoContext(ctx, "session store is back", "shard", shard, "after", after)
		},
		Forgot: func(ctx context.Context, shard string) {
			l.WarnContext(ctx, "session store is empty: new, restarted or flushed", "shard", shard)
		},
		Backup: func(ctx context.Context, id ID, fault BackupFault, err error) {
			last, now := told[fault].Load(), time.Now().Unix()
			if now-last >= 60 && told[fault].CompareAndSwap(last, now) {
				l.WarnContext(ctx, "session backup: "+fault.String(), "session", id, "error", err)
			}
		},
		Overflow: func(ctx context.Context, id ID) {
			last, now := told[0].Load(), time.Now().Unix()
			if now-last >= 60 && told[0].CompareAndSwap(last, now) {
				l.ErrorContext(ctx, "session journal is full: changes are in visitors' cookies only", "session", id)
			}
		},
		BadValue: func(ctx context.Context, id ID, err *ValueError) {
			l.WarnContext(ctx, "session value does not fit its type", "session", id, "key", err.Key)
		},
		Dropped: func(ctx context.Context, id ID, err error) {
			l.ErrorContext(ctx, "session change lost", "session", id, "error", err)
		},
	}
}
