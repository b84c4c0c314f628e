package groupcommit

import (
	"context"
	"time"
)

// Crew is the commits that one save carries, seen by the one that leads.
type Crew[S any] struct {
	group  *Group[S]
	key    string
	queue  *queue[S]
	turn   *turn[S] // of a commit that nobody has waited for
	leader Member[S]
	others []*seat[S]
	last   known[S] // what the crew before came to
	base   known[S] // what an earlier leader of this crew had come to
	held   known[S] // what the next leader goes on from where this one panics
}

// known is a state, if there is one.
type known[S any] struct {
	s  S
	ok bool
}

// Last returns what the crew before this one came to, where this one waited for it.
func (c *Crew[S]) Last() (s S, ok bool) {
	return c.last.s, c.last.ok
}

// Base returns the state from which an earlier leader of this crew, which has left,
// was going on.
func (c *Crew[S]) Base() (s S, ok bool) {
	return c.base.s, c.base.ok
}

// Hold keeps s for the next leader, which gets it from Base if this leader panics. A
// leader holds, while a save is under way, the state that says so.
func (c *Crew[S]) Hold(s S) { c.held = known[S]{s, true} }

// Release ends what Hold began.
func (c *Crew[S]) Release() { c.held = known[S]{} }

// Brought yields what the other members of the crew know.
func (c *Crew[S]) Brought(yield func(S) bool) {
	for _, other := range c.others {
		if !yield(other.brings) {
			return
		}
	}
}

// Apply makes the changes of the leader and then of each other member on s, and
// returns the result. A member that fails is out, and the next member's changes are
// made on the state before it; so is one that takes too long. Where the leader fails, Apply returns its error, and
// Lead must return it too; then the next member leads, from s.
func (c *Crew[S]) Apply(s S) (S, error) {
	c.base = known[S]{s, true} // also where the leader panics
	out, err := c.leader.Apply(s)
	if err != nil {
		return s, err
	}
	c.base = known[S]{}
	rest := c.others[:0]
	for _, other := range c.others {
		after, ok := c.ask(other, out)
		if ok {
			out = after
			rest = append(rest, other)
		}
	}
	clear(c.others[len(rest):])
	c.others = rest
	return out, nil
}

// ask has another member apply its changes.
func (c *Crew[S]) ask(other *seat[S], s S) (after S, ok bool) {
	if !c.order(other, order[S]{kind: apply, s: s}) {
		return s, false
	}
	limit := time.NewTimer(other.apply)
	defer limit.Stop()
	select {
	case a := <-other.reply:
		return a.s, a.ok
	case <-limit.C:
	}
	if c.leave(other) {
		return s, false
	}
	a := <-other.reply
	return a.s, a.ok
}

// leave takes a member out whose changes take too long. It reports whether they do: they
// may have been made by now.
func (c *Crew[S]) leave(other *seat[S]) bool {
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	if other.ordered {
		other.late = true
		other.gone = true
	}
	return other.late
}

// order gives an order to a member, unless the member has given up.
func (c *Crew[S]) order(to *seat[S], o order[S]) bool {
	c.group.mu.Lock()
	defer c.group.mu.Unlock()
	if to.gone {
		return false
	}
	to.ordered = true
	to.orders <- o
	return true
}

// run leads the crew. Where the leader leaves, another member leads.
func (c *Crew[S]) run(ctx context.Context, leader Member[S]) (s S, err error) {
	c.leader = leader
	finished := false
	defer func() {
		if !finished && !c.base.ok {
			c.base = c.held
		}
		if !finished || c.base.ok {
			c.handOver()
			return
		}
		for _, other := range c.others {
			c.order(other, order[S]{kind: outcome, s: s, err: err})
		}
		c.next(known[S]{s, err == nil})
	}()
	s, err = leader.Lead(ctx, c)
	finished = true
	return s, err
}

// handOver makes the first member that is still there lead.
func (c *Crew[S]) handOver() {
	for i, other := range c.others {
		successor := &Crew[S]{group: c.group, key: c.key, queue: c.queue, others: c.others[i+1:], last: c.last, base: c.base}
		if c.order(other, order[S]{kind: lead, crew: successor}) {
			return
		}
	}
	c.next(known[S]{})
}

// next begins the crew of the commits that wait for this one.
func (c *Crew[S]) next(last known[S]) {
	g, l := c.group, c.queue
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(l.waiting) == 0 {
		delete(g.queues, c.key)
		if c.turn != nil { // every waiting commit has given up, and uses the queue no longer
			g.free(c.turn)
		}
		return
	}
	n := 1
	for !l.waiting[0].alone && n < len(l.waiting) && !l.waiting[n].alone {
		n++
	}
	crew := &Crew[S]{group: g, key: c.key, queue: l, last: last}
	first := l.waiting[0]
	crew.others = append(crew.others, l.waiting[1:n]...)
	l.waiting = append(l.waiting[:0], l.waiting[n:]...)
	first.ordered = true
	first.orders <- order[S]{kind: lead, crew: crew}
}

// Split sends the other members of the crew back to wait, each for a save of its own,
// before all others. It reports whether there were any.
func (c *Crew[S]) Split() bool {
	g := c.group
	g.mu.Lock()
	defer g.mu.Unlock()
	var back []*seat[S]
	for _, other := range c.others {
		if !other.gone {
			other.alone = true
			other.carried = false
			back = append(back, other)
		}
	}
	c.others = nil
	c.queue.waiting = append(back, c.queue.waiting...)
	return len(back) > 0
}
