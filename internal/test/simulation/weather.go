package simulation

import (
	"context"
	"time"
)

// The faults of a link that no plan has outside of its world: the store is well,
// and needs so many percent of SaveTimeout for each save.
const (
	Saves20 Fault = faults + iota
	Saves40
	Saves90

	SavesRefused // loads are answered, saves by an error
)

// percent is how much of SaveTimeout each save takes.
func (f Fault) percent() int {
	switch f {
	case Saves20:
		return 20
	case Saves40:
		return 40
	case Saves90:
		return 90
	default:
		return 0
	}
}

// inBudget reports whether all calls are answered in time.
func (f Fault) inBudget() bool { return f == Healthy || f.percent() > 0 }

// well reports whether nothing is wrong: what takes over half of its budget
// counts against a shard. Section 7.
func (f Fault) well() bool { return f == Healthy || f.percent() > 0 && f.percent() <= 50 }

// slowed makes saves slow for a time.
func (d *planner) slowed(from, to time.Duration, instance int) {
	d.faulty(from, to, instance, []Fault{Saves20, Saves40, Saves40, Saves90}[d.IntN(4)])
}

func slowStore(d *planner) {
	d.slowed(0, d.span(time.Second, 40*time.Second), -1+d.IntN(2)*(1+d.instance()))
}

// standsStill has a shard stand still once: often for longer than a save may
// take.
func (d *planner) standsStill() Step {
	length := d.span(20*time.Millisecond, 400*time.Millisecond)
	if d.IntN(4) == 0 {
		length = d.span(400*time.Millisecond, 5*time.Second)
	}
	return Step{Do: StandStill, Shard: d.IntN(d.p.Shards), Think: length}
}

func stall(d *planner) { d.after(0, d.standsStill()) }

// standStill makes a shard hear nothing for a while. Calls that arrive meanwhile
// are carried out afterwards, whether or not their caller still waits.
func (w *world) standStill(s Step) {
	w.mu.Lock()
	instances := append([]*instance(nil), w.instances...)
	w.counts["a shard stood still"]++
	w.appendLocked(Event{Kind: Shaken, Shard: s.Shard})
	w.mu.Unlock()
	until := time.Now().Add(s.Think)
	for _, i := range instances {
		i.client.links[s.Shard].stall(until)
	}
	w.visits.Go(func() {
		time.Sleep(s.Think)
		w.log(Event{Kind: Shaken, Shard: s.Shard})
	})
}

func (l *link) stall(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stalled = until
}

// stalls is for how long the link hears nothing from now on.
func (l *link) stalls() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(0, time.Until(l.stalled))
}

// sleep returns early, with an error, where the caller goes.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work is what a save takes, besides its two ways: before it is done and after.
func (cl *client) work(shard int) (before, after time.Duration) {
	fault, _, _ := cl.links[shard].state()
	all := cl.saveTimeout * time.Duration(fault.percent()) / 100
	if all == 0 {
		return 0, 0
	}
	before = all * time.Duration(mix(cl.c.seed, uint64(time.Since(cl.start)), uint64(shard), 6)%3) / 2
	return before, all - before
}

// slowly lets the time pass that a save takes before it is done. Where the
// caller goes first, the store may do it all the same: after late.
func (cl *client) slowly(ctx context.Context, before time.Duration) (late time.Duration, err error) {
	if before == 0 {
		return 0, nil
	}
	end := time.Now().Add(before)
	if err := sleep(ctx, before); err != nil {
		if mix(cl.c.seed, uint64(time.Since(cl.start)), 7)%2 == 0 {
			late = time.Until(end) | 1
		}
		return late, err
	}
	return 0, nil
}
