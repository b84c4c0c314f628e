// Package failover watches the shards of a store: whether requests are sent to each,
// what each lacks, and when each is back. Each shard has two breakers (package circuit),
// of loads and of saves. A shard that takes no saves is still read from; a shard whose
// loads fail is away.
//
// Where to look: [Shards] holds the shards and bounds the restores a second (shards.go); [Call]
// is the permission for one operation, and counts what came of it (call.go); status.go has a
// shard's state, and shard.go tells the hooks (hooks.go), or call.go where there is no backup;
// loop.go probes a shard, delivers what it lacks, tombstones before copies, and repeats what
// failed, and deliver.go delivers one of them; hints.go keeps what is to be delivered, in
// memory and in a file, and successor.go which part of it belongs to the session that goes on
// in its place; restore.go and ending.go read the sessions that one supersedes before it is
// restored or ended, and ending.go says how long a tombstone is needed outside the store.
// known.go says what this process knows of a session or of a user's logins. membership.go has
// this process as a member of a shard; heardset.go takes in what other members have ended,
// graces.go keeps it back while a rotated token still opens its session, and ownlog.go tells
// the others, with telling.go for what is on its way. layout.go says where other members may
// have other shards, and again.go walks through the revocation set for a shard that has lost
// its data. stores.go has the store as packages probe and members ask it.
package failover

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
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
	"github.com/holdfast-go/session/internal/members"
	"github.com/holdfast-go/session/internal/probe"
	"github.com/holdfast-go/session/internal/rate"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/spool"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/waiting"
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
	Waiting waiting.Set // the goroutines that wait for the end of a session

	ReadTimeout, SaveTimeout time.Duration
	TombstoneLife            time.Duration
	Lifetime                 time.Duration // the longest life of a session; no pending tombstone is needed for longer

	// With a backup:
	JournalBytes int                             // bytes that the journal may take up; 0: there is no backup
	Revocations  int                             // bytes that the revocation set may take up besides
	RestoreRate  int                             // restores a second
	Vouches      func(state.Copy) bool           // reports whether a session may live by a copy alone
	Mode         func(shard string) circuit.Mode // the operator's mode of a shard
	Spool        *spool.Spool                    // keeps the journal in a file too; nil: none does
	Without      mechanism.Set                   // for the simulation; else none

	Counters

	numbers  members.Numbers
	health   health
	byName   sync.Map         // string -> *Shard
	journal  *journal.Journal // nil: there is no backup
	telling  telling
	restores rate.Limiter
	putBack  putBack
	looks    deadline.SharedTimer
	layout   layout
	early    early

	mu     sync.Mutex // guards closed, and the making of shards
	closed bool
	close  context.CancelFunc
	ctx    context.Context // the context of the shards' goroutines
	wg     sync.WaitGroup

	probing deadline.Patient // limits the time of a look
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

// Start begins to watch the store, if there is a backup. firstIDs yields IDs that reach as
// many of the shards as possible.
func (a *Shards) Start(firstIDs func(yield func(id string) bool)) {
	a.health.since = time.Now()
	if a.JournalBytes == 0 {
		return
	}
	a.journal = journal.New(int64(a.JournalBytes), int64(a.Revocations))
	a.journal.InUse = a.InUse.Needs
	a.journal.Forgot = a.InUse.Forget
	a.ctx, a.close = context.WithCancel(context.Background())
	a.meetLayout()
	a.startSpool()
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
	s.members = s.join()
	a.byName.Store(name, s)
	if !a.closed {
		a.wg.Go(func() { s.run(a.ctx) })
	}
	return s
}

// Close stops watching the store and makes a last attempt to deliver, until ctx ends. Its
// error says what is left. If there is a file, it has what is left, unless the error says
// that it has not.
func (a *Shards) Close(ctx context.Context) error {
	if a.JournalBytes == 0 {
		return nil
	}
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.close()
	a.wg.Wait()
	err := a.deliverLast(ctx)
	a.leave(ctx)
	return errors.Join(err, a.closeSpool(ctx))
}

// Closed returns a channel that is closed when this process no longer watches the store; nil,
// which always blocks, if there is no backup.
func (a *Shards) Closed() <-chan struct{} {
	if a.ctx == nil {
		return nil
	}
	return a.ctx.Done()
}

// deliverLast delivers what is left, until ctx ends.
func (a *Shards) deliverLast(ctx context.Context) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		a.byName.Range(func(_, v any) bool {
			s := v.(*Shard)
			lacks := a.journal.Owes(s.name) || s.members.log.owes()
			if lacks && ctx.Err() == nil {
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

// leave takes this process out of the members of the shards.
func (a *Shards) leave(ctx context.Context) {
	var wg sync.WaitGroup
	a.byName.Range(func(_, v any) bool {
		wg.Go(func() { _ = v.(*Shard).members.Close(ctx) }) // others find out by themselves
		return true
	})
	wg.Wait()
}

// MinAttempts is how many conflicts an operation meets at least before it gives up, even if its
// time is up: if the store is slow, or this process gets little processor time, one attempt may
// take all of the time.
const MinAttempts = 3

// userLife is for how long the revocation of a user is needed: a session ends a Lifetime
// after it was renewed, which an instance that was cut off may do as long as a copy vouches.
func (a *Shards) userLife() time.Duration { return a.Lifetime + a.TombstoneLife }

// attempts bounds an operation that meets other writers.
type attempts struct {
	clock *stamp.Clock
	end   time.Time
	made  int
}

func (a *Shards) attempts() attempts {
	return attempts{clock: a.Clock, end: a.Clock.Now().Add(a.SaveTimeout)}
}

// spent reports whether the operation gives up after one more attempt at which another writer
// came first.
func (t *attempts) spent() bool {
	t.made++
	return t.made >= MinAttempts && !t.clock.Now().Before(t.end)
}

// AllowRestore reports whether one more session may be put back into the store now.
func (a *Shards) AllowRestore() bool { return a.restores.Allow(a.Clock.Now(), a.RestoreRate) }

// lost returns about how many tombstones the shards had and have lost, and how many of these
// the shards have refused since.
func (a *Shards) lost() (all, refused int) {
	a.forShards(func(s *Shard) {
		n, r := s.again.owes()
		all += n
		refused += r
	})
	return all, refused
}

// Stats are the figures of all shards and of the journal.
type Stats struct {
	Failing bool      // a shard is away
	Since   time.Time // when Failing became what it is
	Shards  []ShardStats
	Journal journal.Stats // figures of all shards together
	Refused int           // tombstones that shards have lost, and refused since
	Oldest  time.Time     // when what the store has lacked longest was changed, or ended; zero: it lacks nothing
	File    spool.Stats   // figures of the file that keeps the journal; zero: there is none
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
		st.Journal, st.Oldest = a.journal.Total(), a.journal.Oldest()
		lost, refused := a.lost()
		st.Journal.Again += lost
		st.Refused = refused
	}
	if a.Spool != nil {
		st.File = a.Spool.Stats()
	}
	return st
}

// meetLayout begins to watch every shard of a store that is a Pinner, and finds out whether
// the layout has changed. If it has, other instances may still have the old one.
func (a *Shards) meetLayout() {
	shards := a.Store.Shards()
	if len(shards) == 0 {
		return
	}
	h := fnv.New64a()
	for _, name := range shards {
		_, _ = io.WriteString(h, name+"\x00")
	}
	for n := range samples {
		_, _ = io.WriteString(h, a.Store.Shard(recordid.Numbered(recordid.Members, n))+"\x00")
	}
	own := max(1, h.Sum64())
	before := a.layout.own.Swap(own)
	if before == 0 {
		a.layout.began = a.Clock.Now() // no shard is met yet
	}
	for _, name := range shards {
		a.named(name)
	}
	if before != 0 && before != own {
		a.differ(true)
	}
}

// tellsAll reports whether tombstones go into the logs of all shards.
func (a *Shards) tellsAll() bool {
	until := a.layout.until.Load()
	return until != 0 && a.Clock.Now().UnixMilli() < until
}

// layoutsDiffer notes that there is a member with another layout.
func (a *Shards) layoutsDiffer() { a.differ(false) }

// differ makes tombstones go into the logs of all shards from now on. If they went into one
// log until now, or this process's layout has changed, it also adds to the other logs, once,
// the tombstones that this process has told and those that it heard from members that are
// gone.
func (a *Shards) differ(changed bool) {
	a.layout.mu.Lock()
	begins := !a.tellsAll()
	a.layout.until.Store(a.Clock.Now().Add(a.TombstoneLife).UnixMilli())
	a.layout.mu.Unlock()
	if !begins && !changed {
		return
	}
	gone := [revoked.Unnumbered + 1]bool{revoked.Unnumbered: true, revoked.Own: true}
	a.forShards(func(s *Shard) {
		for _, number := range s.members.Gone() {
			gone[number] = true
		}
	})
	a.forShards(func(s *Shard) {
		s.members.log.beginWalk(&otherShards{from: gone})
		s.signal()
	})
}

func (a *Shards) forShards(do func(s *Shard)) {
	a.byName.Range(func(_, v any) bool {
		do(v.(*Shard))
		return true
	})
}

// begins reports whether this process has not read the logs of all shards yet. By the layout
// of an earlier instance, a session and its tombstone may be on another shard. begins waits
// for a shard that does not answer only as long as firstReads.
func (a *Shards) begins() (begins bool) {
	if a.layout.own.Load() == 0 || a.Clock.Now().Sub(a.layout.began) > firstReads {
		return false
	}
	a.forShards(func(s *Shard) { begins = begins || !s.members.heard.Load() })
	return begins
}

// hearOtherLogs waits, until ctx ends, until this process has looked once for the logs of all
// shards. It reports whether it has. It waits for no shard that has failed, for the sake of the
// visitors of the others.
func (a *Shards) hearOtherLogs(ctx context.Context) bool {
	if a.layout.heard.Load() {
		return true
	}
	all := true
	if a.layout.own.Load() != 0 { // else a session and its tombstone are on one shard
		a.forShards(func(s *Shard) { all = all && (s.members.silent || s.members.looked.waitUntil(ctx)) })
	}
	if all {
		a.layout.heard.Store(true)
	}
	return all
}
