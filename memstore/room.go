package memstore

import (
	"math"
	"time"

	"github.com/holdfast-go/session"
)

// reserve counts n more bytes, if they fit or are none.
func (s *Store) reserve(n int64) bool {
	for {
		held := s.bytes.Load()
		if n > 0 && n > s.max-held {
			return false
		}
		if s.bytes.CompareAndSwap(held, held+n) {
			return true
		}
	}
}

// makeRoom removes records until n bytes fit, and reports whether they do:
// first those that have expired, and, with Options.Evict, those nearest to
// their expiry in all shards. The record of keep stays: a Save is to replace
// it. No two shards are locked at once.
func (s *Store) makeRoom(n int64, keep session.ID) bool {
	for n > s.max-s.bytes.Load() {
		limit := int64(math.MaxInt64)
		if !s.evict {
			limit = time.Now().UnixNano()
		}
		sh := s.nearest(limit, keep)
		if sh == nil {
			return false
		}
		sh.mu.Lock()
		// Another Save may have been here in between. The record that is nearest
		// now will do, within the limit.
		if r := sh.nearestLocked(keep); r != nil && r.expires <= limit {
			sh.removeLocked(r)
			s.bytes.Add(-r.size(r.id))
		}
		sh.mu.Unlock()
	}
	return true
}

// nearestLocked is the shard of the record nearest to its expiry, keep aside, if
// that is no later than limit; else nil.
func (s *Store) nearest(limit int64, keep session.ID) (nearest *shard) {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.RLock()
		if r := sh.nearestLocked(keep); r != nil && r.expires <= limit {
			nearest, limit = sh, r.expires
		}
		sh.mu.RUnlock()
	}
	return nearest
}
