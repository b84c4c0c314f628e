package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/revoked"
)

// errUntold says that a tombstone stands in the store, and not yet in the log.
var errUntold = errors.New("session: the revocation log lacks a tombstone")

func (m *membership) silentOf(x revoked.Tombstone) bool {
	return m.silent || m.noUsers && x.Class == revoked.Users
}

// tell puts a tombstone into the log of this process. It returns when it stands there.
func (m *membership) tell(ctx context.Context, g journal.Tombstone) error {
	if m.silentOf(journal.Compact(g)) {
		return nil
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*m.saves) // the first one makes the members record name the log
	defer cancel()
	if err := m.Append(limited, journal.Compact(g)); err != nil {
		return fmt.Errorf("%w: %w", errUntold, err)
	}
	return nil
}

// tellLater has a tombstone put into the log by tellRest. It reports false where there is
// no such log any more.
func (m *membership) tellLater(x revoked.Tombstone) bool {
	if m.silentOf(x) {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.gone {
		m.untold = append(m.untold, x)
	}
	return !m.gone
}

// tellRest puts what tellLater was called with into the log.
func (m *membership) tellRest(ctx context.Context) error {
	m.turn <- struct{}{}
	defer func() { <-m.turn }()
	m.mu.Lock()
	all := m.untold[:len(m.untold):len(m.untold)]
	m.mu.Unlock()
	if len(all) == 0 {
		return nil
	}
	err := m.Append(ctx, all...)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refused = err != nil; !m.refused {
		m.untold = m.untold[len(all):]
	}
	return err
}

// tellSoon reports whether the caller must call tellNow: the log lacks something, no other
// goroutine is writing it, and the last write did not fail. Otherwise the delivery loop
// writes it.
func (m *membership) tellSoon() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	soon := len(m.untold) > 0 && !m.telling && !m.refused
	m.telling = m.telling || soon
	return soon
}

// tellNow calls tellRest until the log lacks nothing. It fails where the log does not take
// something.
func (m *membership) tellNow(ctx context.Context) (err error) {
	for lacks := true; lacks; {
		limited, cancel := context.WithTimeout(ctx, 3*m.saves)
		err = m.tellRest(limited)
		cancel()
		m.mu.Lock()
		lacks = err == nil && len(m.untold) > 0
		m.telling = lacks
		m.mu.Unlock()
	}
	return err
}

// owes reports whether tellRest has something to do.
func (m *membership) owes() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owesLocked()
}

func (m *membership) owesLocked() bool { return len(m.untold) > 0 || m.others != nil }

// noteTold notes since when the shard's log has had all of this process's tombstones, if none
// is waiting to be written.
func (m *membership) noteTold() {
	told := m.Told()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.owesLocked() {
		m.told = told
	}
}

// toldAll returns when the last exchange began after which the shard's log had all of this
// process's tombstones; zero: there was none.
func (m *membership) toldAll() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told
}

// leave returns what the log lacks, and what waits for the end of a grace, of a shard that
// the store has no more. The caller gives both to other shards.
func (m *membership) leave() (untold []revoked.Tombstone, rotated []journal.Tombstone) {
	m.turn <- struct{}{} // a call that appends knows first what the log did not take
	defer func() { <-m.turn }()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = true
	untold, rotated = m.untold, m.rotated
	m.untold, m.rotated = nil, nil
	return untold, rotated
}
