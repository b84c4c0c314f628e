package simulation

import (
	"context"
	"time"
)

// gone is the Step.Hangup of a client that has left when its request arrives.
const gone = time.Duration(1)

// hangUp has clients that hang up, half-close or run out of time: the visitor,
// and a thief after the visitor's logout.
func hangUp(d *planner) {
	b := d.IntN(d.p.Browsers)
	hang := func(s Step) Step {
		s.Deadline = d.IntN(2) == 0
		s.Hangup = []time.Duration{gone, d.span(1, 2*time.Millisecond), d.span(2*time.Millisecond, 150*time.Millisecond)}[d.IntN(3)]
		return s
	}
	for range 1 + d.IntN(4) {
		s := Step{Do: Visit, Browser: b, Instance: d.instance()}
		d.ask(&s)
		d.after(d.span(0, 5*time.Second), hang(s))
	}
	if d.IntN(2) == 0 || d.mood.stays {
		return
	}
	d.after(0, Step{Do: Visit, Browser: b, Instance: d.instance(), Route: Set, Key: d.IntN(registers)})
	d.after(100*time.Millisecond, Step{Do: Copy, Browser: b})
	d.after(5200*time.Millisecond, Step{Do: Visit, Browser: b, Instance: d.instance(), Route: Logout})
	for range 1 + d.IntN(3) {
		d.after(5300*time.Millisecond+d.span(0, 25*time.Second), hang(Step{Do: Impersonate, Copy: -1, Instance: d.instance(), Route: []Route{Read, Set}[d.IntN(2)]}))
	}
	d.alone(6 * time.Second)
}

// hangUp ends the context of a request that has arrived when its client will have
// gone. The browser reads the answer all the same, as a client does that has only
// half-closed its connection: see Step.Abort.
func (w *world) hangUp(ctx context.Context, s Step, q *Request) (context.Context, context.CancelFunc) {
	if s.Hangup == 0 {
		return ctx, func() {}
	}
	if s.Hangup == gone {
		s.Hangup = 0
	}
	w.mu.Lock()
	q.Left = w.now() + s.Hangup
	w.counts["client hung up"]++
	w.mu.Unlock()
	if w.cfg.Off.Patience {
		return context.WithoutCancel(ctx), func() {}
	}
	if s.Deadline {
		return context.WithTimeout(ctx, s.Hangup)
	}
	ctx, leave := context.WithCancel(ctx)
	if s.Hangup == 0 {
		leave()
		return ctx, leave
	}
	timer := time.AfterFunc(s.Hangup, leave)
	return ctx, func() { timer.Stop(); leave() }
}

// hungUp reports whether the client had gone before the answer.
func (q *Request) hungUp() bool { return q.Left > 0 && q.Left <= q.Ended }

// judgeHungUp: section 3, "A request that was canceled, whose client hung up or
// half-closed, whose own deadline passed (...) MUST NOT be served from a copy".
// Where the shard is within reach nothing else could have caused it.
func (o *oracle) judgeHungUp(q *Request, a *asked) {
	x := o.life(q.Token)
	reached := a.settled && o.settled(q.Birth, x.shard, q.Ended)
	if q.hungUp() && reached && q.Answer.Source == "backup" && !a.answered {
		o.violate(q, q.Ended, "c: served to a client that left", "from a copy, though the store is well")
	}
}
