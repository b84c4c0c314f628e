package session

import (
	"bytes"
	"hash/maphash"
	"sync"

	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/state"
)

// recent keeps the bundles that this process has opened or sealed, by their
// texts: to open one takes several times as long as all else that a read does
// here, and mostly a visitor sends the one that he sent the last time. The zero
// recent is empty.
//
// A text is told by a hash with a secret seed. Nobody gains by finding another
// text with the same: it would stand for a bundle of his own, since the ID in
// it has to be that of the token.
type recent struct {
	mu         sync.Mutex
	generation uint64 // of the keys that open all of them
	young, old map[uint64]state.Copy
	size       int // of the young ones, in bytes, about
}

// recentBytes is how much is kept at least; there may be twice as much.
const recentBytes = 8 << 20

var recentSeed = maphash.MakeSeed()

// sumOf is the sum of a text in pieces.
func sumOf(pieces ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(recentSeed)
	for _, piece := range pieces {
		_, _ = h.WriteString(piece)
	}
	return h.Sum64()
}

// recall returns the bundle of a text that the keys of that generation open.
func (r *recent) recall(sum, generation uint64) (state.Copy, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.generation != generation {
		return state.Copy{}, false
	}
	b, ok := r.young[sum]
	if !ok {
		if b, ok = r.old[sum]; ok {
			r.put(sum, b)
		}
	}
	return b, ok
}

func (r *recent) keep(sum, generation uint64, b state.Copy) {
	// What does not travel is not in it when it is opened elsewhere either.
	b.Born, b.State.Origin, b.State.Bare = false, nil, false
	if l := b.State.Entries; cap(l) > len(l)+len(l)/8 {
		b.State.Entries = bytes.Clone(l) // which may be a small part of what it was cut from
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.generation != generation {
		r.young, r.old, r.size, r.generation = nil, nil, 0, generation
	}
	r.put(sum, b)
}

// put forgets the old ones when there are enough young ones. r.mu is held.
func (r *recent) put(sum uint64, b state.Copy) {
	const about = 512 // for all but the values
	if r.size >= recentBytes {
		r.young, r.old, r.size = nil, r.young, 0
	}
	if r.young == nil {
		r.young = make(map[uint64]state.Copy)
	}
	r.young[sum] = b
	r.size += about + cap(b.State.Entries)
}

// openBundle opens what a request carried, or recalls it.
func (m *Manager) openBundle(c jar.Bundle) (state.Copy, error) {
	sum, generation := sumOf(c.Pieces()...), m.backup.Keys.Generation()
	if b, ok := m.recent.recall(sum, generation); ok {
		return b, nil
	}
	plain, _, err := m.bundles.Open(c.Text())
	if err != nil {
		return state.Copy{}, err
	}
	b, err := state.DecodeCopy(plain)
	if err == nil {
		m.recent.keep(sum, generation, b)
	}
	return b, err
}
