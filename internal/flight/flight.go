// Package flight lets those who ask the same question at the same time share an
// answer, and never an older one than their question: who comes while the
// question is under way may not take that answer, which may have been made
// before something that he knows of. He waits, and with all who came meanwhile
// asks once more. So there is one question of a key under way at a time.
package flight

import (
	"context"
	"hash/maphash"
	"sync"
)

// Group keeps the questions that are under way apart by their keys. The zero
// Group is ready; it holds memory only for keys that are asked. Any number of
// goroutines may use it.
type Group[K ~string, V any] struct {
	parts [16]part[K, V] // so that many processors do not wait for one another
}

type part[K ~string, V any] struct {
	mu    sync.Mutex
	crews map[K]*crew[V] // under way; nil where nobody waits
	_     [48]byte       // a cache line of its own
}

var seed = maphash.MakeSeed()

func (g *Group[K, V]) part(key K) *part[K, V] {
	return &g.parts[maphash.String(seed, string(key))%uint64(len(g.parts))]
}

// Do asks, or takes the answer of somebody who began to ask after Do was
// called; shared tells which. When ctx ends while it waits, it returns ctx's
// error. What ask does when ctx ends is its own concern.
func (g *Group[K, V]) Do(ctx context.Context, key K, ask func() V) (v V, shared bool, err error) {
	p := g.part(key)
	for {
		c := p.enter(key)
		if c != nil {
			select {
			case <-c.done:
				if !c.answered { // he panicked
					continue
				}
				return c.answer, true, nil
			case <-c.turn:
			case <-ctx.Done():
				p.quit(c, key)
				return v, false, ctx.Err()
			}
		}
		return p.ask(c, key, ask), false, nil
	}
}

// ask is for the one whose turn it is, with a crew or without.
func (p *part[K, V]) ask(c *crew[V], key K, ask func() V) V {
	defer p.leave(c, key)
	v := ask()
	if c != nil {
		c.answer, c.answered = v, true
	}
	return v
}

// crew are those who wait to ask together.
type crew[V any] struct {
	turn    chan struct{} // holds an element once it is the crew's turn, until one of them asks
	members int           // who waits, and who asks; guarded by part.mu

	done     chan struct{} // closed when the one who asked has left
	answer   V
	answered bool
}

// enter returns the crew that the caller waits with, or nil: he asks.
func (p *part[K, V]) enter(key K) *crew[V] {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, busy := p.crews[key]
	if !busy {
		if p.crews == nil {
			p.crews = make(map[K]*crew[V])
		}
		p.crews[key] = nil
		return nil
	}
	if c == nil {
		c = &crew[V]{turn: make(chan struct{}, 1), done: make(chan struct{})}
		p.crews[key] = c
	}
	c.members++
	return c
}

// leave is for the one who asked, for a crew or for himself.
func (p *part[K, V]) leave(c *crew[V], key K) {
	if c != nil {
		close(c.done)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next(key)
}

// next gives the turn to the crew that waits for it. p.mu is held.
func (p *part[K, V]) next(key K) {
	c := p.crews[key]
	if c == nil {
		delete(p.crews, key)
		return
	}
	p.crews[key] = nil
	c.turn <- struct{}{}
}

// quit is for one who does not wait any longer. The last one takes the crew
// along, or its turn.
func (p *part[K, V]) quit(c *crew[V], key K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.members--; c.members > 0 {
		return
	}
	if p.crews[key] == c {
		p.crews[key] = nil
		return
	}
	select {
	case <-c.turn:
		p.next(key)
	default: // nobody is left, and the one who asked has had the turn
	}
}

// Len is the number of keys that are asked.
func (g *Group[K, V]) Len() (n int) {
	for i := range g.parts {
		p := &g.parts[i]
		p.mu.Lock()
		n += len(p.crews)
		p.mu.Unlock()
	}
	return n
}
