package simulation

import (
	"cmp"
	"slices"
	"time"

	"github.com/holdfast-go/session"
)

// MaxLifetime is what the instances of a world allow a login to last.
const MaxLifetime = time.Hour

// stay draws how long a login lasts: shorter or longer than what the instances have for
// logins that do not say, at least one of the two.
func (d *planner) stay() session.Stay {
	return session.Stay{
		Persistent: d.IntN(2) == 0,
		Lifetime:   []time.Duration{0, 100 * time.Second, 5 * time.Minute, 50 * time.Minute}[d.IntN(4)],
		Idle:       []time.Duration{40 * time.Second, 2 * time.Minute, 10 * time.Minute}[d.IntN(3)],
	}
}

// remember has a visitor log in for a time of their own, and be there again around its end: at
// an instance that reaches the store or at one that is cut off, after the store has lost the
// session, after another login that says nothing, or as another user, and after the browser was
// closed. A thief has the jar of before and of after.
func remember(d *planner) {
	if d.mood.stays {
		return
	}
	b := d.IntN(d.p.Browsers)
	user, stay := d.user(), d.stay()
	cut, well := d.two()
	d.after(0, Step{Do: Visit, Browser: b, Instance: d.instance(), Route: SignIn, User: user, Stay: stay})
	d.after(d.span(100*time.Millisecond, 300*time.Millisecond), Step{Do: Visit, Browser: b, Instance: d.instance(), Route: Set, Key: d.IntN(registers)})
	at := d.span(500*time.Millisecond, 3*time.Second)
	switch d.IntN(5) {
	case 0:
		d.after(at, Step{Do: Visit, Browser: b, Instance: well, Route: Login})
	case 1:
		d.after(at, Step{Do: Visit, Browser: b, Instance: well, Route: SignIn, User: d.user()})
	case 2:
		d.after(at, Step{Do: Visit, Browser: b, Instance: well, Route: SignIn, User: d.user(), Stay: d.stay()})
	}
	at += d.span(100*time.Millisecond, time.Second)
	d.after(at, Step{Do: Copy, Browser: b})
	switch d.IntN(3) {
	case 0:
		d.cutOff(at, at+d.span(time.Second, 2*d.p.Timing.Lease), cut)
	case 1:
		for shard := range d.p.Shards {
			d.after(at+time.Duration(shard), Step{Do: []Deed{Restart, Flush}[d.IntN(2)], Shard: shard})
		}
	}
	if d.IntN(2) == 0 {
		d.after(at+d.span(300*time.Millisecond, 5*time.Second), Step{Do: CloseBrowser, Browser: b})
	}
	end := cmp.Or(stay.Lifetime, d.p.Timing.Lifetime)
	for _, wait := range []time.Duration{time.Second, stay.Idle / 2, stay.Idle + stay.Idle/10, min(end, 6*time.Minute)} {
		switch wait += at + d.span(time.Second, 12*time.Second); d.IntN(3) {
		case 0:
			d.after(wait, Step{Do: Impersonate, Copy: -1, Instance: []int{cut, well}[d.IntN(2)], Route: Read})
		case 1:
			d.after(wait, Step{Do: Visit, Browser: b, Instance: []int{cut, well}[d.IntN(2)], Route: Read})
		}
	}
	d.alone(at + stay.Idle + stay.Idle/10)
}

// closeBrowser drops the cookies that do not outlast the browser.
func (w *world) closeBrowser(s Step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	jar := w.browsers[s.Browser].jar
	jar.expire(w.start.Add(w.now()))
	token, _, _ := w.read(jar.Cookies)
	jar.Cookies = slices.DeleteFunc(jar.Cookies, func(c Cookie) bool { return c.Session })
	left, _, _ := w.read(jar.Cookies)
	w.counts["a browser was closed"]++
	if token != "" {
		w.appendLocked(Event{Kind: Closed, Session: token, Gone: left == ""})
	}
}

// stayOf returns how long a session lasts. Remember: "From then on the session keeps how it
// lasts, under each new ID (...), until Remember says something else, or SetUser logs in a
// user that was not the session's before".
func (o *oracle) stayOf(x *life) session.Stay {
	stay := session.Stay{}
	for ; x != nil && x.maker != nil; x = x.parent {
		q := x.maker
		if q.Route != SignIn {
			continue
		}
		stay = q.Stay
		_, before := o.loginOf(x.parent)
		if stay != (session.Stay{}) || before != q.User {
			break
		}
	}
	stay.Lifetime = cmp.Or(stay.Lifetime, o.Lifetime)
	stay.Idle = min(cmp.Or(stay.Idle, o.Idle), stay.Lifetime)
	return stay
}

// refreshOf returns how much longer a session may go unused. Stay: "The session may outlive
// Idle by Options.Refresh, or by a tenth of Idle where that is shorter".
func (o *oracle) refreshOf(stay session.Stay) time.Duration { return min(o.Refresh, stay.Idle/10) }

// judgeClosed: Stay.Persistent "keeps the session's cookies when the browser closes", and no
// other session has a cookie that stays.
func (o *oracle) judgeClosed(e *Event) {
	x := o.life(e.Session)
	if x.maker == nil {
		return
	}
	switch stay := o.stayOf(x); {
	case !stay.Persistent && e.Gone:
		o.count("oracle: a closed browser has forgotten its session")
	case !stay.Persistent:
		o.violate(x.maker, e.At, "f: too old", "its token outlasts the browser, and nobody has asked for that")
	case !e.Gone:
		o.count("oracle: a closed browser keeps its session")
	case e.At+o.spread()+tick < x.maker.Began+stay.Lifetime:
		o.violate(x.maker, e.At, "b: logged out", "the browser was closed, and the login was to outlast that")
	}
}
