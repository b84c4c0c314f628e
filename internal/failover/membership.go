package failover

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/members"
)

// membership is this process as a member of one shard. To hear a tombstone means to read it
// in the log of another process, and to tell it means to write it into the own log.
type membership struct {
	*members.Shard
	log    ownLog
	graces graces

	silent        bool          // it neither hears nor tells anything, for the simulation
	nothingBefore atomic.Uint32 // see undone
	heard         atomic.Bool   // all logs were read once
	began         time.Time     // when this process met the shard
	read          atomic.Bool   // first is closed
	first         chan struct{} // closed when the logs were read for the first time, as far as the store has them

	mu          sync.Mutex // guards the field below
	incarnation string
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
