// Package flight coalesces concurrent loads of one key. A caller never joins a
// load that was already in flight, because its result may predate a write that the
// caller has observed. The caller waits for that load and shares the next one with
// all other callers that wait. So at most one load of a key is in flight.
package flight

import (
	"context"
	"sync"
)

// Group coalesces the loads of any number of keys. The zero Group is ready; it
// holds memory for as many keys as were ever loaded at once. Any number of
// goroutines may use it.
type Group[K ~string, V any] struct {
	slots [256]slot[K, V] // by a hash of the key, so that callers of different keys hardly meet
}

type slot[K ~string, V any] struct {
	mu       sync.Mutex
	underWay []question[K, V]
}

type question[K ~string, V any] struct {
	key  K
	crew *crew[V] // the callers that wait; nil: none
}

// crew are the callers that share the next load.
type crew[V any] struct {
	turn    chan struct{} // holds an element once it is the crew's turn, until one of them loads
	members int           // those that wait, and the one that loads; guarded by slot.mu

	done     chan struct{} // closed when the one that loaded has left
	answer   V
	answered bool
}

func (g *Group[K, V]) slot(key K) *slot[K, V] {
	h := uint32(2166136261) // FNV-1a, of the end: keys that begin alike are common
	for i := max(0, len(key)-8); i < len(key); i++ {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return &g.slots[(h^h>>16)%uint32(len(g.slots))]
}

// Turn is one goroutine's part in the loads of a key. A goroutine that loads calls
// Leave when it has the answer; the others do not.
type Turn[K ~string, V any] struct {
	Key  K
	slot *slot[K, V]
	crew *crew[V] // nil: it loads for itself alone
}

// Enter returns the caller's turn. If asks is true the caller loads; otherwise it
// calls Wait.
func (g *Group[K, V]) Enter(key K) (t Turn[K, V], asks bool) {
	s := g.slot(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.findLocked(key)
	if q == nil {
		s.underWay = append(s.underWay, question[K, V]{key: key})
		return Turn[K, V]{Key: key, slot: s}, true
	}
	if q.crew == nil {
		q.crew = &crew[V]{turn: make(chan struct{}, 1), done: make(chan struct{})}
	}
	q.crew.members++
	return Turn[K, V]{Key: key, slot: s, crew: q.crew}, false
}

// Outcome is what a caller has waited for: an answer, or its turn to load. It is neither
// where the load gave no answer; the caller enters anew then.
type Outcome[V any] struct {
	Answer   V
	Answered bool // Answer is of a load that began after Enter
	Asks     bool // the caller is the one to load
}

// Wait waits for an outcome. When ctx ends first Wait returns ctx's error, and there is
// no turn to leave.
func (t Turn[K, V]) Wait(ctx context.Context) (Outcome[V], error) {
	select {
	case <-t.crew.done:
		return Outcome[V]{Answer: t.crew.answer, Answered: t.crew.answered}, nil
	case <-t.crew.turn:
		return Outcome[V]{Asks: true}, nil
	case <-ctx.Done():
		t.quit()
		return Outcome[V]{}, ctx.Err()
	}
}

// Shared reports whether other callers wait for the answer of this load.
func (t Turn[K, V]) Shared() bool { return t.crew != nil }

// Answer gives them the answer. It comes before Leave.
func (t Turn[K, V]) Answer(v V) { t.crew.answer, t.crew.answered = v, true }

// Leave ends the turn of the caller that has loaded.
func (t Turn[K, V]) Leave() {
	if t.crew != nil {
		close(t.crew.done)
	}
	t.slot.mu.Lock()
	defer t.slot.mu.Unlock()
	t.slot.nextLocked(t.Key)
}

// quit ends the turn of a caller that does not wait any longer. The last one of a
// crew removes the crew, or passes its turn on.
func (t Turn[K, V]) quit() {
	s := t.slot
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.crew.members--; t.crew.members > 0 {
		return
	}
	if q := s.findLocked(t.Key); q != nil && q.crew == t.crew {
		q.crew = nil
		return
	}
	select {
	case <-t.crew.turn:
		s.nextLocked(t.Key)
	default: // the caller that loaded has had it
	}
}

func (s *slot[K, V]) findLocked(key K) *question[K, V] {
	for i := range s.underWay {
		if s.underWay[i].key == key {
			return &s.underWay[i]
		}
	}
	return nil
}

// nextLocked gives the turn to the crew that waits for it.
func (s *slot[K, V]) nextLocked(key K) {
	q := s.findLocked(key)
	if c := q.crew; c != nil {
		q.crew = nil
		c.turn <- struct{}{}
		return
	}
	last := len(s.underWay) - 1
	*q = s.underWay[last]
	s.underWay[last] = question[K, V]{}
	s.underWay = s.underWay[:last]
}

// Len returns the number of keys that are being loaded.
func (g *Group[K, V]) Len() (n int) {
	for i := range g.slots {
		s := &g.slots[i]
		s.mu.Lock()
		n += len(s.underWay)
		s.mu.Unlock()
	}
	return n
}
