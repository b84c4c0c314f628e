package simulation

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// smallJournal is how many bytes the instances of a plan with strangers may owe
// the store. A hundred sessions fill it.
const smallJournal = 16 << 10

// strangers begin and end sessions of their own, more than an instance can
// remember: in an outage in which a visitor wants to log out, or after the
// visitor did and before the store loses its memory.
func strangers(d *planner) {
	d.p.Journal = smallJournal
	b := d.IntN(d.p.Browsers)
	one, other := d.two()
	d.after(0, Step{Do: Visit, Browser: b, Instance: one, Route: Set, Key: d.IntN(registers)})
	d.after(100*time.Millisecond, Step{Do: Copy, Browser: b})
	crowd := Step{Do: Crowd, Instance: one, Pick: 30 + d.IntN(200)}
	logout := Step{Do: Visit, Browser: b, Instance: one, Route: Logout}
	if d.IntN(2) == 0 || d.calm {
		d.after(200*time.Millisecond, logout)
		d.after(300*time.Millisecond, crowd)
		at := d.span(17*time.Second, 25*time.Second) // everybody could know of it by then
		for shard := range d.p.Shards {
			d.after(at+time.Duration(shard), Step{Do: Restart, Shard: shard})
		}
		d.after(at+d.span(16*time.Second, 20*time.Second), Step{Do: Impersonate, Copy: -1, Instance: other, Route: Read})
		d.alone(at)
		return
	}
	d.cutOff(200*time.Millisecond, d.span(8*time.Second, 15*time.Second), one)
	d.after(d.span(300*time.Millisecond, 2*time.Second), Step{Do: Visit, Browser: b, Instance: one, Route: Count, Key: tallyKey})
	d.after(3*time.Second, crowd)
	if d.IntN(2) == 0 && !d.mood.stays {
		d.after(d.span(4*time.Second, 7*time.Second), logout)
	}
	d.alone(16 * time.Second)
}

// crowd has as many strangers as Pick says begin a session and end it. Their
// answers are not judged.
func (w *world) crowd(s Step) {
	w.mu.Lock()
	i := w.instances[s.Instance%len(w.instances)]
	i.busy.Add(1)
	w.counts["a crowd of strangers came"]++
	w.mu.Unlock()
	w.visits.Go(func() {
		defer i.busy.Done()
		for range s.Pick {
			jar := &Jar{Host: host}
			for _, a := range []ask{{route: Set}, {route: Logout}} {
				r := httptest.NewRequest(http.MethodPost, a.url(), nil)
				if line := Line(jar.Send("/", time.Now())); line != "" {
					r.Header.Set("Cookie", line)
				}
				answer := httptest.NewRecorder()
				i.Handler.ServeHTTP(answer, r)
				jar.Take(answer.Header()["Set-Cookie"], time.Now())
				if answer.Code != http.StatusOK && !strings.Contains(answer.Body.String(), "unavailable") {
					w.count("a stranger was refused")
				}
			}
		}
		w.log(Event{Kind: Crowded, Instance: i.place, Birth: i.birth})
	})
}

// droppedBeside reports whether an instance may have dropped what it knew of another write of
// a session, made while a request was under way, because strangers came after it.
func (o *oracle) droppedBeside(q *Request) bool {
	b := o.births[q.Birth]
	if b == nil || b.crowded <= q.Began {
		return false
	}
	for _, w := range o.writes {
		if w != nil && w.q != q && w.q.Birth == q.Birth && w.q.Token == q.Token && w.q.Ended >= q.Began && w.q.Ended <= b.crowded {
			return true
		}
	}
	return false
}

// takenForStranger reports whether a full journal may have dropped the tombstone of a
// logout, because strangers came after it. Section 4: "What goes first when it is full
// (...): tombstones of made-up tokens, and of sessions begun in this outage whose state
// this very journal still owes and that knew no user (both go together)".
func (o *oracle) takenForStranger(e *Request, x *life) bool {
	noUser := x.parent == nil && x.maker != nil && !x.maker.Route.ends()
	begunHere := noUser && x.maker.Birth == e.Birth && (x.stored == 0 || x.stored > e.Ended)
	b := o.births[e.Birth]
	if !begunHere || b == nil || b.crowded <= e.Began {
		return false
	}
	o.exempt(looksStrange)
	return true
}
