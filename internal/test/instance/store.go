package instance

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
)

// Store is a record.Store in memory that fails as a test says. The zero Store is
// ready; any number of goroutines may use it. Its exported fields are set before the
// first call.
type Store struct {
	ShardOf     func(id string) string                     // nil: there is one shard
	Incarnation func(shard string) (string, error)         // nil: the store has none
	Refuses     func(data []byte, expires time.Time) error // nil: it takes everything
	Evicted     func(shard string) (uint64, error)         // nil: the store cannot tell

	mu       sync.Mutex // guards all below
	records  map[string]entry
	cache    map[string]entry
	versions uint64
	away     error
	plan     func(Call) Fate
	calls    []Call
}

type entry struct {
	data    []byte
	version record.Version
	expires time.Time
}

// Call is what the store was asked for.
type Call struct {
	Save  bool
	ID    string
	Over  record.Version // of a save
	State state.State    // of a save; zero where the record is no session's
	Fresh bool           // of a load
}

// Fate is what becomes of a call. With the zero Fate the call is done and answered at
// once.
type Fate struct {
	Takes  time.Duration // until it is done; a caller that gives up before keeps it from being done
	Deaf   bool          // the call does not end with its context
	Err    error         // it is not done, and this is the answer
	Silent bool          // it is done, and never answered
	Late   time.Duration // it is never answered, and done so much later
}

// Never is the Fate of a call that does not reach the store, and is not answered.
var Never = Fate{Takes: 1000 * time.Hour}

// ErrRefused is the answer of a store that is away.
var ErrRefused = errors.New("connection refused")

// Plan sets the fate of each call from now on. With nil all calls are done.
func (s *Store) Plan(plan func(Call) Fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = plan
}

// PlanFor sets the fate of the calls that match, from now on. All others are done.
func (s *Store) PlanFor(matches func(Call) bool, fate Fate) {
	s.Plan(func(c Call) Fate {
		if matches(c) {
			return fate
		}
		return Fate{}
	})
}

// Saves matches every save.
func Saves(c Call) bool { return c.Save }

// SavesOf matches the saves of one record.
func SavesOf(id string) func(Call) bool {
	return func(c Call) bool { return c.Save && c.ID == id }
}

// CallsFor matches the loads and saves of one record.
func CallsFor(id string) func(Call) bool {
	return func(c Call) bool { return c.ID == id }
}

// Away takes the store away, or gives it back.
func (s *Store) Away(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = nil
	if away {
		s.away = ErrRefused
	}
}

// Calls returns the calls for sessions since the last call of Calls, and forgets
// them.
func (s *Store) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

// Get returns the state that stands under an ID, the zero one where there is none,
// and its version.
func (s *Store) Get(id string) (state.State, record.Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.records[id]
	st, _ := state.Decode(e.data)
	return st, e.version
}

// Set writes a state as another instance does.
func (s *Store) Set(id string, st state.State) record.Version {
	return s.SetRaw(id, st.Encode())
}

// SetRaw writes a record of any bytes.
func (s *Store) SetRaw(id string, data []byte) record.Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.putLocked(id, data, time.Now().Add(1000*time.Hour))
}

// Remove removes a record.
func (s *Store) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, id)
}

// Empty removes all records.
func (s *Store) Empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.records)
}

// Snapshot returns a function that sets all records back to what they are now.
func (s *Store) Snapshot() (setBack func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	then := maps.Clone(s.records)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.records = maps.Clone(then)
	}
}

// Cache keeps what the store holds now for every load that is not fresh.
func (s *Store) Cache() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cache = maps.Clone(s.records)
}

func (s *Store) putLocked(id string, data []byte, expires time.Time) record.Version {
	if s.records == nil {
		s.records = make(map[string]entry)
	}
	s.versions++
	var v record.Version
	binary.BigEndian.PutUint64(v[4:], s.versions)
	s.records[id] = entry{data, v, expires}
	return v
}

func (s *Store) findLocked(id string) (e entry, ok bool) {
	e, ok = s.records[id]
	return e, ok && time.Now().Before(e.expires)
}

// begin notes a call and returns what becomes of it.
func (s *Store) begin(c Call) Fate {
	s.mu.Lock()
	plan, away := s.plan, s.away
	if !recordid.Reserved(c.ID) {
		s.calls = append(s.calls, c)
	}
	s.mu.Unlock()
	if away != nil {
		return Fate{Err: away}
	}
	if plan == nil {
		return Fate{}
	}
	return plan(c)
}

// wait waits until a call is done.
func (f Fate) wait(ctx context.Context) error {
	switch {
	case f.Deaf:
		time.Sleep(f.Takes)
	case f.Takes > 0:
		select {
		case <-time.After(f.Takes):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return f.Err
}

// Load implements record.Store.
func (s *Store) Load(ctx context.Context, id string, fresh bool) (record.Record, error) {
	f := s.begin(Call{ID: id, Fresh: fresh})
	if err := f.wait(ctx); err != nil {
		return record.Record{}, err
	}
	if f.Silent {
		<-ctx.Done()
		return record.Record{}, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.cache[id]; ok && !fresh {
		return record.Record{Data: e.data, Version: e.version, Cached: true}, nil
	}
	e, ok := s.findLocked(id)
	if !ok {
		return record.Record{}, failure.ErrNotFound
	}
	return record.Record{Data: e.data, Version: e.version}, nil
}

// Save implements record.Store.
func (s *Store) Save(ctx context.Context, id string, data []byte, expires time.Time, over record.Version) (record.Version, error) {
	st, _ := state.Decode(data)
	f := s.begin(Call{Save: true, ID: id, Over: over, State: st})
	if err := f.wait(ctx); err != nil {
		return record.Absent, err
	}
	if f.Late > 0 {
		time.AfterFunc(f.Late, func() { _, _ = s.swap(id, data, expires, over) })
	}
	if f.Late > 0 || f.Silent {
		if f.Silent {
			_, _ = s.swap(id, data, expires, over)
		}
		<-ctx.Done()
		return record.Absent, ctx.Err()
	}
	return s.swap(id, data, expires, over)
}

func (s *Store) swap(id string, data []byte, expires time.Time, over record.Version) (record.Version, error) {
	if s.Refuses != nil {
		if err := s.Refuses(data, expires); err != nil {
			return record.Absent, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.findLocked(id)
	version := record.Absent
	if ok {
		version = e.version
	}
	if over != record.Any && over != version {
		return record.Absent, failure.ErrConflict
	}
	return s.putLocked(id, data, expires), nil
}

// Caches implements record.Store.
func (s *Store) Caches() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cache != nil
}

// Shard implements record.Store.
func (s *Store) Shard(id string) string {
	if s.ShardOf == nil {
		return ""
	}
	return s.ShardOf(id)
}
