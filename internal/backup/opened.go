package backup

import (
	"bytes"
	"hash/maphash"
	"sync"

	"github.com/holdfast-go/session/internal/state"
)

// openedCache has the copies that this process has opened or sealed lately, by
// their sealed texts. To open a copy takes several times as long as all else that
// a read does in this process, and most requests carry the text that the last one
// carried. The zero openedCache is empty.
//
// The key of a text is a hash with a secret seed. A client gains nothing by
// finding another text with the same hash: it would stand for a copy of the
// client's own, because the ID in it must be that of the token.
type openedCache struct {
	mu         sync.Mutex
	generation uint64 // of the keys that open all of them
	young, old map[uint64]state.Copy
	size       int // of the young ones, in bytes, about
}

const (
	// cacheBytes is how much is kept at least; there may be twice as much.
	cacheBytes = 8 << 20

	// copyBytes is about what a copy takes up besides its entries.
	copyBytes = 512
)

var cacheSeed = maphash.MakeSeed()

// sumOf is the hash of a text in pieces.
func sumOf(pieces ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(cacheSeed)
	for _, piece := range pieces {
		_, _ = h.WriteString(piece)
	}
	return h.Sum64()
}

// get returns the copy of a text that the keys of that generation open.
func (o *openedCache) get(sum, generation uint64) (state.Copy, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.generation != generation {
		return state.Copy{}, false
	}
	b, ok := o.young[sum]
	if !ok {
		if b, ok = o.old[sum]; ok {
			o.putLocked(sum, b)
		}
	}
	return b, ok
}

// put keeps b as it would be opened elsewhere: without what does not travel.
func (o *openedCache) put(sum, generation uint64, b state.Copy) {
	b.Born, b.State.Bare = false, false
	b.State.Origin = nil
	if l := b.State.Entries; cap(l) > len(l)+len(l)/8 {
		b.State.Entries = bytes.Clone(l) // which may be a small part of what it was cut from
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.generation != generation {
		o.young, o.old = nil, nil
		o.size, o.generation = 0, generation
	}
	o.putLocked(sum, b)
}

// putLocked drops the old ones when there are enough young ones.
func (o *openedCache) putLocked(sum uint64, b state.Copy) {
	if o.size >= cacheBytes {
		o.young, o.old = nil, o.young
		o.size = 0
	}
	if o.young == nil {
		o.young = make(map[uint64]state.Copy)
	}
	o.young[sum] = b
	o.size += copyBytes + cap(b.State.Entries)
}

// bytes returns about how many bytes the copies in it take up.
func (o *openedCache) bytes() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, kept := range []map[uint64]state.Copy{o.young, o.old} {
		for _, b := range kept {
			n += copyBytes + cap(b.State.Entries)
		}
	}
	return n
}
