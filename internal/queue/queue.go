// Package queue lets goroutines that work on the same key take turns, and hand a
// value to the next one. Saves of one session use it.
package queue

import (
	"context"
	"sync"
)

// Queue is one line of waiting goroutines for each key in use. The zero Queue
// is ready; it holds memory only for keys that a goroutine works on.
type Queue[K comparable, V any] struct {
	mu    sync.Mutex
	lines map[K]*line[V]
}

type line[V any] struct {
	free    chan struct{} // holds one element while nobody has the turn
	members int           // the one that has the turn, and those that wait; guarded by Queue.mu
	last    *V
}

// Turn is held by one goroutine of a key at a time.
type Turn[K comparable, V any] struct {
	q   *Queue[K, V]
	key K
	l   *line[V]
}

// Enter waits for the turn. When ctx ends first it returns its error, and
// there is no turn to leave.
func (q *Queue[K, V]) Enter(ctx context.Context, key K) (Turn[K, V], error) {
	q.mu.Lock()
	l := q.lines[key]
	if l == nil {
		l = &line[V]{free: make(chan struct{}, 1)}
		l.free <- struct{}{}
		if q.lines == nil {
			q.lines = make(map[K]*line[V])
		}
		q.lines[key] = l
	}
	l.members++
	q.mu.Unlock()

	t := Turn[K, V]{q, key, l}
	select {
	case <-l.free: // without asking ctx for its channel
		return t, nil
	default:
	}
	select {
	case <-l.free:
		return t, nil
	case <-ctx.Done():
		t.quit()
		return Turn[K, V]{}, ctx.Err()
	}
}

// Last returns what the turn before this one left behind, if anything, and if
// this one was waiting for it.
func (t Turn[K, V]) Last() (v V, ok bool) {
	if t.l.last == nil {
		return v, false
	}
	return *t.l.last, true
}

// Pass leaves v to the next turn.
func (t Turn[K, V]) Pass(v V) { t.l.last = &v }

// Leave ends the turn.
func (t Turn[K, V]) Leave() {
	t.l.free <- struct{}{}
	t.quit()
}

func (t Turn[K, V]) quit() {
	t.q.mu.Lock()
	defer t.q.mu.Unlock()
	if t.l.members--; t.l.members == 0 {
		delete(t.q.lines, t.key)
	}
}

// Len is the number of keys in use.
func (q *Queue[K, V]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.lines)
}
