package session

import (
	"context"
	"hash/maphash"
	"sync"
)

// To open a bundle takes ten times as long as all else that a read does here.
// But mostly a visitor sends what he sent the last time, and the store has what
// it had then. So this process keeps in mind which bundles it has opened, and
// that the store had all of what was in them when its record had some version.
// A request that brings one of them while the record has that version still
// learns all that it needs from the store; else the bundle is opened after all.
//
// The bundle's text is told by a hash with a secret seed. Nobody gains by
// finding another text with the same: it could only stand for his own bundle,
// since the ID has to be the token's.

// recent holds what is kept in mind. The zero recent is empty.
type recent struct {
	mu         sync.Mutex
	generation uint64 // of the keys that opened them
	young, old map[uint64]memory
}

// memory is a bundle without its values.
type memory struct {
	bundle
	version Version // of a record that had all of them
}

// recentBundles is how many are kept at least. Each takes about 400 bytes, and
// there may be twice as many.
const recentBundles = 8192

var recentSeed = maphash.MakeSeed()

func (r *recent) recall(sum, generation uint64) (memory, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.generation != generation {
		return memory{}, false
	}
	e, ok := r.young[sum]
	if !ok {
		if e, ok = r.old[sum]; ok {
			r.put(sum, e)
		}
	}
	return e, ok
}

func (r *recent) keep(sum, generation uint64, e memory) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.generation != generation {
		r.young, r.old, r.generation = nil, nil, generation
	}
	r.put(sum, e)
}

// put forgets the old ones when there are enough young ones. r.mu is held.
func (r *recent) put(sum uint64, e memory) {
	if len(r.young) >= recentBundles {
		r.young, r.old = nil, r.young
	}
	if r.young == nil {
		r.young = make(map[uint64]memory)
	}
	r.young[sum] = e
}

// bundleSum tells the only bundle of a request from others, if there is one and
// nothing is wrong with the cookies.
func (in *mail) bundleSum() (sum uint64, ok bool) {
	n := 0
	var h maphash.Hash
	h.SetSeed(recentSeed)
	for b := range in.bundles.Bundles {
		if n++; n > 1 {
			return 0, false
		}
		for _, piece := range b.Pieces() {
			_, _ = h.WriteString(piece)
		}
	}
	return h.Sum64(), n == 1 && !in.bundles.Incomplete()
}

// recall is open for a bundle that is kept in mind. The witness lacks the
// values, until unfold.
func (m *Manager) recall(in *mail, id ID) (witness, bool) {
	if m.foreign() { // who has no versions that only one write has
		return witness{}, false
	}
	in.generation = m.backup.Keys.Generation()
	var ok bool
	if in.sum, ok = in.bundleSum(); !ok {
		return witness{}, false
	}
	e, ok := m.recent.recall(in.sum, in.generation)
	if !ok || e.id != id {
		return witness{}, false
	}
	for b := range in.bundles.Bundles {
		in.names = append(in.names, b.Name)
	}
	return witness{bundle: e.bundle, found: true, folded: in, version: e.version}, true
}

// keepInMind remembers the only bundle that a request brought, if it and the
// store's record have the same values.
func (m *Manager) keepInMind(in *mail, w witness, l loaded) {
	if in.sum == 0 || !w.found || w.folded != nil || l.phase != live || l.source != FromStore || l.repair ||
		!w.state.entries.covers(l.state.entries) {
		return
	}
	e := memory{w.bundle, l.version}
	e.state.entries = nil
	m.recent.keep(in.sum, in.generation, e)
}

// unfold opens the bundle of which the witness lacks the values.
func (m *Manager) unfold(ctx context.Context, w *witness) {
	in, ended := w.folded, w.ended
	if in == nil {
		return
	}
	if in.unfolded == nil {
		in.names = nil
		full := m.openBundles(ctx, in, w.id)
		in.unfolded = &full
	}
	*w = *in.unfolded
	w.ended = ended
}
