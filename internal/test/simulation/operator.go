package simulation

import (
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
)

// lever is the session.Switch of one place. The world moves it.
type lever struct{ mode atomic.Uint32 }

// Override implements session.Switch.
func (l *lever) Override() session.Override {
	return session.Override{Mode: session.Mode(l.mode.Load())}
}

func backupOnly(d *planner) { d.operate(session.BackupOnly) }

func storeOnly(d *planner) { d.operate(session.StoreOnly) }

// operate has an operator set a mode for a time, at one instance or at all.
func (d *planner) operate(mode session.Mode) {
	place := -1 + d.IntN(2)*(1+d.instance())
	length := d.span(500*time.Millisecond, 20*time.Second)
	d.after(0, Step{Do: Operate, Instance: place, Mode: mode})
	if d.IntN(6) > 0 {
		d.after(length, Step{Do: Operate, Instance: place})
	}
	b := d.IntN(d.p.Browsers)
	for range d.IntN(4) {
		s := Step{Do: Visit, Browser: b, Instance: max(0, place)}
		d.ask(&s)
		d.after(d.span(1e6, length+2*time.Second), s)
	}
}

// setMode moves levers; -1 is all.
func (w *world) setMode(place int, mode session.Mode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts["mode: "+mode.String()]++
	for _, i := range w.instances {
		if place < 0 || place == i.place {
			i.lever.mode.Store(uint32(mode))
			w.appendLocked(Event{Kind: Overridden, Instance: i.place, Birth: i.birth, Mode: mode})
		}
	}
}

// operated is what an operator has done to an instance.
type operated struct {
	mode  session.Mode
	since time.Duration
	store time.Duration // when it last trusted the store alone
}

func (o *oracle) override(e *Event) {
	if e.Mode == session.Auto && o.modes[e.Birth] == nil {
		return
	}
	m := o.modes[e.Birth]
	if m == nil {
		m = &operated{store: never}
		o.modes[e.Birth] = m
	}
	if m.mode == session.StoreOnly {
		m.store = e.At
	}
	m.mode, m.since = e.Mode, e.At
}

// auto reports whether nobody has operated an instance for a while.
func (o *oracle) auto(birth int, at time.Duration) bool {
	m := o.modes[birth]
	return m == nil || m.mode == session.Auto && at-m.since >= o.Settle
}

// storeOnly reports whether the instance of q trusted no copy at some time while
// it answered. Mode, StoreOnly: "a session that the store does not answer for is
// ErrUnavailable".
func (o *oracle) storeOnly(q *Request) bool {
	m := o.modes[q.Birth]
	return m != nil && (m.mode == session.StoreOnly || m.store >= q.Began)
}
