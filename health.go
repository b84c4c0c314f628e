package session

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/journal"
)

// State is what a Manager has seen since it was made.
type State struct {
	Failing bool      // a shard of the store is away
	Since   time.Time // when Failing became what it is

	Loads     uint64 // sessions asked of the store
	Saves     uint64 // sessions written, new ones and tombstones included
	Refreshes uint64 // saves that only put the expiry off
	Conflicts uint64 // saves that another writer came before
	Failures  uint64 // operations that the store failed, and saves that other writers came before until the time was up

	// With a Backup:
	Degraded uint64       // loads that were answered from the backup
	Restores uint64       // sessions put back into a store that lacked them
	Shards   []ShardState // those that were met so far, by name
	Journal  JournalState
}

// ShardState is a part of the store as this process sees it.
type ShardState struct {
	Name       string
	State      string        // "serving", "away" or "returning"
	Since      time.Time     // when State became what it is
	Cause      string        // of being away; empty while it serves
	Mode       Mode          // the operator's
	Quarantine time.Duration // how long it is still not believed when it has nothing: it lost its memory
}

// JournalState is what a process owes its store.
type JournalState struct {
	States     int // sessions that the store lacks a change of
	Tombstones int // ended sessions that the store was never told of
	Again      int // ended sessions that it was told of, and is told again because it lost its memory
	Ring       int // tombstones known, those included
	Bytes      int // what all of it takes up, about

	// Since the Manager was made, and never less than before:
	Delivered uint64 // changes and tombstones that the store lacked, and has taken from the journal
	Lost      uint64 // dropped for good: the journal was full, the lease had run out or another hand had ended the session
}

func (s *JournalState) add(n journal.Stats) {
	s.States += n.States
	s.Tombstones += n.Tombstones
	s.Again += n.Again
	s.Ring += n.Known
}

// health counts what the store does. Where there is no breaker, it notices when
// a shard fails and recovers.
type health struct {
	loads, saves, refreshes, conflicts, failures, degraded, restores atomic.Uint64

	ailing atomic.Int32 // len(shards), to be read without mu
	mu     sync.Mutex   // guards all below
	shards map[string]*ailment
	down   int       // how many of them have failed often enough to be news
	since  time.Time // when the first of them did, or the last was well again
}

// ailment is what is wrong with one shard: each kind of work that failed last,
// and how often in a row.
type ailment struct {
	works  work
	alone  work // those of works that failed while loads were answered
	row    int
	latest time.Time // failure
	since  time.Time // it was news
	told   time.Time // that it is, or still is
}

// work is a kind of operation. A store that does one of them may be unable to do
// another: a replica loads and does not save, and a memcached without CAS, or a
// Redis user without EVALSHA, creates sessions and changes none. Each kind that
// failed recovers when it works. A shard that did not even load is back when it
// loads, but for the saves that it refused while it was loading well: only such
// a save says that they work again.
type work uint8

const (
	loading  work = 1 << iota
	putting       // a save over Absent or Any
	swapping      // a save over a Version
)

// noWork is the work of an operation that was answered, and proves no more
// than that: a conflict, for instance.
const noWork work = 0

// workOf is the kind of a save.
func workOf(over Version) work {
	if over == Absent || over == Any {
		return putting
	}
	return swapping
}

// newsAfter is how many operations of one shard have to fail in a row before
// the store counts as failing: a single slow answer is no outage.
const newsAfter = 3

// reminder is how often an outage that lasts is told. Failures that lie further
// apart are not in a row.
const reminder = time.Minute

// shard names the part of the store that has id.
func (m *Manager) shard(id ID) string {
	if p, ok := m.store.(Prober); ok {
		return p.Shard(id)
	}
	return ""
}

// answered notes that an operation worked.
func (m *Manager) answered(ctx context.Context, w work, id ID) {
	if w == noWork || m.health.ailing.Load() == 0 {
		return
	}
	shard := m.shard(id)
	if since, news := m.health.recover(shard, w); news && m.hooks.Up != nil {
		m.hooks.Up(ctx, Outage{Shard: shard, Since: since, Duration: time.Since(since)})
	}
}

// away notes that an operation failed.
func (m *Manager) away(ctx context.Context, w work, id ID, err error) {
	shard := m.shard(id)
	switch since, news := m.health.fail(shard, w); {
	case news == began && m.hooks.Down != nil:
		m.hooks.Down(ctx, shard, err)
	case news == lasts && m.hooks.StillDown != nil:
		m.hooks.StillDown(ctx, Outage{Shard: shard, Since: since, Duration: time.Since(since), Err: err})
	}
}

// recover reports whether the shard is well again by it, and since when it was
// not.
func (h *health) recover(shard string, w work) (since time.Time, news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.shards[shard]
	switch {
	case a == nil:
		return time.Time{}, false
	case a.works&w == 0:
		if w == loading {
			a.alone = a.works // and the loads are answered meanwhile
		}
		return time.Time{}, false // it still does not do what failed
	case w == loading:
		a.works = a.alone // what failed beside the loads may work again too
	default:
		a.works &^= w
		a.alone &^= w
	}
	if a.works != 0 {
		return time.Time{}, false
	}
	delete(h.shards, shard)
	h.ailing.Add(-1)
	if a.row < newsAfter {
		return time.Time{}, false
	}
	h.count(-1)
	return a.since, true
}

// tidings are what a failure says that nobody was told yet.
type tidings uint8

const (
	began tidings = iota + 1 // the shard fails, and did not before
	lasts                    // it still does, for another minute
)

// fail notes a failure. It returns what there is to tell, and since when the
// shard fails.
func (h *health) fail(shard string, w work) (since time.Time, news tidings) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a, now := h.shards[shard], time.Now()
	if a == nil {
		a = &ailment{}
		if h.shards == nil {
			h.shards = make(map[string]*ailment)
		}
		h.shards[shard] = a
		h.ailing.Add(1)
	}
	if a.row < newsAfter && now.Sub(a.latest) > reminder {
		*a = ailment{}
	}
	a.works |= w
	a.latest = now
	switch a.row++; {
	case a.row == newsAfter:
		a.since, a.told = now, now
		h.count(+1)
		return now, began
	case a.row > newsAfter && now.Sub(a.told) >= reminder:
		a.told = now
		return a.since, lasts
	}
	return a.since, 0
}

// count counts the shards that are away. h.mu is held.
func (h *health) count(n int) {
	before := h.down
	if h.down += n; before == 0 || h.down == 0 {
		h.since = time.Now()
	}
}

func (m *Manager) failed(ctx context.Context, operation string, id ID, err error) {
	m.health.failures.Add(1)
	if m.hooks.Failed != nil {
		m.hooks.Failed(context.WithValue(ctx, failedShard{}, m.shard(id)), operation, id, err)
	}
}

// State returns the counters as they are now. It does not ask the store.
func (m *Manager) State() State {
	h := &m.health
	h.mu.Lock()
	st := State{Failing: h.down > 0, Since: h.since}
	h.mu.Unlock()
	st.Loads, st.Saves, st.Refreshes = h.loads.Load(), h.saves.Load(), h.refreshes.Load()
	st.Conflicts, st.Failures = h.conflicts.Load(), h.failures.Load()
	st.Degraded, st.Restores = h.degraded.Load(), h.restores.Load()
	m.shards.byName.Range(func(_, v any) bool {
		s := v.(*shard)
		st.Shards = append(st.Shards, s.status())
		st.Journal.add(s.journal.Stats())
		return true
	})
	slices.SortFunc(st.Shards, func(a, b ShardState) int { return strings.Compare(a.Name, b.Name) })
	st.Journal.Bytes = int(m.ledger.Bytes.Load())
	st.Journal.Delivered, st.Journal.Lost = m.ledger.Delivered.Load(), m.ledger.Lost.Load()
	return st
}

func (s *shard) status() ShardState {
	b := s.breaker.State(s.m.now())
	if b.State == circuit.Serving {
		b.Cause = circuit.Nothing // of an outage that is over
	}
	return ShardState{
		Name: s.name, State: b.State.String(), Since: b.Since, Cause: b.Cause.String(),
		Mode: Mode(b.Mode), Quarantine: b.Quarantine,
	}
}
