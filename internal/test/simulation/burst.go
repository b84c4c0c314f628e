package simulation

import "time"

// burst has one browser count many times at once, at one instance or at all,
// and often while something happens to the store.
func burst(d *planner) {
	b, i := d.IntN(d.p.Browsers), d.instance()
	n := min(d.room(), []int{2, 2, 3, 4, 6, 6, 8, 12, 20, 50}[d.IntN(10)])
	several := d.IntN(3) == 0
	spread := []time.Duration{2, 10 * time.Millisecond, 100 * time.Millisecond, 600 * time.Millisecond, 5 * time.Second}[d.IntN(5)]
	think := []time.Duration{0, 0, 30 * time.Millisecond}[d.IntN(3)]
	d.fill(b, i)
	lead := d.around(i, several, spread)
	for range n {
		s := Step{Do: Visit, Browser: b, Instance: i, Route: Count, Key: tallyKey, Up: d.span(1e6, 3e6), Down: d.span(1e6, 8e6)}
		if several {
			s.Instance = d.instance()
		}
		if think > 0 {
			s.Think = d.span(1e6, think)
		}
		s.Lost = d.IntN(20) == 0
		d.after(lead+d.span(0, spread), s)
	}
	d.after(lead+spread+d.span(1e6, 3*time.Second), Step{Do: Visit, Browser: b, Instance: i, Route: Read})
	d.alone(lead + spread)
}

// fill may make a session so large that a jar holds one copy of it.
func (d *planner) fill(browser, instance int) {
	if d.IntN(3) == 0 {
		d.after(0, Step{Do: Visit, Browser: browser, Instance: instance, Route: Set, Key: bulkKey})
	}
}

// around draws what happens to the store around a time of that length, as an
// instance has it, or all do. It returns when the time begins.
func (d *planner) around(instance int, all bool, length time.Duration) (lead time.Duration) {
	if all {
		instance = -1
	}
	lead = d.span(50*time.Millisecond, 500*time.Millisecond)
	middle := lead + d.span(0, length)
	if d.calm {
		return lead
	}
	fault := []Fault{Refuse, Refuse, Hang, HangLate, HangAck}[d.IntN(5)]
	away := d.span(500*time.Millisecond, 10*time.Second)
	switch d.IntN(7) {
	case 0: // it is slow, if there is such a world
		if d.in(SlowStore) {
			d.slowed(0, lead+length+d.span(0, 3*time.Second), instance)
		}
	case 1:
		if d.in(Stalls) {
			d.after(middle, d.standsStill())
		}
	case 2: // an outage begins
		d.faulty(middle, middle+away, instance, fault)
	case 3: // one ends
		lead += away
		d.faulty(0, middle+away, instance, fault)
	case 4: // and one comes between
		d.faulty(middle, middle+d.span(0, length+time.Second), instance, fault)
	}
	return lead
}

// in reports whether the plans of the run have a world.
func (d *planner) in(w World) bool { return d.worlds[w] }

// faulty gives the links of an instance, or of all, a fault for a time.
func (d *planner) faulty(from, to time.Duration, instance int, f Fault) {
	d.after(from, Step{Do: Break, Instance: instance, Shard: -1, Fault: f})
	d.after(to, Step{Do: Break, Instance: instance, Shard: -1, Fault: Healthy})
}

// lateSaves has handlers count after the header went out, around an outage, and
// another tab count as usual.
func lateSaves(d *planner) {
	b, i := d.IntN(d.p.Browsers), d.instance()
	d.fill(b, i)
	d.after(10*time.Millisecond, Step{Do: Visit, Browser: b, Instance: i, Route: Count, Key: tallyKey})
	length := d.span(100*time.Millisecond, 6*time.Second)
	lead := d.around(i, false, length)
	for range min(d.room(), 1+d.IntN(5)) {
		s := Step{Do: Visit, Browser: b, Instance: i, Route: Late, Key: tallyKey, Think: d.span(1e6, 300*time.Millisecond)}
		if d.IntN(3) == 0 {
			s.Route = Count
		}
		d.after(lead+d.span(0, length), s)
	}
	d.after(lead+length+d.span(1e6, 5*time.Second), Step{Do: Visit, Browser: b, Instance: i, Route: Count, Key: tallyKey})
	d.alone(lead + length)
}
