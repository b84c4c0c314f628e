package session

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-go/session/internal/audit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/loglines"
	"github.com/holdfast-go/session/internal/spool"
	"github.com/holdfast-go/session/internal/words"
)

// Hooks are functions that report outages, losses and faults to an application, and what an
// audit log records. Each may be nil. They are called by many goroutines at once: those of
// requests and, for probes, deliveries and the like, those of the library. Each call delays the
// request, or that work, until it returns. Hooks may call Loaded and Stats; From, Save and every
// other call that waits for the session can deadlock. No token is ever passed to a hook, and
// no value, unless an error quotes it: see ValueError.Err.
type Hooks struct {
	// Down is called when a shard of the store is away: the whole store where it is not made of
	// shards, and its name is empty then. Without a Backup that is after three loads or saves
	// in a row that failed. With one it is when a breaker of the shard trips: that of loads,
	// and requests are served from the backup from then on; or that of saves, and sessions are
	// still read from the store (ReadsOnly).
	Down func(ctx context.Context, shard string, err error)

	// StillDown is called once a minute while the outage lasts: with a Backup by the probe,
	// without one when something fails again. It also reports, at the next probe, that a shard
	// which refused saves has stopped answering loads too.
	StillDown func(ctx context.Context, o Outage)

	// Up is called when the shard is back.
	Up func(ctx context.Context, o Outage)

	// Settled is called after an Up that said that changes or tombstones wait, when none of
	// them waits any more; not where the shard is away again by then.
	Settled func(ctx context.Context, o Outage)

	// Forgot is called when a shard has lost its data: it was restarted or emptied
	// since this process first saw it.
	Forgot func(ctx context.Context, shard string)

	// Evicted is called when a shard's server has dropped records before their time, for want
	// of memory, since it was asked a minute ago: sessions, maybe, and tombstones. Visitors
	// with a backup lose nothing by it, and no logout is undone; the others are logged out.
	// Give the server more memory. See EvictionCounter.
	Evicted func(ctx context.Context, shard string, records uint64)

	// Early is called, at most once a second for each shard, when this process has forgotten
	// tombstones before their time, because there were too many: for those sessions the
	// store's own tombstones count alone. See JournalStats.Early.
	Early func(ctx context.Context, tombstones int)

	// Backup is called for each backup that a request brought and that cannot be
	// used, and for a backup that cannot be made whole. The ID is empty for the
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

	// PlainHTTP is called once per Manager, when an answer sends a Secure cookie to a visitor
	// who came over plain http: the browser drops it, and no session or login sticks. host is
	// the Host of the request. It is not called behind a proxy that says that it is one.
	PlainHTTP func(ctx context.Context, host string)

	// InsecureOverTLS is called once per Manager, when an answer sends a cookie without Secure
	// to a visitor who came over TLS, as the connection shows or the browser says:
	// Cookie.Insecure is set, or Cookie.Secure does not see what the proxy says. An attacker
	// who makes that visitor's browser open a page of host, the Host of the request, over
	// plain http reads the token.
	InsecureOverTLS func(ctx context.Context, host string)

	// These are for an audit log. One of the first four is called for each new ID, when it has
	// been saved: Login where a user has logged in, by SetUser; else Renewed after Renew,
	// Rotated after Rotate, and Began after all else. previous is the session that the new one
	// replaces, empty where there was none; user is the last user who logged in, empty where
	// none has. One is called too where the answer is an error and the new ID exists all the
	// same, because the store took the new record and not the end of the old one: the answer
	// sends the token beside the error, and the visitor has the session. None is called for a
	// session that another instance began.
	Login, Renewed, Rotated, Began func(ctx context.Context, id, previous ID, user string)

	// Refused is called when PerUser has refused a login; id is the session that would have
	// become the user's, empty where there was none.
	Refused func(ctx context.Context, id ID, user string)

	// Ended is called when this process has ended a session. It is not called for the previous
	// session of a new ID, unless StartNew has begun one without a user in place of a user's,
	// nor for each session that a revocation ends: Revoked is called once for all of them. It is called too when a client uses the token of a session that has
	// ended by a revocation, an idle timeout or a Lifetime: once for each session, as far as
	// this process remembers. A session whose record the store has dropped by then, and of
	// which the client brings no copy, is not noticed.
	//
	// Where it is set, Revoke loads the session first, to tell whose it was.
	Ended func(ctx context.Context, e Ending)

	// Revoked is called when this process has revoked a user's logins, by RevokeUser or
	// RevokeOthers; the user is empty where everybody's are, by RevokeBefore.
	Revoked func(ctx context.Context, user string, d Durability)

	// Dropped is called for changes that are lost when it is too late to tell
	// the visitor: those made after the response header was written that could
	// not be saved when the handler returned, and those made while the store was
	// away that it could not take any more, because the session has ended
	// (ErrEnded) or its lease has (ErrLost).
	Dropped func(ctx context.Context, id ID, err error)
}

// Ending is the end of a session, as Hooks.Ended is told.
type Ending struct {
	ID         ID
	User       string // the last who had logged in; empty: none had, or the session could not be read
	By         EndedBy
	Durability Durability // zero where the end was only noticed
}

// EndedBy says who or what has ended a session.
type EndedBy uint8

// The values of EndedBy. The last three are noticed when a client uses the token.
const (
	EndedByVisitor       EndedBy = iota + 1 // by Destroy, or by Revoke in a request of this session
	EndedByDevice                           // by Revoke in a request of another session of the same user
	EndedByAdministrator                    // by Revoke elsewhere: in a request of another user, or in a job
	EndedByLimit                            // of PerUser
	EndedByRevocation                       // by RevokeUser, RevokeOthers or RevokeBefore
	EndedByPredecessor                      // with the session that it was renewed from
	EndedByTime                             // by the idle timeout or the Lifetime, as far as is still known: see docs/LOGS.md
)

var endedBy = words.Of[EndedBy]{Type: "EndedBy", Noun: "end of a session", Words: []string{
	"", "visitor", "another device", "administrator", "limit", "revocation", "predecessor", "time",
}}

func (b EndedBy) String() string { return endedBy.String(b) }

// MarshalText returns the words that String has.
func (b EndedBy) MarshalText() ([]byte, error) { return endedBy.Marshal(b) }

// UnmarshalText takes a word that MarshalText returns, and no other.
func (b *EndedBy) UnmarshalText(word []byte) error { return endedBy.Unmarshal(word, b) }

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
	// It cannot be written, or not in time: what it lacks would be lost with the process.
	FileFailing FileFault = iota + 1

	// No fault: it has everything again.
	FileRecovered

	// A line that another process left is not what was written there, and is lost.
	FileDamaged

	// A file that another process left, or a line of it, cannot be read here, usually for lack
	// of its key. The file stays.
	FileUnreadable
)

var fileFaults = words.Of[FileFault]{Type: "FileFault", Noun: "fault of a journal's file", Words: []string{
	"no fault", spool.Failing.String(), spool.Recovered.String(), spool.Damaged.String(), spool.Unreadable.String(),
}}

func (f FileFault) String() string { return fileFaults.String(f) }

// MarshalText returns the words that String has.
func (f FileFault) MarshalText() ([]byte, error) { return fileFaults.Marshal(f) }

// UnmarshalText takes a word that MarshalText returns, and no other.
func (f *FileFault) UnmarshalText(word []byte) error { return fileFaults.Unmarshal(word, f) }

// Outage describes an outage of a shard. The numbers are of this process, and are zero without
// a Backup.
type Outage struct {
	Shard    string
	Since    time.Time
	Duration time.Duration // until now
	Err      error         // what the shard answered last; nil when it is back
	Backup   bool          // there is one

	States     int    // sessions that the shard still lacks a change of
	Tombstones int    // ended sessions that it does not know of yet
	Delivered  uint64 // changes and tombstones that it has taken since the outage began
	Lost       uint64 // those that were dropped for good since then
}

// LogHooks returns Hooks that log outages and losses to l. They write one line when a shard of
// the store goes away, one a minute while it stays away, one when it is back, and one when
// everything that still waited then was delivered; one for each loss; and one for each login,
// each login that is refused, each new ID and each end of a session that knows its user, and
// each revocation of a user's logins. A full journal, tombstones that are forgotten early,
// backups that cannot be used, and operations that keep failing for longer than ten seconds
// while their shard is not away get one line a minute for each kind. Failed takes the shard
// from its context; called with another context, it logs nothing while any shard is away.
func LogHooks(l *slog.Logger) Hooks {
	o := loglines.To[ID, Operation](l)
	return Hooks{
		Down: o.Down, Forgot: o.Forgot, Evicted: o.Evicted, Early: o.Early, Failed: o.Failed,
		Overflow: o.Overflow, PlainHTTP: o.PlainHTTP, InsecureOverTLS: o.InsecureOverTLS, Dropped: o.Dropped,
		Login: o.Login, Renewed: o.Renewed, Rotated: o.Rotated, Refused: o.Refused,
		StillDown: func(ctx context.Context, out Outage) { o.StillDown(ctx, failover.Outage(out)) },
		Up:        func(ctx context.Context, out Outage) { o.Up(ctx, failover.Outage(out)) },
		Settled:   func(ctx context.Context, out Outage) { o.Settled(ctx, failover.Outage(out)) },
		Backup: func(ctx context.Context, id ID, f BackupFault, err error) {
			o.Backup(ctx, id, uint8(f), f.String(), err)
		},
		JournalFile: func(ctx context.Context, f FileFault, err error) {
			o.JournalFile(ctx, f.String(), f == FileRecovered, err)
		},
		BadValue: func(ctx context.Context, id ID, err *ValueError) { o.BadValue(ctx, id, err.Key) },
		Ended:    func(ctx context.Context, e Ending) { o.Ended(ctx, e.ID, e.User, e.By, e.Durability) },
		Revoked:  func(ctx context.Context, user string, d Durability) { o.Revoked(ctx, user, d.String()) },
	}
}

// ofShards returns the hooks as package failover calls them.
func (h Hooks) ofShards() failover.Hooks {
	out := failover.Hooks{Down: h.Down, Forgot: h.Forgot, Evicted: h.Evicted, Early: h.Early}
	outage := func(hook func(context.Context, Outage)) func(context.Context, failover.Outage) {
		if hook == nil {
			return nil
		}
		return func(ctx context.Context, o failover.Outage) { hook(ctx, Outage(o)) }
	}
	out.StillDown = outage(h.StillDown)
	out.Up = outage(h.Up)
	out.Settled = outage(h.Settled)
	if h.Failed != nil {
		out.Failed = func(ctx context.Context, shard string, operation failover.Operation, id string, err error) {
			h.Failed(loglines.WithShard(ctx, shard), Operation(operation), ID(id), err)
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

// setAudit sets in l the hooks as the packages below call them.
func (h Hooks) setAudit(l *audit.Log) {
	of := func(hook func(ctx context.Context, id, previous ID, user string)) func(ctx context.Context, id, previous, user string) {
		if hook == nil {
			return nil
		}
		return func(ctx context.Context, id, previous, user string) { hook(ctx, ID(id), ID(previous), user) }
	}
	l.Began, l.Renewed = of(h.Began), of(h.Renewed)
	l.Rotated, l.Login = of(h.Rotated), of(h.Login)
	if h.Refused != nil {
		l.Refused = func(ctx context.Context, id, user string) { h.Refused(ctx, ID(id), user) }
	}
	if h.Ended != nil {
		l.Ended = func(ctx context.Context, e audit.Ending) {
			h.Ended(ctx, Ending{ID: ID(e.ID), User: e.User, By: EndedBy(e.By), Durability: Durability(e.Durability)})
		}
	}
}
