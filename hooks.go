package session

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/streak"
)

// Hooks tell an application what happens behind its back. Each may be nil.
// They are called on the request's path, by many goroutines at once, and must
// return quickly. They may ask Loaded and Stats; From, Save and what else waits
// for the session would wait for ever. No token and no value is ever passed to
// one.
type Hooks struct {
	// Down is called when a shard of the store is away: the whole store where
	// it is not made of shards, and its name is empty then. Without a Backup that
	// is after three loads or saves in a row that failed. With one it is when a
	// breaker of the shard trips: that of loads, and requests are served from the
	// backup from then on; or that of saves, and sessions are still read from the
	// store (ReadsOnly). Where a shard that refused saves stops answering loads
	// too, StillDown tells. StillDown is called once a minute while it lasts: with a Backup by the
	// probe, without one when something fails again. Up is called when it is back.
	// Settled is called after an Up that said that changes or tombstones wait, when
	// none of them waits any more; not where the shard is away again by then.
	Down      func(ctx context.Context, shard string, err error)
	StillDown func(ctx context.Context, o Outage)
	Up        func(ctx context.Context, o Outage)
	Settled   func(ctx context.Context, o Outage)

	// Forgot is called when a shard has lost its memory: it was restarted or
	// emptied since this process first saw it.
	Forgot func(ctx context.Context, shard string)

	// Backup is called for each backup that a request brought and that cannot
	// be used, and for one that cannot be made whole. The ID is empty for the
	// cookie that says which sessions have ended.
	Backup func(ctx context.Context, id ID, fault BackupFault, err error)

	// Overflow is called when the journal is full and drops the change of a
	// session that the store lacks. Its visitor's cookies still have it.
	Overflow func(ctx context.Context, id ID)

	// Failed is called for each operation that the store failed, and for a record
	// that cannot be read. It is meant for counters. Misses and requests that
	// their visitor canceled are no failures. Conflicts are failures only where
	// they last until the time of a save is up, or where no other writer can have
	// caused one.
	Failed func(ctx context.Context, operation Operation, id ID, err error)

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

// Operation is what a Manager asked of the store, in a word that is fit for a
// metric's label.
type Operation string

// The operations of Hooks.Failed.
const (
	OperationLoad    Operation = "load"
	OperationSave    Operation = "save"
	OperationRefresh Operation = "refresh" // puts the expiry off
	OperationDeliver Operation = "deliver" // from the journal
	OperationAdopt   Operation = "adopt"   // ends a session in the library that Options.Adopt replaces
)

func (o Operation) String() string { return string(o) }

// BackupFault is what is wrong with a backup.
type BackupFault uint8

// The faults of Hooks.Backup.
const (
	BackupForged     BackupFault = iota + 1 // not sealed by the key that it names, or damaged
	BackupMalformed                         // no sealed text at all, or of a format that is not known
	BackupUnknownKey                        // sealed by a key that is not known here
	BackupForeign                           // of another session: swapped, or left from before a login
	BackupAudience                          // of another audience: another application or environment, by its own account
	BackupStale                             // needed, but its lease, the idle timeout or the session's end is over
	BackupIncomplete                        // parts are missing
	BackupPartial                           // made, without the values that do not fit Backup.Copy
	BackupTooLarge                          // not made: not even the names of the values fit
)

func (f BackupFault) String() string {
	names := [...]string{"no fault", "forged", "malformed", "unknown key", "foreign", "another audience", "stale", "incomplete", "partial", "too large"}
	if int(f) < len(names) {
		return names[f]
	}
	return "unknown fault"
}

// Outage is a time in which a shard of the store is away. The numbers are of this
// process, and are zero without a Backup.
type Outage struct {
	Shard    string
	Since    time.Time
	Duration time.Duration // until now
	Err      error         // what the shard answered last; nil when it is back

	backup bool // there is one

	States     int    // sessions that the shard still lacks a change of
	Tombstones int    // ended sessions that it does not know of yet
	Delivered  uint64 // changes and tombstones that it has taken since the outage began
	Lost       uint64 // those that were dropped for good since then
}

func (o Outage) waiting() int { return o.States + o.Tombstones }

// LogHooks writes one line when a shard of the store goes away, one a minute
// while it stays away, one when it is back and, where something still waits then,
// one when that was delivered, however many requests there are in between, and
// one for each loss. Of operations that keep failing for longer than ten seconds
// while their shard is not away, and of the backups that cannot be used, it
// writes one line a minute for each kind. Where Failed gets another context than
// the Manager's, the shard is unknown, and there is no such line while any shard is
// away.
func LogHooks(l *slog.Logger) Hooks {
	var told [BackupTooLarge + 1]atomic.Int64 // Unix seconds
	var down streak.Down
	var failing streak.Counter
	return Hooks{
		Down: func(ctx context.Context, shard string, err error) {
			down.Add(shard)
			l.LogAttrs(ctx, slog.LevelWarn, "session store is away", named(shard, slog.Any("error", err))...)
		},
		StillDown: func(ctx context.Context, o Outage) {
			l.LogAttrs(ctx, slog.LevelWarn, "session store is still away", named(o.Shard, append(o.attrs(), slog.Any("error", o.Err))...)...)
		},
		Up: func(ctx context.Context, o Outage) {
			down.Remove(o.Shard)
			l.LogAttrs(ctx, slog.LevelInfo, "session store is back", named(o.Shard, o.attrs()...)...)
		},
		Settled: func(ctx context.Context, o Outage) {
			l.LogAttrs(ctx, slog.LevelInfo, "session store has what it was owed", named(o.Shard, o.attrs()...)...)
		},
		Forgot: func(ctx context.Context, shard string) {
			l.LogAttrs(ctx, slog.LevelWarn, "session store has lost its memory: restarted or flushed", named(shard)...)
		},
		Failed: func(ctx context.Context, operation Operation, id ID, err error) {
			shard, known := ctx.Value(failedShard{}).(string)
			if known && down.Has(shard) || !known && down.Any() {
				return // the outage has its own line
			}
			if n, ok := failing.Add(operation.String(), time.Now()); ok {
				l.WarnContext(ctx, "session store keeps failing", "operation", operation.String(), "failures", n, "session", id, "error", err)
			}
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

// named puts the shard in front, where it has a name.
func named(shard string, attrs ...slog.Attr) []slog.Attr {
	if shard == "" {
		return attrs
	}
	return append([]slog.Attr{slog.String("shard", shard)}, attrs...)
}

// attrs are how long it was and, with a Backup, what became of the journal.
func (o Outage) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.Duration("after", o.Duration.Round(time.Millisecond))}
	if !o.backup && o.Delivered == 0 && o.Lost == 0 && o.waiting() == 0 {
		return attrs
	}
	return append(attrs, slog.Uint64("delivered", o.Delivered), slog.Uint64("lost", o.Lost), slog.Int("waiting", o.waiting()))
}

// failedShard is the key of the shard's name in the context of Hooks.Failed.
type failedShard struct{}
