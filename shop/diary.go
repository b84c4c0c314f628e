package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// diary is what happened, in plain sentences, the latest first. Any number of
// goroutines may write to it.
type diary struct {
	backup bool // there is one
	opened time.Time
	wrote  func() // called after each new sentence, without a lock

	mu      sync.Mutex
	notes   []note
	outages map[string]*outage // by shard: the one that goes on, or the last
	told    map[session.BackupFault]time.Time
	latest  session.State // that was seen
}

// note is one sentence.
type note struct {
	At   time.Time
	Text string
	of   *outage // how it ended, or nil
}

const maxNotes = 4

// outage is what is known of one.
type outage struct {
	forgot   bool
	ended    time.Time
	restores uint64 // put back before it ended
	waiting  int    // the most changes that waited at once
}

// aftermath is how long after an outage what is put back is counted to it.
const aftermath = 20 * time.Second

func newDiary(backup bool, wrote func()) *diary {
	return &diary{
		backup: backup, opened: time.Now(), wrote: wrote,
		outages: map[string]*outage{}, told: map[session.BackupFault]time.Time{},
	}
}

func (d *diary) write(text string) { d.change(func() { d.add(text, nil) }) }

// change calls f with the lock held.
func (d *diary) change(f func()) {
	d.mu.Lock()
	f()
	d.mu.Unlock()
	d.wrote()
}

func (d *diary) add(text string, of *outage) {
	n := note{time.Now().UTC(), text, of}
	d.notes = append([]note{n}, d.notes[:min(len(d.notes), maxNotes-1)]...)
}

func (d *diary) read() []note {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.notes)
}

// hooks returns h with the diary listening too.
func (d *diary) hooks(h session.Hooks) session.Hooks {
	down, up, forgot, backup, overflow, dropped := h.Down, h.Up, h.Forgot, h.Backup, h.Overflow, h.Dropped
	h.Down = func(ctx context.Context, shard string, err error) {
		down(ctx, shard, err)
		d.down(shard)
	}
	h.Up = func(ctx context.Context, o session.Outage) {
		up(ctx, o)
		d.up(o.Shard)
	}
	h.Forgot = func(ctx context.Context, shard string) {
		if d.isNew() {
			return
		}
		forgot(ctx, shard)
		d.forgot(shard)
	}
	h.Backup = func(ctx context.Context, id session.ID, fault session.BackupFault, err error) {
		backup(ctx, id, fault, err)
		d.fault(fault)
	}
	h.Overflow = func(ctx context.Context, id session.ID) {
		overflow(ctx, id)
		d.write("More changes wait than the shop keeps. A visitor’s own cookies have the only copy of some.")
	}
	h.Dropped = func(ctx context.Context, id session.ID, err error) {
		dropped(ctx, id, err)
		d.write("A change that waited could not be delivered: its session has ended, or it waited for longer than the lease.")
	}
	return h
}

// isNew tells whether the shop has just opened, and the store is empty because
// it is new.
func (d *diary) isNew() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.outages) == 0 && time.Since(d.opened) < 8*time.Second
}

func (d *diary) down(shard string) {
	rest := "visitors who have a session are asked to come back later."
	if d.backup {
		rest = "visitors are served from their own cookies."
	}
	d.change(func() {
		d.outages[shard] = &outage{restores: d.latest.Restores}
		d.add(d.subject(shard)+" does not answer; "+rest, nil)
	})
}

func (d *diary) forgot(shard string) {
	d.change(func() {
		if o := d.outages[shard]; o != nil && o.ended.IsZero() {
			o.forgot = true // which is told when it is back
			return
		}
		d.outages[shard] = &outage{forgot: true, ended: time.Now(), restores: d.latest.Restores}
		d.add(d.subject(shard)+" was emptied; what visitors carry is put back as they come.", nil)
	})
}

func (d *diary) up(shard string) {
	d.change(func() {
		o := d.outages[shard]
		if o == nil || !o.ended.IsZero() {
			return
		}
		o.ended = time.Now()
		d.add(d.subject(shard)+o.sentence(d.latest, d.backup), o)
	})
}

// watch follows the counters, which tell how many sessions were put back. It is
// called a few times a second.
func (d *diary) watch(st session.State) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.latest = st
	for shard, o := range d.outages {
		if o.ended.IsZero() {
			o.restores, o.waiting = st.Restores, max(o.waiting, st.Journal.States)
		}
		for i := range d.notes {
			if n := &d.notes[i]; n.of == o && time.Since(o.ended) < aftermath {
				n.Text = d.subject(shard) + o.sentence(st, d.backup)
			}
		}
	}
}

// sentence tells how an outage ended.
func (o *outage) sentence(st session.State, backup bool) string {
	delivered := max(0, o.waiting-st.Journal.States)
	restored := int(st.Restores - o.restores)
	switch {
	case !backup:
		return " is back."
	case o.forgot:
		return " is back, empty; " + were(delivered+restored, "session") + " put back."
	case delivered > 0:
		return " is back; " + were(delivered, "change") + " delivered that waited."
	}
	return " is back, with all that it held."
}

// fault tells of a backup that cannot be used, once a minute for each kind.
func (d *diary) fault(f session.BackupFault) {
	text := map[session.BackupFault]string{
		session.BackupForged:     "A copy was tampered with, and not believed.",
		session.BackupMalformed:  "A copy made no sense, and was not believed.",
		session.BackupUnknownKey: "A copy is sealed with a key that the shop does not have.",
		session.BackupForeign:    "A copy of another session was not believed.",
		session.BackupStale:      "A copy was older than the lease, and did not vouch any more.",
		session.BackupIncomplete: "A copy came with a part missing.",
		session.BackupPartial:    "A cart is too large for its visitor’s cookies; it is in the store only.",
		session.BackupTooLarge:   "A session is too large for its visitor’s cookies; it is in the store only.",
	}[f]
	d.mu.Lock()
	fresh := time.Since(d.told[f]) > time.Minute
	if fresh {
		d.told[f] = time.Now()
	}
	d.mu.Unlock()
	if fresh && text != "" {
		d.write(text)
	}
}

// subject names a part of the store, where the store has parts. d.mu is held.
func (d *diary) subject(shard string) string {
	if len(d.latest.Shards) < 2 {
		return "The store"
	}
	return "The part " + shard + " of the store"
}

func were(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " was"
	}
	return fmt.Sprintf("%d %ss were", n, thing)
}
