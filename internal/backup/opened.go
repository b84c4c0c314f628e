package backup

import (
	"bytes"
	"hash/maphash"
	"sync"

	"github.com/holdfast-go/session/internal/state"
)

// openedCache holds the copies that this process has opened or sealed lately, by their
// sealed texts. Opening a copy takes several times as long as all else that a read does
// in this process, and most requests carry the same text as the one before. The zero
// openedCache is empty.
//
// The key of a text is a hash with a secret seed. A client gains nothing by
// finding another text with the same hash: it would stand for a copy of the
// client's own, because the ID in it must be that of the token.
type openedCache struct {
	mu         sync.Mutex
	generation uint64 // of the keys that open all of them
	young, old map[uint64]*kept
	size       int // of the young ones, in bytes, about
}

// kept is a copy, and the bytes to which some of its values were compressed: a write that
// changes another value need not compress these again. Nothing alters it.
type kept struct {
	state.Copy
	deflated []deflated
}

// deflated is what the value of a name was compressed to.
type deflated struct {
	name string
	body []byte
}

// bodyOf returns what the value of e was compressed to in k, nil where k has none or
// another value.
func (k *kept) bodyOf(e state.Entry) []byte {
	for _, d := range k.deflated {
		if d.name == string(e.Name) {
			if had, ok := k.State.Entries.Find(d.name); ok && bytes.Equal(had.Value, e.Value) {
				return d.body
			}
		}
	}
	return nil
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
func (o *openedCache) get(sum, generation uint64) (*kept, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.generation != generation {
		return nil, false
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
func (o *openedCache) put(sum, generation uint64, b kept) {
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
	o.putLocked(sum, &b)
}

// putLocked drops the old ones when there are enough young ones.
func (o *openedCache) putLocked(sum uint64, b *kept) {
	if o.size >= cacheBytes {
		o.young, o.old = nil, o.young
		o.size = 0
	}
	if o.young == nil {
		o.young = make(map[uint64]*kept)
	}
	o.young[sum] = b
	o.size += b.bytes()
}

// bytes returns about how many bytes k takes up.
func (k *kept) bytes() int {
	n := copyBytes + cap(k.State.Entries)
	for _, d := range k.deflated {
		n += cap(d.body)
	}
	return n
}

// bytes returns about how many bytes the copies in it take up.
func (o *openedCache) bytes() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, half := range []map[uint64]*kept{o.young, o.old} {
		for _, b := range half {
			n += b.bytes()
		}
	}
	return n
}
