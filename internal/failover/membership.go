package failover

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/members"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
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

// hear takes in a tombstone from a log. A token that was rotated lately still opens its
// session. The log does not have the link that leads there, and the store's tombstone does:
// so hear keeps such a tombstone back until the grace is over.
func (m *membership) hear(g journal.Tombstone, now time.Time, enter func(journal.Tombstone)) {
	if leadsOn := g.Death.Reason == state.Rotated && now.Sub(g.Death.Dot.Time()) < RotationGrace+time.Second; leadsOn {
		m.mu.Lock()
		m.rotated = append(m.rotated, g)
		m.mu.Unlock()
		return
	}
	enter(g)
}

// rotatedLately reports whether a rotation of a session was heard and not taken in yet.
func (m *membership) rotatedLately(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.rotated, func(g journal.Tombstone) bool { return g.ID == id })
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

// hearRest takes in the tombstones that waited for the end of a grace.
func (m *membership) hearRest(now time.Time, enter func(journal.Tombstone)) {
	m.mu.Lock()
	all := m.rotated
	m.rotated = nil
	m.mu.Unlock()
	for _, g := range all {
		m.hear(g, now, enter)
	}
}

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

// heardSet is the revocation set as package members sees it.
type heardSet struct {
	journal *journal.Journal
	has     func(revoked.Tombstone) bool // reports whether a tombstone belongs into the shard's log
	enter   func(g journal.Tombstone)    // takes in what was heard
	// tellOthers has a tombstone put into the logs of the other shards, where it belongs there.
	tellOthers func(x revoked.Tombstone)

	telling *telling // ends that may stand in the log and are not in the set yet

	silent bool
}

// telling is the ends that are being written into a log and are entered into the revocation
// set afterwards: where the store loses its memory meanwhile, the log is written anew with them
// too. The zero telling is empty; any number of goroutines may use it.
type telling struct {
	mu  sync.Mutex
	all map[*journal.Tombstone]revoked.Tombstone // by the caller's
}

func (t *telling) add(g *journal.Tombstone) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = make(map[*journal.Tombstone]revoked.Tombstone)
	}
	t.all[g] = journal.Compact(*g)
}

func (t *telling) remove(g *journal.Tombstone) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, g)
}

func (t *telling) list() (all []revoked.Tombstone) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range t.all {
		x.From = revoked.Own
		all = append(all, x)
	}
	return all
}

// Heard takes in tombstones from a log.
func (h heardSet) Heard(all []revoked.Tombstone) {
	for _, x := range all {
		if !h.silent {
			h.enter(journal.Heard(x))
		}
	}
}

// All yields the tombstones that belong into the shard's log, the youngest first, and then
// those that are being told.
func (h heardSet) All() iter.Seq[revoked.Tombstone] {
	const page = 1024
	return func(yield func(revoked.Tombstone) bool) {
		var at revoked.Cursor
		telling := h.telling.list() // what it lacks from now on is in the set
		for !h.silent {
			var all []revoked.Tombstone
			h.journal.Revoked(func(set *revoked.Set) { all, at = set.Page(at, page) })
			for _, x := range all {
				if x.Class != revoked.MadeUp && h.has(x) && !yield(x) {
					return
				}
			}
			if len(all) < page {
				break
			}
		}
		for _, x := range telling {
			if !h.silent && h.has(x) && !yield(x) {
				return
			}
		}
	}
}

// SetOwn notes that tombstones go into the log of this process, those of users into that of
// each shard.
func (h heardSet) SetOwn(all []revoked.Tombstone) {
	for i := range all {
		if all[i].Class == revoked.Users {
			h.tellOthers(all[i])
		}
	}
	h.journal.Revoked(func(set *revoked.Set) {
		for i := range all {
			set.SetFrom(all[i].ID, revoked.Own)
		}
	})
}

// Forget gives the tombstones from a log another number.
func (h heardSet) Forget(from, to uint8) {
	h.journal.Revoked(func(set *revoked.Set) { set.Forget(from, to) })
}

// RotationGrace is how long the token that a rotation replaced still opens the
// session.
const RotationGrace = 10 * time.Second
