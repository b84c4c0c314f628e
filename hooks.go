package session

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/spool"
	"github.com/holdfast-go/session/internal/streak"
	"github.com/holdfast-go/session/internal/words"
)

// Hooks are functions that report outages, losses and faults to an application. Each
// may be nil. They are called on the request's path, by many goroutines at once, and
// must return quickly. They may ask Loaded and Stats; From, Save and what else waits
// for the session would wait for ever. No token and no value is ever passed to one.
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

	// Forgot is called when a shard has lost its data: it was restarted or emptied
	// since this process first saw it.
	Forgot func(ctx context.Context, shard string)

	// Evicted is called when a shard's server has dropped records before their time, for want
	// of memory, since it was asked a minute ago: sessions, maybe, and tombstones. Visitors
	// with a backup lose nothing by it, and no logout is undone; the others are logged out.
	// Give the server more memory. See EvictionCounter.
	Evicted func(ctx context.Context, shard string, records uint64)

	// Early is called, once a second at most, when this process has forgotten tombstones
	// before their time, because there were too many: for those sessions the store's own
	// tombstones count alone. See JournalStats.Early.
	Early func(ctx context.Context, tombstones int)

	// Backup is called for each backup that a request brought and that cannot
	// be used, and for one that cannot be made whole. The ID is empty for the
	// cookie that says which sessions have ended.
	Backup func(ctx context.Context, id ID, fault BackupFault, err error)

	// Overflow is called when the journal is full and drops the change of a
	// session that the store lacks. Its visitor's cookies still have it.
	Overflow func(ctx context.Context, id ID)

	// JournalFile is called when the file in Backup.Dir fails, and when it has all of the
	// journal again; for each FileFault once a minute at most, while it lasts. err is nil
	// for FileRecovered.
	JournalFile func(ctx context.Context, fault FileFault, err error)

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

	// PlainHTTP is called once, when an answer sends a Secure cookie to a visitor who
	// came over plain http, by that host: the browser drops it, and no session or login
	// sticks. It is not called behind a proxy that says that it is one.
	PlainHTTP func(ctx context.Context, host string)

	// InsecureOverTLS is called once, when an answer sends a cookie without Secure to a
	// visitor who came over TLS, by that host, as the connection shows or the browser says:
	// Cookie.Insecure is set, or Cookie.Secure does not see what the proxy says. Whoever
	// makes that visitor's browser open a page of the host over plain http reads the token.
	InsecureOverTLS func(ctx context.Context, host string)

	// Login is called when a session was saved in which a user has logged in, by SetUser; previous
	// is the session that it has taken the place of, empty where there was none. Revoked is
	// called when this process has revoked a user's logins; the user is empty where everybody's
	// are.
	Login   func(ctx context.Context, id, previous ID, user string)
	Revoked func(ctx context.Context, user string, d Durability)

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
	BackupTooLarge                          // not made: not even the names of the values fit, or other fields of the answer leave no room
)

var backupFaults = words.Of[BackupFault]{Type: "BackupFault", Noun: "fault of a backup", Words: []string{
	"no fault", "forged", "malformed", "unknown key", "foreign", "another audience", "stale", "incomplete", "partial", "too large",
}}

func (f BackupFault) String() string { return backupFaults.String(f) }

// MarshalText returns the words that String has.
func (f BackupFault) MarshalText() ([]byte, error) { return backupFaults.Marshal(f) }

// UnmarshalText takes a word that MarshalText returns, and no other.
func (f *BackupFault) UnmarshalText(word []byte) error { return backupFaults.Unmarshal(word, f) }

// FileFault is what is wrong with a file in Backup.Dir.
type FileFault uint8

// The faults of Hooks.JournalFile.
const (
	FileFailing    FileFault = iota + 1 // it cannot be written, or not in time: what it lacks would be lost with the process
	FileRecovered                       // no fault: it has everything again
	FileDamaged                         // a line that another process left is not what was written there, and is lost
	FileUnreadable                      // a file that another process left, or a line of it, is not for this one: of a key that is not known, above all. It stays
)

var fileFaults = words.Of[FileFault]{Type: "FileFault", Noun: "fault of a journal's file", Words: []string{
	"no fault", spool.Failing.String(), spool.Recovered.String(), spool.Damaged.String(), spool.Unreadable.String(),
}}

func (f FileFault) String() string { return fileFaults.String(f) }

// MarshalText returns the words that String has.
func (f FileFault) MarshalText() ([]byte, error) { return fileFaults.Marshal(f) }

// UnmarshalText takes a word that MarshalText returns, and no other.
func (f *FileFault) UnmarshalText(word []byte) error { return fileFaults.Unmarshal(word, f) }

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

// LogHooks returns Hooks that log outages and losses to l. It writes one line when a
// shard of the store goes away, one a minute while it stays away, one when it is back,
// one when everything that still waited then was delivered, one for each loss, and
// one for each login and each revocation of a user's logins. Operations that keep failing
// for longer than ten seconds while their shard is not away, and backups that cannot be
// used, get one line a minute for each kind. A call of Failed with another context than the
// Manager's does not tell the shard: it is not logged while any shard is away.
func LogHooks(l *slog.Logger) Hooks {
	var told [BackupTooLarge + 1]atomic.Int64 // Unix seconds, of backups by their fault
	var overflow, early atomic.Int64
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
		Evicted: func(ctx context.Context, shard string, records uint64) {
			l.LogAttrs(ctx, slog.LevelWarn, "session store evicts records: it needs more memory", named(shard, slog.Uint64("records", records))...)
		},
		Early: func(ctx context.Context, tombstones int) {
			if onceAMinute(&early) {
				l.WarnContext(ctx, "session tombstones are forgotten early: there are too many", "tombstones", tombstones)
			}
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
			if onceAMinute(&told[fault]) {
				l.WarnContext(ctx, "session backup: "+fault.String(), "session", id, "error", err)
			}
		},
		Overflow: func(ctx context.Context, id ID) {
			if onceAMinute(&overflow) {
				l.ErrorContext(ctx, "session journal is full: changes are in visitors' cookies only", "session", id)
			}
		},
		JournalFile: func(ctx context.Context, fault FileFault, err error) {
			l.WarnContext(ctx, "session journal file: "+fault.String(), "error", err)
		},
		BadValue: func(ctx context.Context, id ID, err *ValueError) {
			l.WarnContext(ctx, "session value does not fit its type", "session", id, "key", err.Key)
		},
		PlainHTTP: func(ctx context.Context, host string) {
			l.WarnContext(ctx, "session cookie is lost over plain http: serve https, or set Cookie.Insecure for development", "host", host)
		},
		InsecureOverTLS: func(ctx context.Context, host string) {
			l.WarnContext(ctx, "session cookie is not Secure over https: leave out Cookie.Insecure, or let the proxy say that it is https", "host", host)
		},
		Login: func(ctx context.Context, id, previous ID, user string) {
			l.InfoContext(ctx, "session login", "session", id, "previous", previous, "user", user)
		},
		Revoked: func(ctx context.Context, user string, d Durability) {
			l.InfoContext(ctx, "session logins revoked", "user", user, "durability", d.String())
		},
		Dropped: func(ctx context.Context, id ID, err error) {
			l.ErrorContext(ctx, "session change lost", "session", id, "error", err)
		},
	}
}

// onceAMinute reports whether a line is due that was last told of at a time, in Unix seconds.
// A time in the future is by a clock that has been set back since.
func onceAMinute(last *atomic.Int64) bool {
	before, now := last.Load(), time.Now().Unix()
	return (now < before || now-before >= 60) && last.CompareAndSwap(before, now)
}

// named puts the shard in front, where it has a name.
func named(shard string, attrs ...slog.Attr) []slog.Attr {
	if shard == "" {
		return attrs
	}
	return append([]slog.Attr{slog.String("shard", shard)}, attrs...)
}

// attrs returns how long the outage was and, with a Backup, what became of the journal.
func (o Outage) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.Duration("after", o.Duration.Round(time.Millisecond))}
	if !o.backup && o.Delivered == 0 && o.Lost == 0 && o.waiting() == 0 {
		return attrs
	}
	return append(attrs, slog.Uint64("delivered", o.Delivered), slog.Uint64("lost", o.Lost), slog.Int("waiting", o.waiting()))
}

// failedShard is the key of the shard's name in the context of Hooks.Failed.
type failedShard struct{}

// ofShards returns the hooks as package failover calls them.
func (h Hooks) ofShards() failover.Hooks {
	out := failover.Hooks{Down: h.Down, Forgot: h.Forgot, Evicted: h.Evicted, Early: h.Early}
	outage := func(hook func(context.Context, Outage)) func(context.Context, failover.Outage) {
		if hook == nil {
			return nil
		}
		return func(ctx context.Context, o failover.Outage) {
			hook(ctx, Outage{
				Shard: o.Shard, Since: o.Since, Duration: o.Duration, Err: o.Err, backup: o.Backup,
				States: o.States, Tombstones: o.Tombstones, Delivered: o.Delivered, Lost: o.Lost,
			})
		}
	}
	out.StillDown = outage(h.StillDown)
	out.Up = outage(h.Up)
	out.Settled = outage(h.Settled)
	if h.Failed != nil {
		out.Failed = func(ctx context.Context, shard string, operation failover.Operation, id string, err error) {
			h.Failed(context.WithValue(ctx, failedShard{}, shard), Operation(operation), ID(id), err)
		}
	}
	if h.Overflow != nil {
		out.Overflow = func(ctx context.Context, id string) { h.Overflow(ctx, ID(id)) }
	}
	if h.Dropped != nil {
		out.Dropped = func(ctx context.Context, id string, err error) { h.Dropped(ctx, ID(id), err) }
	}
	return out
}
