// Package groupcommit combines the commits of one key. While one is being saved,
// those that come meanwhile wait, and the next save carries all of them, as group
// commit does in databases (DeWitt et al., 1984). Each commit makes its own changes
// in its own goroutine; one that fails, panics or gives up leaves the others as they
// were.
package groupcommit

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Group keeps the commits of different keys apart. S is what they are made on. The
// zero Group is ready; it holds memory only for keys that are being committed. Any
// number of goroutines may use it.
type Group[S any] struct {
	mu    sync.Mutex
	lines map[string]*line[S]
}

// line is the commits of one key. Group.mu guards it and its seats.
type line[S any] struct {
	leading bool // a crew is at work
	waiting []*seat[S]
}

// Member is one commit. Its functions are called one at a time, in the goroutine
// that called Do.
type Member[S any] struct {
	// Alone says that no other commit may be saved together with this one.
	Alone bool

	// Brings is the state that this commit knows, for the crew's leader.
	Brings S

	// Apply makes the commit's changes on s. It may be called several times, each
	// time with the state of that moment. An error takes the commit out of the
	// crew, and Do returns it.
	Apply func(s S) (S, error)

	// Lead saves what the crew comes to, and returns that for all members.
	Lead func(c *Crew[S]) (S, error)
}

// ErrCarried is the error of a commit that has given up waiting while a save carried
// its changes: they may be saved. It comes together with the error of the context.
var ErrCarried = errors.New("its changes were being saved")

type seat[S any] struct {
	member  *Member[S]
	line    *line[S]
	orders  chan order[S] // holds one; nil for a commit that never waits
	reply   chan answer[S]
	ordered bool // an order was given, and not carried out yet
	gone    bool // gave up
	carried bool // its changes are in what is being saved
}

type order[S any] struct {
	kind orderKind
	s    S
	err  error    // of the outcome
	crew *Crew[S] // to lead
}

type orderKind uint8

const (
	apply orderKind = iota
	lead
	outcome
)

type answer[S any] struct {
	s  S
	ok bool
}

// Do takes part in the commits of key and returns their result. It waits until ctx
// ends at most; once the caller leads or its Apply runs, ctx does not count.
func (g *Group[S]) Do(ctx context.Context, key string, m Member[S]) (S, error) {
	me := &seat[S]{member: &m}
	if crew := g.enter(key, me); crew != nil {
		return crew.run(me)
	}
	for {
		var o order[S]
		select {
		case o = <-me.orders:
		case <-ctx.Done():
			carried, gone := g.quit(me)
			if !gone {
				o = <-me.orders
				break
			}
			var none S
			if carried {
				return none, errors.Join(ctx.Err(), ErrCarried)
			}
			return none, ctx.Err()
		}
		switch o.kind {
		case lead:
			return o.crew.run(me)
		case outcome:
			return o.s, o.err
		case apply:
			s, err := g.applied(me, o.s)
			if err != nil {
				return s, err
			}
		}
	}
}

// enter returns a crew of the caller alone if no commit of the key is under way.
func (g *Group[S]) enter(key string, me *seat[S]) *Crew[S] {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lines == nil {
		g.lines = make(map[string]*line[S])
	}
	l := g.lines[key]
	if l == nil {
		l = &line[S]{}
		g.lines[key] = l
	}
	me.line = l
	if l.leading {
		me.orders = make(chan order[S], 1)
		me.reply = make(chan answer[S], 1)
		l.waiting = append(l.waiting, me)
		return nil
	}
	l.leading = true
	return &Crew[S]{group: g, key: key, line: l}
}

// quit removes a seat from the queue that it waits in. gone is false where the seat
// has an order, which it has to carry out.
func (g *Group[S]) quit(me *seat[S]) (carried, gone bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if me.ordered {
		return false, false
	}
	me.gone = true
	if i := slices.Index(me.line.waiting, me); i >= 0 {
		me.line.waiting = slices.Delete(me.line.waiting, i, i+1)
	}
	return me.carried, true
}

// applied runs the caller's Apply and sends the leader its result, also where it
// panics.
func (g *Group[S]) applied(me *seat[S], s S) (out S, err error) {
	ok := false
	defer func() {
		g.mu.Lock()
		me.ordered = false
		me.gone = !ok
		me.carried = ok
		g.mu.Unlock()
		me.reply <- answer[S]{out, ok}
	}()
	out, err = me.member.Apply(s)
	ok = err == nil
	return out, err
}
