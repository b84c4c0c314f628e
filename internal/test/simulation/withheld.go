package simulation

import (
	"strings"
	"time"
)

// hoard is how large the values of hoardKey are: three of them fit no copy.
const hoardSize = 2600

// withhold makes a list too large for a copy, and has the application read it by
// Or and set it, in an outage and after.
func withhold(d *planner) {
	b, i := d.IntN(d.p.Browsers), d.instance()
	at := time.Duration(0)
	for range 3 {
		d.after(at, Step{Do: Visit, Browser: b, Instance: i, Route: Count, Key: hoardKey})
		at += d.span(20*time.Millisecond, 500*time.Millisecond)
	}
	if d.calm {
		return
	}
	length := d.span(time.Second, 8*time.Second)
	d.faulty(at, at+length, i, []Fault{Refuse, Hang}[d.IntN(2)])
	for range 1 + d.IntN(2) {
		d.after(at+d.span(1e6, length+2*time.Second), Step{Do: Visit, Browser: b, Instance: i, Route: OrSet, Key: hoardKey})
	}
	d.after(at+length+d.span(5*time.Second, 9*time.Second), Step{Do: Visit, Browser: b, Instance: i, Route: Read})
	d.alone(at + length)
}

// item is what a list gets: a mark, which is large where a copy must not hold
// the list.
func (a ask) item() string {
	if a.key == hoardKey {
		return mark(a.op) + strings.Repeat("x", hoardSize)
	}
	return mark(a.op)
}

// overlap reports whether two requests were at their instances at the same time. A
// value that is read and set, without Update, may then lose the other's change.
func overlap(a, b *Request) bool {
	apart := a.Ended > 0 && a.Ended < b.Began || b.Ended > 0 && b.Ended < a.Began
	return !apart
}

// readAndSet reports whether one of two writes was no Update, and the other was
// under way with it.
func readAndSet(w, r *write) bool {
	return (w.q.Route == OrSet || r.q.Route == OrSet) && overlap(w.q, r.q)
}

// tooLarge reports whether a key of a session may not travel in a copy.
func (o *oracle) tooLarge(key int, x *life) bool {
	if key != hoardKey && key != bulkKey {
		return false
	}
	for _, w := range o.writes {
		if w != nil && w.q.Key == hoardKey && o.sessionOf(w.q).root() == x.root() {
			return true
		}
	}
	return false
}
