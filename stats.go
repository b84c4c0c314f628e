package session

import (
	"context"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/words"
)

// ShardState is whether a shard of the store is asked.
type ShardState uint8

// A shard goes from Serving to Away, and back over Returning. A shard that refuses
// saves goes from Serving to ReadsOnly.
const (
	Serving   ShardState = iota
	Away                 // visitors' requests are not sent to it
	Returning            // it answers again, and sessions with a backup are still served from that
	ReadsOnly            // it answers loads and saves nothing: sessions are read from it, changes go to the backup
)

var shardStates = words.Of[ShardState]{
	Type: "ShardState", Noun: "state of a shard",
	Words: []string{Serving: "serving", Away: "away", Returning: "returning", ReadsOnly: "reads only"},
}

func (s ShardState) String() string { return shardStates.String(s) }

// MarshalText returns the words that String has: "serving", "away", "returning" or
// "reads only".
func (s ShardState) MarshalText() ([]byte, error) { return shardStates.Marshal(s) }

// UnmarshalText takes a word that MarshalText returns, and no other.
func (s *ShardState) UnmarshalText(word []byte) error { return shardStates.Unmarshal(word, s) }

// Cause is why a shard is away or takes no saves, in words for people. It is empty while the
// shard serves.
type Cause string

// The causes of being away.
const (
	CauseFailures   Cause = "5 failures in a row"
	CauseHalfFailed Cause = "half of the last second's operations failed or were slow"
	CauseOverride   Cause = "by order of the operator"   // the Mode is BackupOnly
	CauseSaves      Cause = "it loads and does not save" // the state is ReadsOnly
)

func (c Cause) String() string { return string(c) }

// Stats is what a Manager has seen since it was made. It goes through JSON and
// back.
type Stats struct {
	Failing bool      // a shard of the store is away, or takes no saves
	Since   time.Time // when Failing became what it is

	Loads     uint64 // sessions asked of the store
	Saves     uint64 // sessions written, new ones and tombstones included
	Refreshes uint64 // saves that only put the expiry off
	Conflicts uint64 // saves that lost to another writer
	Failures  uint64 // operations that the store failed, and saves that lost to other writers until their time was up

	Order OrderStats // of the operator

	// With a Backup:
	Degraded uint64       // loads that were answered from the backup
	Restores uint64       // sessions put back into a store that lacked them
	Shards   []ShardStats // those that were met so far, by name
	Journal  JournalStats
	Copies   CopyStats
}

// OrderStats is the operator's order; the zero value says that there is none.
type OrderStats struct {
	Override

	// Until is when the order ends by itself. Zero: it stands until it is taken back, or
	// the Switch is no EndingSwitch.
	Until time.Time
}

// CopyStats is about the sealed copies that visitors carry in cookies.
type CopyStats struct {
	Built uint64 // copies sent in answers
	Bytes uint64 // of cookies, names and separators included, that these copies take up in requests

	// Keys is how many keys open copies. More than one is a rotation under way.
	Keys int
}

// ShardStats is a shard of the store as this process sees it.
type ShardStats struct {
	Name       string
	State      ShardState
	Since      time.Time     // when State became what it is
	Cause      Cause         // of being away; empty while it serves
	Mode       Mode          // the operator's
	Quarantine time.Duration // how long its "not found" still counts as no answer, after it lost its data

	// The time since Heard is how far this process is behind the others, and the time since
	// Told how far the others are behind this process. Zero means never.
	Heard time.Time // when it last began to read what others have ended, and read all of it
	Told  time.Time // when the shard last had all that this process has to tell the others

	// Members is how many instances tell each other in this shard which sessions have
	// ended, this one included. An instance that has ended or is cut off counts for three
	// minutes more.
	Members int

	// Evictions counts the records that the shard's server has dropped before their time, for
	// want of memory, since this process asked first. It asks once a minute, where the store is
	// an EvictionCounter.
	Evictions uint64
}

// EvictionCounter is a Prober whose shards say how many records their servers have dropped
// before their time, for want of memory, since they started. The number counts all records of
// the server, those of other programs too, and falls when the server starts again. Evictions
// fails where the server does not tell.
type EvictionCounter interface {
	Prober
	Evictions(ctx context.Context, shard string) (uint64, error)
}

// JournalStats is what a process has still to deliver to its store.
type JournalStats struct {
	States     int // sessions that the store lacks a change of
	Tombstones int // ended sessions of which the store never had the tombstone
	Again      int // ended sessions whose tombstone the store had, and lost with its data
	Refused    int // those among Again that the store refuses: each is tried again within a minute
	Known      int // all known tombstones, including those above
	Early      int // tombstones that this process has forgotten before their time, because there were too many
	Bytes      int // about how many bytes it takes up, without tombstones that the store has
	Most       int // what Bytes may become: Backup.Journal

	// Oldest is when the change or the logout was made that has waited longest for the store.
	// Zero: none waits.
	Oldest time.Time

	// Since the Manager was made, and never less than before:
	Delivered uint64 // changes and tombstones that the store lacked, and has taken from the journal
	Lost      uint64 // dropped for good: the journal was full, the lease had run out or another writer had ended the session

	File FileStats // of the file in Backup.Dir
}

// FileStats is the file in Backup.Dir that keeps the journal. All is zero without one.
type FileStats struct {
	Bytes     int64 // that it takes up
	Unwritten int   // sessions of which it lacks what the store lacks: the disk is slow, full or broken

	// Since the Manager was made:
	Failures uint64 // writes that failed
	Late     uint64 // requests that went on before their entry was written
	Damaged  uint64 // lines of files taken over that were lost: they are not what was written there
}

// Stats returns the counters as they are now. It does not ask the store.
func (m *Manager) Stats() Stats {
	n := m.shards.Stats()
	st := Stats{
		Failing: n.Failing, Since: n.Since,
		Loads: m.storage.Loads.Load(), Saves: m.storage.Saves.Load() + m.shards.Ended.Load(), Refreshes: m.reader.Refreshed.Load(),
		Conflicts: m.storage.Conflicts.Load(), Failures: m.shards.Failures.Load(),
		Degraded: m.reader.Degraded.Load(), Restores: m.writer.Restored.Load(),
		Journal: JournalStats{
			States: n.Journal.States, Tombstones: n.Journal.Tombstones, Again: n.Journal.Again, Refused: n.Refused, Known: n.Journal.Known,
			Early: n.Journal.Early, Bytes: int(n.Journal.Bytes), Delivered: n.Journal.Delivered, Lost: n.Journal.Lost, Oldest: n.Oldest,
			File: FileStats(n.File),
		},
	}
	for _, s := range n.Shards {
		st.Shards = append(st.Shards, shardStats(s))
	}
	st.Order.Override = m.override()
	if s, ends := m.orders.(EndingSwitch); ends {
		st.Order.Until = s.Until()
	}
	if m.backup != nil {
		st.Journal.Most = m.backup.Journal
		st.Copies = CopyStats{Built: m.copies.Built.Load(), Bytes: m.copies.BuiltBytes.Load(), Keys: m.backup.Keys.Len()}
	}
	return st
}

func shardStats(s failover.ShardStats) ShardStats {
	return ShardStats{
		Name: s.Name, State: ShardState(s.State), Since: s.Since, Cause: Cause(s.Cause.String()),
		Mode: Mode(s.Mode), Quarantine: s.Quarantine, Heard: s.Heard, Told: s.Told, Members: s.Members, Evictions: s.Evictions,
	}
}
