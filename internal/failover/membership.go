package failover

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/members"
)

// membership is this process as a member of one shard. To hear a tombstone means to read it
// in the log of another process, and to tell it means to write it into this process's log.
type membership struct {
	*members.Shard
	log    ownLog
	graces graces

	silent        bool          // it neither hears nor tells anything, for the simulation
	nothingBefore atomic.Uint32 // see undone
	heard         atomic.Bool   // all logs were read once
	began         time.Time     // when this process met the shard
	read          milestone     // the logs were read for the first time, as far as the store has them
	looked        milestone     // they were read, or the first probe could not read them

	mu          sync.Mutex // guards the field below
	incarnation string
}

// milestone is what happens once. The zero milestone is not usable.
type milestone struct {
	once   sync.Once
	passed chan struct{} // closed when it has happened
}

func (m *milestone) pass() { m.once.Do(func() { close(m.passed) }) }

// waitUntil waits until the milestone is passed, or until ctx ends, and reports whether it is.
func (m *milestone) waitUntil(ctx context.Context) bool {
	select {
	case <-m.passed:
		return true
	default:
	}
	select {
	case <-m.passed:
		return true
	case <-ctx.Done():
		return false
	}
}

// firstRead notes that the logs were read, as far as the store has them.
func (m *membership) firstRead() {
	m.read.pass()
	m.looked.pass()
}

// waitForLogs waits until the logs were read for the first time, or until ctx ends. It
// reports whether an answer of the shard may be used: the logs were read, or they could not
// be read for longer than firstReads, and sessions are served without them.
func (m *membership) waitForLogs(ctx context.Context, now time.Time) bool {
	return m.silent || now.Sub(m.began) > firstReads || m.read.waitUntil(ctx)
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
