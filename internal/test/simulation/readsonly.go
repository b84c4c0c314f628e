package simulation

import "time"

// readsOnly has the store refuse saves for a time, to one instance or to all, while
// a browser goes on: often for longer than a lease.
func readsOnly(d *planner) {
	place := -1 + d.IntN(2)*(1+d.instance())
	length := d.span(500*time.Millisecond, []time.Duration{2 * time.Second, 20 * time.Second, 80 * time.Second}[d.IntN(3)])
	d.faulty(0, length, place, SavesRefused)
	if d.IntN(4) == 0 { // and then it answers nothing any more
		d.faulty(length, length+d.span(time.Second, 10*time.Second), place, Refuse)
	}
	b := d.IntN(d.p.Browsers)
	for range min(d.room(), 2+d.IntN(8)) {
		s := Step{Do: Visit, Browser: b, Instance: max(0, place)}
		d.ask(&s)
		if s.Route != Logout && d.IntN(2) == 0 {
			s.Route, s.Key = Count, tallyKey
		}
		d.after(d.span(1e6, length+2*time.Second), s)
	}
	if d.IntN(3) == 0 && !d.mood.stays {
		d.after(d.span(1e6, length), Step{Do: Visit, Browser: b, Instance: d.instance(), Route: Logout})
	}
}
