package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session/lab/peer"
)

// act is one scene of the script: what goes wrong, and what visitors do meanwhile.
type act struct {
	name  string
	story string   // what happens, for the page
	redis []string // arguments of its server
	slow  bool     // its servers are behind lines that can be slow
	of    []peer.Store
	play  func(context.Context, *stage) error
}

// concerns reports whether peers with this store take part. Those without a store do in
// each act.
func (a act) concerns(store peer.Store) bool {
	if len(a.of) == 0 || store == peer.None {
		return true
	}
	for _, of := range a.of {
		if of == store {
			return true
		}
	}
	return false
}

// onDisk has Redis log its writes, so that it comes back with them.
var onDisk = []string{"--appendonly", "yes"}

// delayed is how much longer each answer takes of a store that is slow.
const delayed = 300 * time.Millisecond

// script is the acts in their order.
func script() []act {
	return []act{
		{name: "well", story: "Nothing goes wrong.", play: fault{}.play},
		{name: "killed", story: "The store is killed, and comes back with its data, which Redis keeps in its append-only file.",
			redis: onDisk, of: []peer.Store{peer.Redis},
			play: fault{begin: func(s *stage) { s.redis.Kill() }, end: func(s *stage) { s.redis.Restart() }}.play},
		{name: "killed, back empty", story: "The store is killed, all three nodes of it where it is memcached, and comes back without its data.",
			play: fault{begin: onAll(server.Kill), end: onAll(server.Restart)}.play},
		{name: "frozen", story: "The store takes connections and answers nothing (SIGSTOP). Then it goes on.",
			play: fault{begin: onAll(server.Freeze), end: onAll(server.Thaw)}.play},
		{name: "slow", story: fmt.Sprintf("Each answer of the store takes %d ms longer.", delayed.Milliseconds()), slow: true,
			play: fault{begin: func(s *stage) { s.delay(delayed) }, end: func(s *stage) { s.delay(0) }}.play},
		{name: "flushed", story: "The store loses its data while it runs (FLUSHALL, flush_all).",
			play: fault{begin: onAll(server.Flush)}.play},
		{name: "rolled back", story: "Redis is killed and comes back at once with a snapshot of before the visitors' last changes and logouts.",
			of: []peer.Store{peer.Redis}, play: fault{early: func(s *stage) { s.redis.Command("SAVE") }, begin: func(s *stage) { s.redis.Restart() }}.play},
		{name: "one of three nodes", story: "One of three memcached nodes is killed, and comes back empty.",
			of: []peer.Store{peer.Memcached}, play: fault{begin: func(s *stage) { s.memcached[1].Kill() }, end: func(s *stage) { s.memcached[1].Restart() }}.play},
		{name: "parallel writes", story: "The store is up. Each visitor sends eight changes at once, three times.", play: parallel},
		{name: "logout races", story: "The store is up. A visitor logs out while a slow request of the same visitor is under way, which only reads, and once more while one writes.", play: races},
		{name: "hang-ups", story: "The store is up. The visitor sends a change and hangs up before the answer.", play: hangUps},
	}
}

// server is one of a stage's.
type server interface {
	Kill()
	Restart()
	Freeze()
	Thaw()
	Flush()
}

// onAll returns what does one thing to all servers of a stage.
func onAll(do func(server)) func(*stage) {
	return func(s *stage) {
		do(s.redis)
		for _, m := range s.memcached {
			do(m)
		}
	}
}

// fault is an act in which the store fails for a while. Each function may be nil.
type fault struct {
	early func(*stage) // before the visitors' last changes
	begin func(*stage)
	end   func(*stage)
}

// play lets visitors shop before, during and after the fault. A quarter of them logs out
// before it, and a quarter in the middle of it.
func (f fault) play(ctx context.Context, s *stage) error {
	at := func(do func(*stage)) {
		if do != nil {
			do(s)
		}
	}
	clock := newPhases(s.plan)
	shopping := make(chan struct{})
	go func() {
		defer close(shopping)
		s.eachVisitor(func(c *crowd, i int, v *visitor) { c.shop(ctx, i, v, clock) })
	}()
	sleepUntil(ctx, clock.snapshot)
	at(f.early)
	sleepUntil(ctx, clock.began)
	at(f.begin)
	clock.failing.Store(true)
	sleepUntil(ctx, clock.ended)
	clock.failing.Store(false)
	at(f.end)
	<-shopping
	if err := ctx.Err(); err != nil {
		return err
	}
	s.judge(ctx)
	return nil
}

// phases are the moments of an act.
type phases struct {
	snapshot, early, began, middle, ended, over time.Time

	failing atomic.Bool // the fault has been made, and not yet mended
}

func newPhases(p plan) *phases {
	now := time.Now()
	began := now.Add(p.before)
	return &phases{
		snapshot: now.Add(p.before / 3), early: now.Add(2 * p.before / 3),
		began: began, middle: began.Add(p.fault / 2), ended: began.Add(p.fault), over: began.Add(p.fault + p.after),
	}
}

// shop is a visitor through all phases: it looks and puts things into the cart in turn.
// It logs out when its time has come, and tries again where that is refused.
func (c *crowd) shop(ctx context.Context, i int, v *visitor, clock *phases) {
	leaves := time.Time{}
	switch i % 4 {
	case 0:
		leaves = clock.early
	case 1:
		leaves = clock.middle
	}
	pause := c.pause(i)
	for n := 0; time.Now().Before(clock.over) && ctx.Err() == nil; n++ {
		now := time.Now()
		if !leaves.IsZero() && now.After(leaves) {
			a := v.logOut(ctx)
			c.tally.ended(a)
			if a.ok() {
				return
			}
		} else {
			during := clock.failing.Load()
			if n%2 == 0 {
				c.tally.saw(v, v.look(ctx), during)
			} else {
				c.tally.saw(v, v.put(ctx, fmt.Sprintf("thing%d", n)), during)
			}
		}
		sleep(ctx, pause)
	}
}

// judge looks at what each visitor has at the end. A visitor without an answer tries
// again for a while.
func (s *stage) judge(ctx context.Context) {
	s.eachVisitor(func(c *crowd, _ int, v *visitor) {
		look := v.look
		if v.old != nil && !v.loggedIn {
			look = v.again
		}
		last := look(ctx)
		for began := time.Now(); !last.ok() && time.Since(began) < 5*time.Second && ctx.Err() == nil; last = look(ctx) {
			sleep(ctx, s.plan.pause)
		}
		c.tally.judge(v, last)
	})
}

// parallel lets each visitor send several changes at once. There is no fault to share,
// so the peers take turns, and none waits for a processor that another one has.
func parallel(ctx context.Context, s *stage) error {
	for _, c := range s.crowds {
		each(c.visitors, func(_ int, v *visitor) { c.putAtOnce(ctx, v) })
	}
	s.judge(ctx)
	return ctx.Err()
}

func (c *crowd) putAtOnce(ctx context.Context, v *visitor) {
	const rounds, atOnce = 3, 8
	for round := range rounds {
		each(make([]struct{}, atOnce), func(n int, _ struct{}) {
			c.tally.saw(v, v.put(ctx, fmt.Sprintf("thing%d.%d", round, n)), true)
		})
	}
}

// gated is the path of a request that stands at a gate until the lab lets it go.
func gated(path, gate string) string { return path + "gate=" + gate }

// races lets each visitor log out while a request is under way that has read the session.
// The browser keeps the cookies of its answer.
func races(ctx context.Context, s *stage) error {
	return s.eachVisitorAtGate(func(c *crowd, v *visitor, gate string) error {
		if err := c.race(ctx, v, http.MethodGet, peer.MePath+"?", gate+".read"); err != nil {
			return err
		}
		if a := v.logIn(ctx); !a.ok() {
			return fmt.Errorf("%s: a login was answered %d: %s", c.Name, a.status, c.said)
		}
		return c.race(ctx, v, http.MethodPost, peer.AddPath+"?thing=late&", gate+".write")
	})
}

// race lets a request stand at the gate while its visitor logs out.
func (c *crowd) race(ctx context.Context, v *visitor, method, path, gate string) error {
	late := make(chan answer, 1)
	go func() { late <- v.do(ctx, method, gated(path, gate)) }()
	if err := c.arrived(ctx, gate); err != nil {
		return err
	}
	out := v.logOut(ctx)
	c.tally.ended(out)
	if _, err := c.ask(ctx, http.MethodPost, peer.ReleasePath+"?gate="+gate); err != nil {
		return err
	}
	<-late
	if !out.ok() {
		return nil
	}
	last := v.again(ctx)
	if !v.is(last) {
		last = v.look(ctx)
	}
	c.tally.judge(v, last)
	return nil
}

// hangUps lets each visitor go away while the application works on a change, which is
// then finished.
func hangUps(ctx context.Context, s *stage) error {
	err := s.eachVisitorAtGate(func(c *crowd, v *visitor, gate string) error {
		gone, hangUp := context.WithCancel(ctx)
		defer hangUp()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			v.do(gone, http.MethodPost, gated(peer.AddPath+"?thing=unseen&", gate))
		}()
		if err := c.arrived(ctx, gate); err != nil {
			return err
		}
		hangUp()
		<-ended
		sleep(ctx, 200*time.Millisecond) // until the server has noticed
		_, err := c.ask(ctx, http.MethodPost, peer.ReleasePath+"?gate="+gate)
		return err
	})
	if err != nil {
		return err
	}
	sleep(ctx, time.Second) // until the handlers are through
	s.eachVisitor(func(c *crowd, _ int, v *visitor) {
		last := v.look(ctx)
		c.tally.saw(v, last, true)
		kept := false
		for _, thing := range last.visit.Cart {
			kept = kept || thing == "unseen"
		}
		c.tally.dropped(kept)
		c.tally.judge(v, last)
	})
	return ctx.Err()
}

// eachVisitorAtGate runs f for all visitors, a gate each, and returns the first error.
func (s *stage) eachVisitorAtGate(f func(c *crowd, v *visitor, gate string) error) error {
	return s.each(func(c *crowd) error {
		errs := make([]error, len(c.visitors))
		each(c.visitors, func(i int, v *visitor) { errs[i] = f(c, v, v.name) })
		return first(errs)
	})
}

// arrived returns once a request stands at the gate.
func (c *crowd) arrived(ctx context.Context, gate string) error {
	ok, err := c.ask(ctx, http.MethodGet, peer.ArrivedPath+"?gate="+gate)
	if err == nil && !ok {
		return fmt.Errorf("%s: the request %s did not arrive: %s", c.Name, gate, c.said)
	}
	return err
}

// pause differs a little from visitor to visitor, so that they do not march in step.
func (c *crowd) pause(i int) time.Duration {
	return c.plan.pause * time.Duration(90+i%20) / 100
}

func sleepUntil(ctx context.Context, t time.Time) { sleep(ctx, time.Until(t)) }

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
