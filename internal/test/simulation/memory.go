package simulation

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-go/session"
)

// snapshot keeps what a shard holds now, for a rollback.
func (c *cluster) snapshot(shard int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shards[shard].snapshot = maps.Clone(c.shards[shard].records)
}

// rollback makes a shard hold what it held at its last snapshot, or nothing. A
// restart is another incarnation of it; a process whose memory was put back is
// not.
func (c *cluster) rollback(shard int, restart bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sh := &c.shards[shard]
	now := sh.records.members()
	unseen := !restart && now > 0 && now == sh.snapshot.members()
	sh.records = maps.Clone(sh.snapshot)
	if sh.records == nil {
		sh.records = records{}
	}
	if restart {
		sh.incarnation++
	}
	c.changedLocked("")
	c.log(Event{Kind: Forgot, Shard: shard, Unseen: unseen})
	for _, id := range c.orderedLocked(shard) {
		c.log(Event{Kind: Restored, Shard: shard, Session: id, Save: sh.records[id].save})
	}
}

// orderedLocked returns the sessions of a shard as they have appeared. c.mu is held.
func (c *cluster) orderedLocked(shard int) []session.ID {
	var out []session.ID
	for id, r := range c.shards[shard].records {
		if isSession(id) && time.Now().Before(r.expires) {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b session.ID) int { return cmp.Compare(c.numberLocked(a), c.numberLocked(b)) })
	return out
}

// evict takes one record away: of a live session, a tombstone, or what is
// neither. Pick counts from the session that has appeared first; -1 is the last.
func (c *cluster) evict(shard int, do Deed, pick int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	sh := &c.shards[shard]
	candidates := c.orderedLocked(shard)
	candidates = slices.DeleteFunc(candidates, func(id session.ID) bool {
		return sh.records[id].dead() != (do == EvictTombstone)
	})
	if do == EvictOther {
		candidates = slices.Sorted(maps.Keys(sh.records))
		candidates = slices.DeleteFunc(candidates, isSession)
	}
	if len(candidates) == 0 {
		return false
	}
	pick = (pick + len(candidates)) % len(candidates)
	id := candidates[pick]
	delete(sh.records, id)
	c.changedLocked(id)
	if do == EvictOther {
		c.log(Event{Kind: Shaken, Shard: shard})
	} else {
		c.log(Event{Kind: Evicted, Shard: shard, Session: id})
	}
	return true
}

// nemesis does what only some worlds have.
func (w *world) nemesis(s Step) error {
	switch s.Do {
	case StandStill:
		w.standStill(s)
	case Revoke:
		s.Route = EndAll
		w.visit(s, &browser{number: administrator, jar: &Jar{Host: host}})
	case Snapshot:
		w.store.snapshot(s.Shard)
	case Rollback, Rewind:
		w.count("a shard went back in time")
		w.store.rollback(s.Shard, s.Do == Rollback)
	case EvictSession, EvictTombstone, EvictOther:
		if w.store.evict(s.Shard, s.Do, s.Pick) {
			w.count("a record was evicted")
		}
	case Crowd:
		w.crowd(s)
	case Operate:
		w.setMode(s.Instance, s.Mode)
	case Rekey:
		return w.rekey(s)
	case Start:
		return w.startOne(s)
	case CloseBrowser:
		w.closeBrowser(s)
	default:
	}
	return nil
}

// startOne lets another instance begin.
func (w *world) startOne(s Step) error {
	w.mu.Lock()
	place := len(w.instances)
	w.stages[place] = s.Pick
	w.counts["another instance started"]++
	w.mu.Unlock()
	i, err := w.born(place, 0)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instances = append(w.instances, i)
	return nil
}

// snapshots has every shard copied.
func (d *planner) snapshots(at time.Duration) {
	for shard := range d.p.Shards {
		d.after(at+time.Duration(shard), Step{Do: Snapshot, Shard: shard})
	}
}

// back has every shard go back to its last copy.
func (d *planner) back(at time.Duration) {
	do := []Deed{Rollback, Rollback, Rewind}[d.IntN(3)]
	for shard := range d.p.Shards {
		d.after(at+time.Duration(shard), Step{Do: do, Shard: shard})
	}
}

// rollback: what was written after a snapshot is undone.
func rollback(d *planner) {
	b := d.IntN(d.p.Browsers)
	d.after(0, Step{Do: Visit, Browser: b, Instance: d.instance(), Route: Set, Key: d.IntN(registers)})
	d.snapshots(100 * time.Millisecond)
	length := d.span(50*time.Millisecond, 20*time.Second)
	for range 1 + d.IntN(4) {
		s := Step{Do: Visit, Browser: b, Instance: d.instance()}
		d.ask(&s)
		d.after(120*time.Millisecond+d.span(0, length), s)
	}
	d.back(120*time.Millisecond + length)
}

// undoLogout: a logout after a snapshot is undone, and a thief is there.
func undoLogout(d *planner) {
	b := d.IntN(d.p.Browsers)
	one, other := d.two()
	d.after(0, Step{Do: Visit, Browser: b, Instance: one, Route: Set, Key: d.IntN(registers)})
	d.snapshots(100 * time.Millisecond)
	d.after(110*time.Millisecond, Step{Do: Copy, Browser: b})
	logout := d.span(150*time.Millisecond, 10*time.Second)
	d.after(logout, Step{Do: Visit, Browser: b, Instance: one, Route: Logout})
	at := logout + d.span(50*time.Millisecond, 20*time.Second)
	d.back(at)
	d.after(at+d.span(1e6, 8*time.Second), Step{Do: Impersonate, Copy: -1, Instance: other, Route: []Route{Login, Read}[d.IntN(2)]})
	d.after(at+d.span(15*time.Second, 25*time.Second), Step{Do: Impersonate, Copy: -1, Instance: other, Route: Read})
	d.alone(at)
}

// evictSession: a visitor's record goes, and the visitor goes on.
func evictSession(d *planner) {
	for range 1 + d.IntN(2) {
		d.after(d.span(0, 5*time.Second), Step{Do: EvictSession, Shard: d.IntN(d.p.Shards), Pick: d.IntN(4) - 1})
	}
}

// evictTombstone: a logout's tombstone goes, and a thief comes.
func evictTombstone(d *planner) {
	b := d.IntN(d.p.Browsers)
	one, other := d.two()
	d.after(0, Step{Do: Visit, Browser: b, Instance: one, Route: Set, Key: d.IntN(registers)})
	d.after(100*time.Millisecond, Step{Do: Copy, Browser: b})
	d.after(150*time.Millisecond, Step{Do: Visit, Browser: b, Instance: one, Route: Logout})
	at := d.span(200*time.Millisecond, 20*time.Second)
	for shard := range d.p.Shards {
		d.after(at+time.Duration(shard), Step{Do: EvictTombstone, Shard: shard, Pick: -1})
	}
	for range 1 + d.IntN(2) {
		d.after(at+d.span(1e6, 20*time.Second), Step{Do: Impersonate, Copy: -1, Instance: other, Route: []Route{Login, Read}[d.IntN(2)]})
	}
	d.alone(at)
}

func evictOther(d *planner) {
	d.after(d.span(0, 5*time.Second), Step{Do: EvictOther, Shard: d.IntN(d.p.Shards), Pick: d.IntN(4)})
}
