package simulation

import (
	"errors"
	"net/http"
	"time"

	"github.com/holdfast-go/session"
)

// The visitors of a world log in as these.
var userNames = []string{"ann", "bob"}

// administrator is the Browser of a person who revokes a user and has no session.
const administrator = -2

// endAll revokes a user, as an administrator's page or an identity provider's call does.
func endAll(m *session.Manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := parseAsk(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		time.Sleep(a.think)
		d, err := m.RevokeUser(r.Context(), a.user)
		switch {
		case err == nil:
			_, _ = w.Write([]byte(`{"Durability": "` + d.String() + `"}`))
		case errors.Is(err, session.ErrUnavailable):
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		default:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// people gives a plan in which users log in people who do.
func (d *planner) people(at map[int][]World) {
	users, undone := false, false
	for _, worlds := range at {
		for _, w := range worlds {
			users = users || w == Users || w == Remembered
			undone = undone || w == Rollbacks && !d.worlds[LogoutsUndone]
		}
	}
	if users && !undone && d.mood.stays {
		d.mood = moods[d.IntN(len(moods))]
	}
}

// logIn makes some of what visitors and thieves ask a login, or the end of all others.
func (d *planner) logIn(s *Step) {
	if !d.in(Users) || d.mood.stays {
		return
	}
	switch n := d.IntN(100); {
	case n < 4 || s.Route == Login && n < 60:
		if s.Do == Visit { // a thief has no password
			s.Route, s.User = SignIn, d.user()
		}
	case n < 6:
		s.Route = EndOthers
	}
}

func (d *planner) user() string { return userNames[d.IntN(len(userNames))] }

// users has a visitor log in, a thief copy what there is of the session and go on from it, and
// the user revoked: by an administrator, by the visitor or by the thief, at an instance that
// reaches the store or at one that is cut off, before or after the store has lost its memory.
// Then all of them are there again, at once and later.
func users(d *planner) {
	if d.mood.stays {
		return
	}
	b, user := d.IntN(d.p.Browsers), d.user()
	cut, well := d.two()
	signIn := func(wait time.Duration, browser, instance int) {
		d.after(wait, Step{Do: Visit, Browser: browser, Instance: instance, Route: SignIn, User: user})
	}
	theft := func(wait time.Duration, instance int, route Route) {
		d.after(wait, Step{Do: Impersonate, Copy: -1, Instance: instance, Route: route, Key: d.IntN(registers)})
	}
	signIn(0, b, d.instance())
	d.after(d.span(100*time.Millisecond, 300*time.Millisecond), Step{Do: Visit, Browser: b, Instance: d.instance(), Route: Set, Key: d.IntN(registers)})
	d.after(400*time.Millisecond, Step{Do: Copy, Browser: b})
	at := d.span(500*time.Millisecond, 5*time.Second)
	end := at
	if d.IntN(2) == 0 {
		end += d.span(time.Second, d.p.Timing.Lease)
		d.cutOff(d.span(420*time.Millisecond, at), end, cut)
	}
	if d.p.Shards > 1 && d.IntN(2) == 0 { // another instance lacks one shard only
		shard := d.IntN(d.p.Shards)
		from := d.span(420*time.Millisecond, at)
		d.after(from, Step{Do: Break, Instance: well, Shard: shard, Fault: Refuse})
		d.after(end+d.span(5*time.Second, 20*time.Second), Step{Do: Break, Instance: well, Shard: shard, Fault: Healthy})
	}
	if d.IntN(2) == 0 { // the thief renews, where the visitor's next click cannot tell
		theft(d.span(420*time.Millisecond, at), []int{cut, well}[d.IntN(2)], []Route{Login, Set}[d.IntN(2)])
	}
	if d.IntN(4) == 0 { // a login just before
		signIn(at-d.span(1e6, 80*time.Millisecond), d.IntN(d.p.Browsers), d.instance())
		d.after(at+d.span(1e6, 400*time.Millisecond), Step{Do: Copy, Browser: b})
	}
	where := []int{cut, well, well}[d.IntN(3)]
	d.revoke(at, b, where, user)
	if d.IntN(4) == 0 {
		d.revoke(at+d.span(1e6, 20*time.Second), b, d.instance(), user)
	}
	switch d.IntN(6) {
	case 0:
		d.after(at+d.span(50*time.Millisecond, 3*time.Second), Step{Do: []Deed{Crash, Deploy}[d.IntN(2)], Instance: where})
	case 1, 2:
		lost := at + d.span(1e6, 20*time.Second)
		for shard := range d.p.Shards {
			d.after(lost+time.Duration(shard), Step{Do: []Deed{Restart, Flush}[d.IntN(2)], Shard: shard})
		}
	}
	if d.IntN(2) == 0 {
		signIn(at+d.span(20*time.Millisecond, 10*time.Second), d.IntN(d.p.Browsers), d.instance())
	}
	for range min(d.room(), 4+d.IntN(8)) {
		wait := at + d.span(1e6, 4*time.Second)
		if d.IntN(3) == 0 {
			wait = at + d.span(1e6, 2*d.p.Timing.Lease)
		}
		theft(wait, d.instance(), []Route{Read, Read, Set, Login, ReadOnly}[d.IntN(5)])
		d.after(wait+d.span(1e6, time.Second), Step{Do: Visit, Browser: b, Instance: d.instance(), Route: Read})
	}
	d.alone(end)
}

// revoke has a user revoked: by an administrator, or by a visitor or a thief with a session
// of that user.
func (d *planner) revoke(at time.Duration, browser, instance int, user string) {
	switch d.IntN(6) {
	case 0:
		d.after(at, Step{Do: Impersonate, Copy: -1, Instance: instance, Route: EndOthers})
	case 1, 2:
		d.after(at, Step{Do: Visit, Browser: browser, Instance: instance, Route: EndOthers})
	default:
		d.after(at, Step{Do: Revoke, Instance: instance, User: user})
	}
}
