// Package loglines writes the lines of session.LogHooks. docs/LOGS.md has them all.
package loglines

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/streak"
)

// Lines writes lines, for an application with these types of an ID and an operation. Make
// one with To; any number of goroutines may use it.
type Lines[ID, Operation ~string] struct {
	log *slog.Logger

	backups         [16]atomic.Int64 // Unix seconds of the last line, by the fault
	overflow, early atomic.Int64
	down            streak.Down
	failing         streak.Counter
}

// To returns what writes to a logger.
func To[ID, Operation ~string](l *slog.Logger) *Lines[ID, Operation] {
	return &Lines[ID, Operation]{log: l}
}

// onceAMinute reports whether a line is due that was last written at a time, in Unix seconds.
// A time in the future shows that the clock was set back since.
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

// of returns how long the outage was and, with a backup, what became of the journal.
func of(o failover.Outage) []slog.Attr {
	attrs := []slog.Attr{slog.Duration("after", o.Duration.Round(time.Millisecond))}
	waiting := o.States + o.Tombstones
	isEmpty := o.Delivered == 0 && o.Lost == 0 && waiting == 0
	if !o.Backup && isEmpty {
		return attrs
	}
	return append(attrs, slog.Uint64("delivered", o.Delivered), slog.Uint64("lost", o.Lost), slog.Int("waiting", waiting))
}

// failedShard is the key of the shard's name in the context of Failed.
type failedShard struct{}

// WithShard returns the context in which Failed knows the shard.
func WithShard(ctx context.Context, shard string) context.Context {
	return context.WithValue(ctx, failedShard{}, shard)
}

// Down is that of session.Hooks, as are those below.
func (o *Lines[_, _]) Down(ctx context.Context, shard string, err error) {
	o.down.Add(shard)
	o.log.LogAttrs(ctx, slog.LevelWarn, "session store is away", named(shard, slog.Any("error", err))...)
}

func (o *Lines[_, _]) StillDown(ctx context.Context, out failover.Outage) {
	o.log.LogAttrs(ctx, slog.LevelWarn, "session store is still away", named(out.Shard, append(of(out), slog.Any("error", out.Err))...)...)
}

func (o *Lines[_, _]) Up(ctx context.Context, out failover.Outage) {
	o.down.Remove(out.Shard)
	o.log.LogAttrs(ctx, slog.LevelInfo, "session store is back", named(out.Shard, of(out)...)...)
}

func (o *Lines[_, _]) Settled(ctx context.Context, out failover.Outage) {
	o.log.LogAttrs(ctx, slog.LevelInfo, "session store has what it was owed", named(out.Shard, of(out)...)...)
}

func (o *Lines[_, _]) Forgot(ctx context.Context, shard string) {
	o.log.LogAttrs(ctx, slog.LevelWarn, "session store has lost its memory: restarted or flushed", named(shard)...)
}

func (o *Lines[_, _]) Evicted(ctx context.Context, shard string, records uint64) {
	o.log.LogAttrs(ctx, slog.LevelWarn, "session store evicts records: it needs more memory", named(shard, slog.Uint64("records", records))...)
}

func (o *Lines[_, _]) Early(ctx context.Context, tombstones int) {
	if onceAMinute(&o.early) {
		o.log.WarnContext(ctx, "session tombstones are forgotten early: there are too many", "tombstones", tombstones)
	}
}

func (o *Lines[ID, Operation]) Failed(ctx context.Context, operation Operation, id ID, err error) {
	shard, known := ctx.Value(failedShard{}).(string)
	isDown := o.down.Any()
	if known {
		isDown = o.down.Has(shard)
	}
	if isDown {
		return // the outage has its own line
	}
	if n, ok := o.failing.Add(string(operation), time.Now()); ok {
		o.log.WarnContext(ctx, "session store keeps failing", "operation", string(operation), "failures", n, "session", id, "error", err)
	}
}

// Backup takes the number of the fault, below 16, and its words.
func (o *Lines[ID, _]) Backup(ctx context.Context, id ID, fault uint8, words string, err error) {
	if onceAMinute(&o.backups[fault%uint8(len(o.backups))]) {
		o.log.WarnContext(ctx, "session backup: "+words, "session", id, "error", err)
	}
}

func (o *Lines[ID, _]) Overflow(ctx context.Context, id ID) {
	if onceAMinute(&o.overflow) {
		o.log.ErrorContext(ctx, "session journal is full: changes are in visitors' cookies only", "session", id)
	}
}

// JournalFile takes the words of the fault, or that the file has recovered.
func (o *Lines[_, _]) JournalFile(ctx context.Context, words string, recovered bool, err error) {
	if recovered {
		o.log.InfoContext(ctx, "session journal file: "+words)
		return
	}
	o.log.WarnContext(ctx, "session journal file: "+words, "error", err)
}

// BadValue takes the name of the key.
func (o *Lines[ID, _]) BadValue(ctx context.Context, id ID, key string) {
	o.log.WarnContext(ctx, "session value does not fit its type", "session", id, "key", key)
}

func (o *Lines[_, _]) PlainHTTP(ctx context.Context, host string) {
	o.log.WarnContext(ctx, "session cookie is lost over plain http: serve https, or set Cookie.Insecure for development", "host", host)
}

func (o *Lines[_, _]) InsecureOverTLS(ctx context.Context, host string) {
	o.log.WarnContext(ctx, "session cookie is not Secure over https: leave out Cookie.Insecure, or let the proxy say that it is https", "host", host)
}

func (o *Lines[ID, _]) Login(ctx context.Context, id, previous ID, user string) {
	o.log.InfoContext(ctx, "session login", "session", id, "previous", previous, "user", user)
}

// Renewed writes nothing for a session that knows no user, and neither does Rotated.
func (o *Lines[ID, _]) Renewed(ctx context.Context, id, previous ID, user string) {
	if user != "" {
		o.log.InfoContext(ctx, "session renewed", "session", id, "previous", previous, "user", user)
	}
}

func (o *Lines[ID, _]) Rotated(ctx context.Context, id, previous ID, user string) {
	if user != "" {
		o.log.InfoContext(ctx, "session rotated", "session", id, "previous", previous, "user", user)
	}
}

func (o *Lines[ID, _]) Refused(ctx context.Context, id ID, user string) {
	o.log.WarnContext(ctx, "session login refused: the user has too many sessions", "session", id, "user", user)
}

// Ended takes who has ended the session, and how durable that is, as values whose String is
// a word. It writes nothing for a session of which no user is known, unless an administrator has
// ended it: who ends a session by its ID while the store is away does not see whose it is.
func (o *Lines[ID, _]) Ended(ctx context.Context, id ID, user string, by, durability fmt.Stringer) {
	if user == "" && by.String() != "administrator" {
		return
	}
	attrs := []slog.Attr{slog.String("session", string(id)), slog.String("user", user), slog.String("by", by.String())}
	if seen := reflect.ValueOf(durability).IsZero(); !seen {
		attrs = append(attrs, slog.String("durability", durability.String()))
	}
	o.log.LogAttrs(ctx, slog.LevelInfo, "session ended", attrs...)
}

// Revoked takes the word for how durable the revocation is.
func (o *Lines[_, _]) Revoked(ctx context.Context, user, durability string) {
	o.log.InfoContext(ctx, "session logins revoked", "user", user, "durability", durability)
}

func (o *Lines[ID, _]) Dropped(ctx context.Context, id ID, err error) {
	o.log.ErrorContext(ctx, "session change lost", "session", id, "error", err)
}
