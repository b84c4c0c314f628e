// Package failover watches the shards of a store: whether requests are sent to each,
// what each lacks, and when each is back. Each shard has two breakers (package circuit),
// of loads and of saves. One that takes no saves is still read from; one whose loads
// fail is away.
//
// Where to look: [Shards] holds the shards and bounds the restores a second
// (shards.go); [Call] is the permission for one operation, and counts what came of it
// (call.go); status.go says how a shard is, and shard.go tells the hooks (hooks.go), or
// call.go where there is no backup; loop.go probes a shard and delivers what it lacks,
// tombstones before copies, and deliver.go delivers one of them; hints.go keeps what is
// to be delivered; restore.go and ending.go read the sessions that one supersedes before
// it is restored or ended. RotationGrace is in deliver.go because a delivery needs it;
// requests follow it in package lookup (rotation.go).
package failover

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/deadline"
	"github.com/holdfast-go/session/internal/inuse"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/probe"
	"github.com/holdfast-go/session/internal/rate"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
)

// Shards are the parts of one store that this process has met. The exported fields
// are set before Start; from then on any number of goroutines may use it.
type Shards struct {
	Backend Backend
	Store   record.Store
	Clock   *stamp.Clock
	Hooks   Hooks
	Foreign bool // other programs write the records too
	InUse   *inuse.Sessions

	ReadTimeout, SaveTimeout time.Duration
	TombstoneLife            time.Duration
	Lifetime                 time.Duration // of a session; no pending tombstone is needed for longer

	// Where there is a backup:
	JournalBytes int                   // that the journals may take up; 0: there is no backup
	RestoreRate  int                   // restores a second
	Vouches      func(state.Copy) bool // reports whether a session may live by a copy alone
	Mode         func() circuit.Mode   // the operator's
	Without      mechanism.Set         // for the simulation; else none

	Counters

	health   health
	byName   sync.Map         // string -> *Shard
	journal  *journal.Journal // nil where there is no backup
	restores rate.Limiter
	looks    deadline.Line

	mu     sync.Mutex // guards closed, and the making of shards
	closed bool
	close  context.CancelFunc
	ctx    context.Context // of the shards' goroutines
	wg     sync.WaitGroup
}

// Backend reads and writes the store's records as states.
type Backend interface {
	// Read loads a session past all caches. Its error is failure.ErrNotFound, a
	// failure.Away, or failure.ErrUnavailable.
	Read(ctx context.Context, c Call) (record.Session, error)

	// Put saves a session over a Version.
	Put(ctx context.Context, c Call, operation Operation, st state.State, over record.Version) (record.Version, error)
}

// Counters count since the process began.
type Counters struct {
	Failures atomic.Uint64 // operations that the store failed
	Ended    atomic.Uint64 // tombstones saved by requests
}

// Start begins to watch the store, where there is a backup. firstIDs yields IDs that
// reach as many of the shards as possible.
func (a *Shards) Start(firstIDs func(yield func(id string) bool)) {
	a.health.since = time.Now()
	if a.JournalBytes == 0 {
		return
	}
	a.journal = journal.New(int64(a.JournalBytes))
	a.journal.InUse = a.InUse.Needs
	a.ctx, a.close = context.WithCancel(context.Background())
	for id := range firstIDs {
		a.Of(id)
	}
}

// Of returns the shard that has id.
func (a *Shards) Of(id string) *Shard { return a.named(a.Store.Shard(id)) }

func (a *Shards) named(name string) *Shard {
	if s, ok := a.byName.Load(name); ok {
		return s.(*Shard)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if s, ok := a.byName.Load(name); ok {
		return s.(*Shard)
	}
	now := a.Clock.Now()
	s := &Shard{all: a, name: name, breaker: circuit.New(now), saves: circuit.New(now), wake: make(chan struct{}, 1)}
	s.probes = probe.Shard{Store: probeStore{a.Store}, Name: name, Instance: a.Clock.Instance, Now: a.Clock.Now, Budget: a.SaveTimeout}
	a.byName.Store(name, s)
	if !a.closed {
		a.wg.Go(func() { s.run(a.ctx) })
	}
	return s
}

// Close stops watching the store and makes a last attempt to deliver, until ctx
// ends. Its error says what is left.
func (a *Shards) Close(ctx context.Context) error {
	if a.JournalBytes == 0 {
		return nil
	}
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.close()
	a.wg.Wait()
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		a.byName.Range(func(_, v any) bool {
			s := v.(*Shard)
			if a.journal.Owes(s.name) && ctx.Err() == nil {
				_, _ = s.deliverAll(ctx)
			}
			return true
		})
		left := a.journal.Total()
		if left.States+left.Tombstones+left.Again == 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("session: close: %d sessions and %d tombstones did not reach the store: %w", left.States, left.Tombstones+left.Again, ctx.Err())
		case <-timer.C:
		}
	}
}

// attempts returns the time at which an operation that meets other writers gives up.
func (a *Shards) attempts() (end time.Time) { return a.Clock.Now().Add(a.SaveTimeout) }

// AllowRestore reports whether one more session may be put back into the store now.
func (a *Shards) AllowRestore() bool { return a.restores.Allow(a.Clock.Now(), a.RestoreRate) }

// Stats are the figures of all shards and of the journal.
type Stats struct {
	Failing bool      // a shard is away
	Since   time.Time // when Failing became what it is
	Shards  []ShardStats
	Journal journal.Stats // of all shards together
}

// Stats returns the figures as they are now, the shards by name. It does not ask
// the store.
func (a *Shards) Stats() (st Stats) {
	h := &a.health
	h.mu.Lock()
	st.Failing = h.down > 0
	st.Since = h.since
	h.mu.Unlock()
	a.byName.Range(func(_, v any) bool {
		s := v.(*Shard)
		st.Shards = append(st.Shards, s.status(a.Clock.Now()))
		return true
	})
	slices.SortFunc(st.Shards, func(a, b ShardStats) int { return strings.Compare(a.Name, b.Name) })
	if a.journal != nil {
		st.Journal = a.journal.Total()
	}
	return st
}
