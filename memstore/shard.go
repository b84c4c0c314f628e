package memstore

import (
	"container/heap"
	"strings"
	"sync"

	"github.com/holdfast-go/session"
)

// shard is a part of the records, found by ID and ordered by expiry.
type shard struct {
	mu      sync.RWMutex
	records map[session.ID]*record
	expiry  byExpiry
}

type record struct {
	id      session.ID
	data    []byte // replaced, never written to: callers of Load hold it
	expires int64  // in Unix nanoseconds
	write   uint64 // see Store.version
	place   int    // in byExpiry
}

// overhead is what a record takes besides its ID and data: 64 bytes for the
// struct, the rest for its places in the map and in the heap. Measured with a
// million of them: see BenchmarkStanding.
const overhead = 128

// size is what a record counts against Options.MaxBytes. The capacity of a
// cloned slice is what the allocator took for it.
func (r *record) size(id session.ID) int64 {
	if r == nil {
		return 0
	}
	return int64(len(id) + cap(r.data) + overhead)
}

// liveLocked is the record that stands under id, or nil.
func (sh *shard) liveLocked(id session.ID, now int64) *record {
	if r := sh.records[id]; r != nil && now < r.expires {
		return r
	}
	return nil
}

// putLocked writes fresh in the place of old, which may be nil. The ID is copied: it
// may be a piece of a larger string.
func (sh *shard) putLocked(id session.ID, old *record, fresh record) {
	if old != nil {
		old.data = fresh.data
		old.expires = fresh.expires
		old.write = fresh.write
		heap.Fix(&sh.expiry, old.place)
		return
	}
	r := &record{id: session.ID(strings.Clone(string(id))), data: fresh.data, expires: fresh.expires, write: fresh.write}
	sh.records[r.id] = r
	heap.Push(&sh.expiry, r)
}

func (sh *shard) removeLocked(r *record) {
	heap.Remove(&sh.expiry, r.place)
	delete(sh.records, r.id)
}

// reclaimLocked removes up to n expired records and returns their size.
func (sh *shard) reclaimLocked(now int64, n int) (freed int64) {
	for ; n > 0 && len(sh.expiry) > 0 && sh.expiry[0].expires <= now; n-- {
		r := sh.expiry[0]
		freed += r.size(r.id)
		sh.removeLocked(r)
	}
	return freed
}

// nearestLocked is the record nearest to its expiry, keep aside; nil if there is none.
func (sh *shard) nearestLocked(keep session.ID) *record {
	var nearest *record
	for _, r := range sh.expiry[:min(3, len(sh.expiry))] { // the root and its children
		if r.id != keep && (nearest == nil || r.expires < nearest.expires) {
			nearest = r
		}
	}
	return nearest
}

// byExpiry is a heap.Interface.
type byExpiry []*record

func (h byExpiry) Len() int           { return len(h) }
func (h byExpiry) Less(i, j int) bool { return h[i].expires < h[j].expires }

func (h byExpiry) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *byExpiry) Push(x any) {
	r := x.(*record)
	r.place = len(*h)
	*h = append(*h, r)
}

// Pop implements heap.Interface.
func (h *byExpiry) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return r
}
