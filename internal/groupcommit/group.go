// Package groupcommit combines the commits of one key. While one is being saved,
// those that come meanwhile wait, and the next save carries all of them, as group
// commit does in databases (DeWitt et al., 1984). Each commit makes its own changes
// in its own goroutine; one that fails, panics or gives up leaves the others as they
// were. Group.Do waits and takes its turn (group.go); a Crew is what one save carries
// (crew.go). Package commit uses it.
package groupcommit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/deadline"
)

// Group keeps the commits of different keys apart. S is what they are made on. The
// zero Group is ready; it holds memory only for keys that are being committed. Any
// number of goroutines may use it.
type Group[S any] struct {
	mu     sync.Mutex
	queues map[string]*queue[S]

	waits deadline.SharedTimer
	turns sync.Pool // of *turn[S]
}

// queue is the commits of one key, while a crew is at work. Group.mu guards it and its
// seats.
type queue[S any] struct{ waiting []*seat[S] }

// turn is the queue of a commit that nobody else waits for, and its crew of one. It is
// used again, so that such a commit costs nothing.
type turn[S any] struct {
	queue queue[S]
	crew  Crew[S]
}

// Member is one commit. Its methods are called one at a time, in the goroutine that
// called Do.
type Member[S any] interface {
	// Alone reports whether no other commit may be saved together with this one.
	Alone() bool

	// Brings returns the state that this commit knows, for the crew's leader.
	Brings() S

	// Apply makes the commit's changes on s. It may be called several times, each
	// time with the state of that moment. An error takes the commit out of the
	// crew, and Do returns it. So does a call for another leader that takes longer
	// than half the patience of Do: nothing was saved, and Do returns ErrGaveUp.
	Apply(s S) (S, error)

	// Lead saves what the crew comes to, and returns that for all members. It gets
	// Do's context.
	Lead(ctx context.Context, c *Crew[S]) (S, error)
}

var (
	// ErrGaveUp is the error of a commit that was not saved in time. It is wrapped
	// together with the error of the context, or context.DeadlineExceeded.
	ErrGaveUp = errors.New("gave up waiting")

	// ErrCarried is an ErrGaveUp while a save carried the commit's changes: they may
	// be saved.
	ErrCarried = fmt.Errorf("%w while its changes were being saved", ErrGaveUp)
)

// seat is a commit that waits.
type seat[S any] struct {
	member  Member[S]
	brings  S
	queue   *queue[S]
	orders  chan order[S] // holds one
	reply   chan answer[S]
	alone   bool
	apply   time.Duration // how long Apply may take for another leader
	late    bool          // it has taken longer
	ordered bool          // an order was given, and not carried out yet
	gone    bool          // gave up
	carried bool          // its changes are in what is being saved
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
// ends or patience is over; once the caller leads, or its Apply runs, Do returns when that
// is done. A leader waits for an Apply of the caller for half of patience at most.
func (g *Group[S]) Do(ctx context.Context, key string, patience time.Duration, m Member[S]) (S, error) {
	crew, me := g.enter(key, patience, m)
	if crew != nil {
		return crew.run(ctx, m)
	}
	limit := g.waits.After(ctx, time.Now(), patience)
	for {
		var o order[S]
		var over error
		select {
		case o = <-me.orders:
		case <-ctx.Done():
			over = ctx.Err()
		case <-limit.Done():
			over = limit.Err()
		}
		if over != nil {
			if left := g.quit(me); left != nil {
				return o.s, fmt.Errorf("%w: %w", left, over)
			}
			o = <-me.orders
		}
		switch o.kind {
		case lead:
			return o.crew.run(ctx, m)
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

// enter returns a crew of the caller alone if no commit of the key is under way, and
// else a seat to wait in.
func (g *Group[S]) enter(key string, patience time.Duration, m Member[S]) (*Crew[S], *seat[S]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.queues == nil {
		g.queues = make(map[string]*queue[S])
	}
	l := g.queues[key]
	if l == nil {
		t, _ := g.turns.Get().(*turn[S])
		if t == nil {
			t = new(turn[S])
		}
		l = &t.queue
		g.queues[key] = l
		t.crew = Crew[S]{group: g, key: key, queue: l, turn: t}
		return &t.crew, nil
	}
	me := &seat[S]{
		member: m, brings: m.Brings(), alone: m.Alone(), queue: l, apply: patience / 2,
		orders: make(chan order[S], 1), reply: make(chan answer[S], 1),
	}
	l.waiting = append(l.waiting, me)
	return nil, me
}

// quit removes a seat from the queue that it waits in and returns the caller's error.
// It returns nil where the seat has an order, which it has to carry out.
func (g *Group[S]) quit(me *seat[S]) (left error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if me.ordered {
		return nil
	}
	me.gone = true
	if i := slices.Index(me.queue.waiting, me); i >= 0 {
		me.queue.waiting = slices.Delete(me.queue.waiting, i, i+1)
	}
	if me.carried {
		return ErrCarried
	}
	return ErrGaveUp
}

// applied runs the caller's Apply and sends the leader its result, also where it
// panics. It fails where the leader has not waited for it.
func (g *Group[S]) applied(me *seat[S], s S) (out S, err error) {
	ok := false
	defer func() {
		g.mu.Lock()
		if me.late && ok {
			ok, err = false, fmt.Errorf("%w: %w", ErrGaveUp, context.DeadlineExceeded)
		}
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

// free keeps a turn for the next commit.
func (g *Group[S]) free(t *turn[S]) {
	*t = turn[S]{}
	g.turns.Put(t)
}
