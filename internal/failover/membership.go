package failover

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/members"
	"github.com/holdfast-go/session/internal/revoked"
)

// membership is this process as a member of one shard: it hears tombstones, which means that
// it reads them in the logs of other processes, and tells them, which means that it writes
// them into its own log.
type membership struct {
	*members.Shard
	silent        bool          // it neither hears nor tells anything, for the simulation
	noUsers       bool          // nor does it tell of revocations of users
	nothingBefore atomic.Uint32 // see undone
	heard         atomic.Bool   // all logs were read once
	saves         time.Duration // what one save may take
	began         time.Time     // when this process met the shard
	read          atomic.Bool   // first is closed
	first         chan struct{} // closed when the logs were read for the first time, as far as the store has them

	turn chan struct{} // holds a token while a call of tellRest appends

	mu          sync.Mutex // guards all below
	told        time.Time  // see toldAll
	incarnation string
	untold      []revoked.Tombstone // that the own log lacks
	gone        bool                // the store has no such shard any more, so the log gets nothing
	telling     bool                // a goroutine is writing untold into the log
	refused     bool                // the last write of the log failed
	rotated     []journal.Tombstone // heard while the rotated tokens still open their sessions
	others      *otherShards        // tombstones of other shards that the log lacks; nil: none
}

// firstRead notes that the logs were read, as far as the store has them.
func (m *membership) firstRead() {
	if m.read.CompareAndSwap(false, true) {
		close(m.first)
	}
}

// waitForLogs waits until the logs were read for the first time, or until ctx ends. It
// reports whether an answer of the shard may be used: the logs were read, or they could not
// be read for longer than firstReads, and sessions are served without them.
func (m *membership) waitForLogs(ctx context.Context, now time.Time) bool {
	if m.read.Load() || m.silent || now.Sub(m.began) > firstReads {
		return true
	}
	select {
	case <-m.first:
		return true
	case <-ctx.Done():
		return false
	}
}

// meetIncarnation notes the incarnation of a shard. If it differs from the one before, the
// shard may have lost its data.
func (m *membership) meetIncarnation(incarnation string) {
	m.mu.Lock()
	before := m.incarnation
	m.incarnation = incarnation
	m.mu.Unlock()
	if before != "" && before != incarnation {
		m.Restarted()
	}
}

// undone reports whether a record of a session that was last used at lastSeen does not count:
// the shard went back further than a tombstone lives, so no process remembers which sessions
// have ended since.
func (m *membership) undone(lastSeen int64) bool {
	return lastSeen < int64(m.nothingBefore.Load())*time.Minute.Milliseconds()
}
