package redisstore

import (
	"container/list"
	"hash/maphash"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// A floor keeps a cache from showing a writer its own old value. It is set for a key
// when this store writes it, and says which version the cache may give out; none, while
// the write is under way or where its outcome is unknown.
//
// A floor suffices for that. Versions are random and cannot be compared, so a
// cached record that is not the floor's is read again past the cache. That GET
// began after every write that the floor stands for had returned, so what it finds
// becomes the floor. Two GETs at once may answer in either order, so only the first
// to come back moves it. Two writes at once may have happened in either order, so
// they leave the floor closed, for the next read to set.
//
// A floor may lapse after a while. The client gives out an entry only until ttl after
// it began to fetch it, by the wall clock (its LRU takes the earlier of that and the
// server's PTTL). So ttl after a write returned, what the cache gives out was fetched
// after the write. A fetch may end with the reply to an earlier one of the same key,
// whose caller gave up: it was sent at most as long before as the client lets a
// connection be silent, and the notice of the write comes right behind it. stall is for
// that one.
type floor struct {
	set     bool
	version session.Version // Absent: the cache is not asked
	turn    uint64          // changes whenever the floor does
}

func (f floor) closed() bool { return f.set && f.version == session.Absent }

func (f floor) admits(v session.Version) bool { return !f.set || f.version == v }

const (
	// stall is longer than the client leaves a silent connection open, which is
	// KeepAlive + ConnWriteTimeout: 2 s with ClientOption, 11 s by default.
	stall = 15 * time.Second

	// shardFloors of each of floorShards are kept at most, in about 15 MB in
	// all. Then the oldest goes, and until it would have lapsed nothing of its
	// shard is read from the cache.
	shardFloors = 4096
	floorShards = 16
)

// floors are the floors of one Store, which may be nil: then there are none.
type floors struct {
	seed   maphash.Seed
	life   int64 // milliseconds
	shards [floorShards]floorShard
}

type floorShard struct {
	mu          sync.RWMutex
	keys        map[string]*keyFloor
	oldest      list.List // of *keyFloor, in the order in which they lapse; without those being written
	turn        uint64
	blindBefore int64 // no key of the shard is cached before then
}

type keyFloor struct {
	key     string
	floor   floor
	writes  int           // under way
	crowded bool          // at least two of them were at once
	lapses  int64         // Unix milliseconds, the clock of the client's cache
	place   *list.Element // nil while writes are under way
}

func newFloors(ttl time.Duration) *floors {
	f := &floors{seed: maphash.MakeSeed(), life: (ttl + stall).Milliseconds()}
	for i := range f.shards {
		f.shards[i].keys = make(map[string]*keyFloor)
	}
	return f
}

func (f *floors) shard(key string) *floorShard {
	return &f.shards[maphash.String(f.seed, key)%floorShards]
}

// of is the floor of key at this moment.
func (f *floors) of(key string) floor {
	if f == nil {
		return floor{}
	}
	s := f.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := s.keys[key]
	if k == nil && s.blindBefore == 0 {
		return floor{}
	}
	now := time.Now().UnixMilli()
	switch {
	case k == nil:
		return floor{set: now < s.blindBefore}
	case k.writes == 0 && now >= k.lapses:
		return floor{}
	}
	return k.floor
}

// lift notes that a write of key begins. Until settle no cached record of key counts.
func (f *floors) lift(key string) {
	if f == nil {
		return
	}
	s := f.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pruneLocked(time.Now().UnixMilli())
	k := s.keys[key]
	if k == nil {
		k = &keyFloor{key: key}
		s.keys[key] = k
	}
	if k.place != nil {
		s.oldest.Remove(k.place)
		k.place = nil
	}
	if k.writes++; k.writes > 1 {
		k.crowded = true
	}
	s.putLocked(k, session.Absent)
}

// settle ends what lift began. Where the write was acknowledged, and no other
// of the same key overlapped it, the floor is v.
func (f *floors) settle(key string, v session.Version, acknowledged bool) {
	if f == nil {
		return
	}
	s := f.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[key]
	k.writes--
	if k.writes > 0 {
		return
	}
	if !acknowledged || k.crowded {
		v = session.Absent
	}
	s.putLocked(k, v)
	k.crowded = false
	k.lapses = time.Now().UnixMilli() + f.life
	k.place = s.oldest.PushBack(k)
}

// raise makes v the floor of key, if it is still the one that was.
func (f *floors) raise(key string, was floor, v session.Version) {
	if f == nil || !was.set || was.version == v {
		return
	}
	s := f.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.keys[key]; k != nil && k.writes == 0 && k.floor.turn == was.turn {
		s.putLocked(k, v)
	}
}

func (s *floorShard) putLocked(k *keyFloor, v session.Version) {
	s.turn++
	k.floor = floor{set: true, version: v, turn: s.turn}
}

// pruneLocked drops what has lapsed, and the oldest where there are too many. Those
// of writes under way stay.
func (s *floorShard) pruneLocked(now int64) {
	if now >= s.blindBefore {
		s.blindBefore = 0
	}
	for e := s.oldest.Front(); e != nil; e = s.oldest.Front() {
		k := e.Value.(*keyFloor)
		if now < k.lapses {
			if len(s.keys) < shardFloors {
				return
			}
			s.blindBefore = max(s.blindBefore, k.lapses)
		}
		s.oldest.Remove(e)
		delete(s.keys, k.key)
	}
}
