// Package memstore keeps sessions in the memory of the process. It is the reference
// for what a [session.Store] does, and enough for a program that runs as one process
// and may log all visitors out when it restarts.
//
// A Store starts no goroutine and needs no Close. An expired session is never
// returned; later Saves free its memory.
package memstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
)

// ErrFull is returned by a Save for which there is no room. Nothing is lost:
// what stood before still stands, and records that do not grow, tombstones of
// sessions among them, can still be saved.
var ErrFull = errors.New("session: memstore: full; raise MaxBytes, or set Evict")

// DefaultMaxBytes is what Options.MaxBytes is where it is zero: room for about
// half a million sessions of 300 bytes, or fifty thousand of 5 KB.
const DefaultMaxBytes = 256 << 20

// Options may be nil. The zero value is a bounded store that refuses what does
// not fit.
type Options struct {
	// MaxBytes bounds the memory of all records together, with their IDs and
	// what it takes to find them. Zero is DefaultMaxBytes; math.MaxInt64 is no
	// bound.
	MaxBytes int64

	// Evict makes room in a full store by ending the sessions nearest to their
	// expiry, instead of returning ErrFull. Tombstones live short and go first.
	Evict bool
}

// Store is a [session.Store], a [session.Lister] and [session.Local]. Any number of goroutines
// may use it.
type Store struct {
	max   int64
	evict bool

	nonce  [8]byte       // the first half of every Version: tells Stores apart
	writes atomic.Uint64 // the second half of a Version: a different one for each write of a Store
	bytes  atomic.Int64  // never more than max

	seed   maphash.Seed
	shards [64]shard
}

// New returns an empty Store. It panics where MaxBytes is negative.
func New(o *Options) *Store {
	if o == nil {
		o = &Options{}
	}
	if o.MaxBytes < 0 {
		panic(fmt.Sprintf("session: memstore: Options.MaxBytes is %d; 0 is the default, math.MaxInt64 no bound", o.MaxBytes))
	}
	s := &Store{max: o.MaxBytes, evict: o.Evict, seed: maphash.MakeSeed()}
	if s.max == 0 {
		s.max = DefaultMaxBytes
	}
	rand.Read(s.nonce[:])
	s.nonce[1] |= 1 // is zero in Absent and in Any
	for i := range s.shards {
		s.shards[i].records = make(map[session.ID]*record)
	}
	return s
}

// Local implements [session.Local].
func (*Store) Local() {}

// Load implements [session.Store]. It does not allocate: the Data it returns
// is shared with all other callers.
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if err := ctx.Err(); err != nil {
		return session.Record{}, err
	}
	sh := s.shard(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	r := sh.liveLocked(id, time.Now().UnixNano())
	if r == nil {
		return session.Record{}, session.ErrNotFound
	}
	return session.Record{
		Data:    r.data[:len(r.data):len(r.data)], // appending to it copies
		Expires: time.Unix(0, r.expires),
		Version: s.version(r.write),
	}, nil
}

// Save implements [session.Store]. Besides the errors of the contract it
// returns [ErrFull]. A record which alone takes more than Options.MaxBytes is
// [session.ErrTooLarge].
func (s *Store) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if r.Expires.IsZero() {
		return session.Absent, errors.New("session: memstore save: Record.Expires is zero: a session without an end would stay for good")
	}
	fresh := record{data: bytes.Clone(r.Data), expires: nanoseconds(r.Expires)}
	if fresh.size(id) > s.max {
		return session.Absent, fmt.Errorf("session: memstore save: %d bytes: %w", len(r.Data), session.ErrTooLarge)
	}
	for {
		if err := ctx.Err(); err != nil {
			return session.Absent, err
		}
		v, grow, err := s.put(id, fresh, over)
		if grow == 0 {
			return v, err
		}
		if !s.makeRoom(grow, id) {
			return session.Absent, ErrFull
		}
	}
}

// putLocked is a Save, if there is room. Else it changes nothing and returns by how
// much the Store would have to grow.
func (s *Store) put(id session.ID, fresh record, over session.Version) (v session.Version, grow int64, err error) {
	sh := s.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := time.Now().UnixNano()
	s.bytes.Add(-sh.reclaimLocked(now, 16))

	old := sh.liveLocked(id, now)
	switch {
	case over == session.Any:
	case over == session.Absent && old == nil:
	case old != nil && over == s.version(old.write):
	default:
		return session.Absent, 0, session.ErrConflict
	}
	if old == nil {
		old = sh.records[id] // one that has expired
	}
	grow = -old.size(id)
	if fresh.expires > now {
		grow += fresh.size(id)
	}
	if !s.reserve(grow) {
		return session.Absent, grow, nil
	}
	fresh.write = s.writes.Add(1)
	if fresh.expires > now {
		sh.putLocked(id, old, fresh)
	} else if old != nil {
		sh.removeLocked(old)
	}
	return s.version(fresh.write), 0, nil
}

// Len returns how many records the Store holds. Expired records count until their
// memory is reclaimed.
func (s *Store) Len() int {
	n := 0
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.RLock()
		n += len(sh.records)
		sh.mu.RUnlock()
	}
	return n
}

// Bytes is the memory that the records take, as Options.MaxBytes counts it.
func (s *Store) Bytes() int64 { return s.bytes.Load() }

func (s *Store) shard(id session.ID) *shard {
	return &s.shards[maphash.String(s.seed, string(id))%uint64(len(s.shards))]
}

func (s *Store) version(write uint64) (v session.Version) {
	copy(v[:8], s.nonce[:])
	binary.BigEndian.PutUint64(v[8:], write)
	return v
}

// nanoseconds returns t since 1970. A time that is later than an int64 can say, in
// 2262, counts as never.
func nanoseconds(t time.Time) int64 {
	if t.After(time.Unix(0, math.MaxInt64)) {
		return math.MaxInt64
	}
	if t.Before(time.Unix(0, 0)) {
		return 0
	}
	return t.UnixNano()
}
