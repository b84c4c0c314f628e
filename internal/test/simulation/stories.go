package simulation

import (
	"maps"
	"slices"
	"time"
)

// stories are short courses of events that chance alone seldom finds. Each puts
// its steps where a plan has come to, and chance goes on around them.
var stories = map[string]func(*planner){
	"thief": thief, "amnesia": amnesia, "late stamp": lateStamp, "lost hint": lostHint, "side by side": sideBySide,
}

// Stories returns what Config.Story may name.
func Stories() []string { return slices.Sorted(maps.Keys(stories)) }

// story returns the one that is wanted, or any.
func (d *planner) story(name string) func(*planner) {
	if name == "" {
		names := Stories()
		name = names[d.IntN(len(names))]
	}
	return stories[name]
}

// after is a visit, or a replay, some time from now on.
func (d *planner) after(wait time.Duration, s Step) {
	s.At = d.at + wait
	if s.Up == 0 {
		s.Up, s.Down = d.span(1e6, 8e6), d.span(1e6, 8e6)
	}
	d.add(s)
}

// two returns two different instances.
func (d *planner) two() (int, int) {
	a := d.instance()
	return a, (a + 1 + d.IntN(len(d.p.Skews)-1)) % len(d.p.Skews)
}

func (d *planner) cutOff(from, to time.Duration, instance int) {
	d.after(from, Step{Do: Break, Instance: instance, Shard: -1, Fault: Refuse})
	d.after(to, Step{Do: Break, Instance: instance, Shard: -1, Fault: Healthy})
}

// thief renews a stolen session on an instance that is cut off, and the victim
// logs out elsewhere.
func thief(d *planner) {
	b := d.IntN(d.p.Browsers)
	cut, well := d.two()
	d.after(0, Step{Do: Visit, Browser: b, Instance: well, Route: Set, Key: d.IntN(registers)})
	d.after(100*time.Millisecond, Step{Do: Copy, Browser: b})
	d.cutOff(150*time.Millisecond, d.span(4*time.Second, 10*time.Second), cut)
	d.after(d.span(200*time.Millisecond, time.Second), Step{Do: Impersonate, Copy: -1, Instance: cut, Route: Login})
	d.after(d.span(1100*time.Millisecond, 3*time.Second), Step{Do: Visit, Browser: b, Instance: well, Route: Logout})
	d.after(d.span(3*time.Second, 12*time.Second), Step{Do: Impersonate, Copy: -1, Instance: d.instance(), Route: Read})
}

// amnesia: the store forgets a logout, and the thief is there at once.
func amnesia(d *planner) {
	b := d.IntN(d.p.Browsers)
	d.after(0, Step{Do: Visit, Browser: b, Instance: d.instance(), Route: Set, Key: d.IntN(registers)})
	d.after(100*time.Millisecond, Step{Do: Copy, Browser: b})
	d.after(d.span(200*time.Millisecond, time.Second), Step{Do: Visit, Browser: b, Instance: d.instance(), Route: Logout})
	at := d.span(1500*time.Millisecond, 17*time.Second)
	for shard := range d.p.Shards {
		d.after(at+time.Duration(shard), Step{Do: Restart, Shard: shard})
	}
	d.after(at+d.span(1e6, 900*time.Millisecond), Step{Do: Impersonate, Copy: -1, Instance: d.instance(), Route: []Route{Login, Set, Read}[d.IntN(3)], Key: d.IntN(registers)})
	d.after(at+d.span(1e6, 3*time.Second), Step{Do: Impersonate, Copy: -1, Instance: d.instance(), Route: Login})
	d.alone(at + 4*time.Second)
}

// alone lets a story end before chance goes on; now and then it does not.
func (d *planner) alone(length time.Duration) {
	if d.IntN(4) > 0 {
		d.at += length
	}
}

// lateStamp: a request loads its session, thinks for longer than it should, and
// commits while the store is away. It shows which copy vouches for the session,
// and from when.
func lateStamp(d *planner) {
	b := d.IntN(d.p.Browsers)
	cut, well := d.two()
	think := d.span(d.p.Timing.Lease/3, d.p.Timing.Lease)
	d.after(0, Step{Do: Visit, Browser: b, Instance: cut, Route: Set, Key: d.IntN(registers), Think: think})
	d.cutOff(think/2, d.p.Timing.Lease*2, cut)
	if d.IntN(2) == 0 {
		d.after(think*3/4, Step{Do: Visit, Browser: b, Instance: well, Route: Logout})
	}
	d.after(think+50*time.Millisecond, Step{Do: Copy, Browser: b})
	for i := range 4 {
		at := d.p.Timing.Lease*time.Duration(2+i)/3 + d.span(0, 5*time.Second)
		d.after(at, Step{Do: Impersonate, Copy: -1, Instance: cut, Route: Read})
		d.after(at+time.Second, Step{Do: Visit, Browser: b, Instance: cut, Route: Read})
	}
	d.alone(2 * d.p.Timing.Lease)
}

// lostHint: the instance that took a logout in an outage crashes, and only the
// browser knows.
func lostHint(d *planner) {
	b := d.IntN(d.p.Browsers)
	cut, well := d.two()
	d.after(0, Step{Do: Visit, Browser: b, Instance: well, Route: Set, Key: d.IntN(registers)})
	d.after(100*time.Millisecond, Step{Do: Copy, Browser: b})
	d.cutOff(150*time.Millisecond, 3*time.Second, cut)
	d.after(d.span(200*time.Millisecond, time.Second), Step{Do: Visit, Browser: b, Instance: cut, Route: Logout})
	d.after(2*time.Second, Step{Do: Crash, Instance: cut})
	d.after(d.span(2*time.Second, 5*time.Second), Step{Do: Visit, Browser: b, Instance: well, Route: Read})
	d.after(d.span(5*time.Second, 9*time.Second), Step{Do: Impersonate, Copy: -1, Instance: d.instance(), Route: Read})
}

// sideBySide: tabs send requests at once, whose answers arrive one after the
// other, and the store is away afterwards.
func sideBySide(d *planner) {
	b, i := d.IntN(d.p.Browsers), d.instance()
	for n := range 2 + d.IntN(2) {
		at := time.Duration(n)*10*time.Millisecond + d.span(0, 20*time.Millisecond)
		d.after(at, Step{
			Do: Visit, Browser: b, Instance: i, Route: []Route{Set, Add}[d.IntN(2)], Key: registers,
			Think: d.span(1e6, 60e6), Up: d.span(1e6, 20e6), Down: d.span(1e6, 2e9),
		})
		d.p.Steps[len(d.p.Steps)-1].fixKey(n)
	}
	d.cutOff(300*time.Millisecond, 6*time.Second, i)
	d.after(d.span(400*time.Millisecond, 5*time.Second), Step{Do: Visit, Browser: b, Instance: i, Route: Read})
}

// fixKey gives a write a key that its route can write.
func (s *Step) fixKey(n int) {
	if s.Route == Set {
		s.Key = n % registers
	}
}
