package members

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

const (
	life     = 20 * time.Minute
	userLife = 5 * time.Hour
	budget   = 500 * time.Millisecond
)

var errDown = errors.New("connection refused")

type record struct {
	data    []byte
	version Version
	expires time.Time
}

// store is a shard in memory, of which tests take parts away.
type store struct {
	mu      sync.Mutex
	records map[string]record
	n       uint64
	latency time.Duration
	fails   func(operation, id string) error // called with mu held; nil: nothing fails
	after   func(operation, id string) error // likewise, for what has been done
	counts  map[string]int
	bytes   int
	smaller []string // segments that were replaced by one that did not contain them
}

func newStore() *store {
	return &store{records: make(map[string]record), counts: make(map[string]int)}
}

// answerIn sets how long operations take that begin from now on.
func (f *store) answerIn(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.latency = d
}

func (f *store) wait() {
	f.mu.Lock()
	d := f.latency
	f.mu.Unlock()
	time.Sleep(d)
}

func (f *store) askLocked(operation, id string, at func(string, string) error) error {
	if at == nil {
		return nil
	}
	return at(operation, id)
}

func (f *store) Load(ctx context.Context, id string) ([]byte, Version, error) {
	f.wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts["load"]++
	if err := errors.Join(ctx.Err(), f.askLocked("load", id, f.fails)); err != nil {
		return nil, Version{}, err
	}
	r, ok := f.records[id]
	if !ok || !r.expires.After(time.Now()) {
		return nil, Version{}, nil
	}
	f.bytes += len(r.data)
	return slices.Clone(r.data), r.version, nil
}

func (f *store) Save(ctx context.Context, id string, data []byte, expires time.Time, over Version) (Version, bool, error) {
	f.wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts["save"]++
	operation := "swap"
	if over == (Version{}) {
		operation = "create"
	}
	if err := errors.Join(ctx.Err(), f.askLocked(operation, id, f.fails)); err != nil {
		return Version{}, false, err
	}
	r, ok := f.records[id]
	if ok && !r.expires.After(time.Now()) {
		r, ok = record{}, false
	}
	if r.version != over {
		return Version{}, true, errors.New("conflict")
	}
	f.bytes += len(data)
	if ok && strings.HasPrefix(id, "log-") {
		old, _ := revoked.DecodeSegment(r.data)
		seg, _ := revoked.DecodeSegment(data)
		if len(seg.Tombstones) < len(old.Tombstones) || !slices.Equal(seg.Tombstones[:len(old.Tombstones)], old.Tombstones) {
			f.smaller = append(f.smaller, id)
		}
	}
	f.n++
	v := Version{15: 1}
	binary.BigEndian.PutUint64(v[:], f.n)
	f.records[id] = record{slices.Clone(data), v, expires}
	if err := f.askLocked(operation, id, f.after); err != nil {
		return Version{}, false, err // the answer was lost
	}
	return v, false, nil
}

func (f *store) snapshot() map[string]record {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.records)
}

// restore puts the store back to a snapshot.
func (f *store) restore(r map[string]record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.records = maps.Clone(r)
}

// evict removes the records whose ID begins with prefix, and returns how many.
func (f *store) evict(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range f.records {
		if strings.HasPrefix(id, prefix) {
			delete(f.records, id)
			n++
		}
	}
	return n
}

// laterFormat returns a record of a later format: of the kind HFM or HFS.
func laterFormat(kind string) []byte {
	b := []byte(kind + "\x02what this program does not know")
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// damage changes a byte of the records whose ID begins with prefix, and that choose picks, as
// a fault of the store does.
func (f *store) damage(prefix string, choose func() bool, change func([]byte)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(f.records)) {
		if strings.HasPrefix(id, prefix) && choose() {
			r := f.records[id]
			data := slices.Clone(r.data)
			change(data)
			f.n++
			r.version = Version{15: 1}
			binary.BigEndian.PutUint64(r.version[:], f.n)
			f.records[id] = record{data, r.version, r.expires}
		}
	}
}

func (f *store) failing(fails func(operation, id string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = fails
}

func (f *store) losing(after func(operation, id string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = after
}

// count returns how many operations there were since the last call.
func (f *store) count() (loads, saves, bytes int) {

	f.mu.Lock()
	defer f.mu.Unlock()
	loads = f.counts["load"]
	saves = f.counts["save"]
	bytes = f.bytes
	clear(f.counts)
	f.bytes = 0
	return loads, saves, bytes
}

func (f *store) members(t *testing.T) *revoked.Members {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	m, err := revoked.DecodeMembers(f.records[recordid.Numbered(recordid.Members, 0)].data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// set is a revocation set with a lock.
type set struct {
	mu  sync.Mutex
	set *revoked.Set
}

func seconds() uint32 { return uint32(time.Now().Unix()) }

func (s *set) Heard(all []revoked.Tombstone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range all {
		s.set.Add(t, seconds())
	}
}

func (s *set) All() iter.Seq[revoked.Tombstone] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Values(slices.Collect(s.set.All))
}

func (s *set) SetOwn(all []revoked.Tombstone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range all {
		s.set.SetFrom(t.ID, revoked.Own)
	}
}

func (s *set) Forget(from, to uint8) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set.Forget(from, to)
}

func (s *set) knows(id revoked.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.set.Find(id)
	return ok
}

func (s *set) find(id revoked.ID) revoked.Tombstone {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _ := s.set.Find(id)
	return t
}

// process is an instance that exchanges once an interval, until it crashes.
type process struct {
	*Shard
	set     *set
	crash   context.CancelFunc
	gone    chan struct{}
	mu      sync.Mutex
	results []Result // the results of its exchanges, except those without news
	errs    int
}

// dead is a store that a crashed process reaches no more.
type dead struct {
	Store
	ctx context.Context
}

func (d dead) Load(ctx context.Context, id string) ([]byte, Version, error) {
	if d.ctx.Err() != nil {
		return nil, Version{}, d.ctx.Err()
	}
	return d.Store.Load(ctx, id)
}

func (d dead) Save(ctx context.Context, id string, data []byte, expires time.Time, over Version) (Version, bool, error) {
	if d.ctx.Err() != nil {
		return Version{}, false, d.ctx.Err()
	}
	return d.Store.Save(ctx, id, data, expires, over)
}

func plainID(base string) (string, error) { return recordid.Numbered(base, 0), nil }

func newProcess(f Store, instance uint32) *process {
	ctx, crash := context.WithCancel(context.Background())
	p := &process{set: &set{set: revoked.New(1 << 26)}, crash: crash, gone: make(chan struct{})}
	p.Shard = New(Config{
		Store: dead{f, ctx}, Set: p.set, ID: plainID, Numbers: new(Numbers), Instance: instance,
		Now: time.Now, Budget: budget, Life: life, UserLife: userLife,
	})
	return p
}

// startAhead makes a process whose clock is ahead.
func startAhead(f Store, instance uint32, by time.Duration) *process {
	p := newProcess(f, instance)
	p.Now = func() time.Time { return time.Now().Add(by) }
	go p.run()
	return p
}

// start makes a process that exchanges in the background.
func start(f Store, instance uint32) *process {
	p := newProcess(f, instance)
	go p.run()
	return p
}

func (p *process) run() {
	ctx := p.Store.(dead).ctx
	defer close(p.gone)
	for ctx.Err() == nil {
		p.exchange()
		_ = pause(ctx, p.Interval())
	}
}

func (p *process) exchange() {
	r, err := p.Exchange(context.Background())
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.errs++
	}
	if r.Lost || r.Alone || r.Layouts || r.NothingBefore != 0 {
		p.results = append(p.results, r)
	}
}

// told returns what the exchanges found since the last call.
func (p *process) told() (all Result, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = len(p.results)
	for _, r := range p.results {
		all.Lost = all.Lost || r.Lost
		all.Known = all.Known || r.Known
		all.Alone = all.Alone || r.Alone
		all.Layouts = all.Layouts || r.Layouts
		all.Snapshot = max(all.Snapshot, r.Snapshot)
		all.NothingBefore = max(all.NothingBefore, r.NothingBefore)
	}
	p.results = nil
	return all, n
}

func idOf(n int) (id revoked.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	id[15] = 1
	return id
}

func tombstone(n int) revoked.Tombstone {
	t := revoked.Tombstone{ID: idOf(n), Class: revoked.Known}
	t.Death = state.Death{Dot: state.Dot{Clock: uint64(n) + 1, Instance: 7}, Reason: state.Destroyed}
	if n%2 == 0 {
		t.Successor = idOf(n + 1_000_000)
	}
	return t
}

// ends does what logouts of these sessions do.
func (p *process) ends(sessions ...int) error {
	var all []revoked.Tombstone
	for _, n := range sessions {
		all = append(all, tombstone(n))
	}
	p.set.Heard(all)
	return p.Append(context.Background(), all...)
}

func (p *process) mustEnd(t *testing.T, sessions ...int) {
	t.Helper()
	if err := p.ends(sessions...); err != nil {
		t.Fatalf("instance %d ends %v: %v", p.Instance, sessions, err)
	}
}

func wantKnown(t *testing.T, p *process, when string, sessions ...int) {
	t.Helper()
	for _, n := range sessions {
		if !p.set.knows(idOf(n)) {
			t.Errorf("%s: instance %d does not know that session %d has ended", when, p.Instance, n)
		} else if got, want := p.set.find(idOf(n)), tombstone(n); got.Death != want.Death || got.Successor != want.Successor || got.Class != want.Class {
			t.Errorf("%s: instance %d knows %v, want %v", when, p.Instance, got, want)
		}
	}
}

// world runs a test in virtual time with a number of instances that are settled.
func world(t *testing.T, n int, test func(t *testing.T, f *store, all []*process)) {
	synctest.Test(t, func(t *testing.T) {
		f := newStore()
		f.latency = time.Millisecond
		var all []*process
		for i := range n {
			all = append(all, start(f, uint32(i+1)))
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		}
		defer func() {
			for _, p := range all {
				p.crash()
				<-p.gone
				p.wg.Wait()
			}
			if len(f.smaller) > 0 {
				t.Errorf("replaced by less: %v", f.smaller)
			}
		}()
		time.Sleep(2 * time.Minute)
		for _, p := range all {
			p.told()
			if !p.Complete(time.Now()) || p.Size() != n {
				t.Fatalf("instance %d: complete %v, %d members", p.Instance, p.Complete(time.Now()), p.Size())
			}
		}
		test(t, f, all)
	})
}

// hasReadAll reports whether the last exchange left nothing unread.
func (p *process) hasReadAll() bool {
	p.Shard.mu.Lock()
	defer p.Shard.mu.Unlock()
	return p.complete
}

// Size returns how many members the last exchange found.
func (p *process) Size() int {
	p.Shard.mu.Lock()
	defer p.Shard.mu.Unlock()
	return p.size
}

func seq(from, to int) (all []int) {
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}
