package revocation

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// person is a user, with what is known of the logins so far.
type person struct {
	*storm
	name    string
	devices []*device

	mu       sync.Mutex // guards all below, and the fields of visits
	visits   []*visit
	revoking int    // revocations under way
	revoked  int    // revocations so far, those under way included
	last     ending // the last revocation that was durable
	unheard  bool   // the store has lost it before all instances had heard of it

	streams []*stream
	ends    map[session.ID]*ending // of single sessions, which were durable
}

// visit is one login of a user. RevokeOthers begins one too, for the session that it leaves.
type visit struct {
	*person
	answered time.Time
	jars     []jar   // all that its visitor ever had
	mayEnd   string  // why it may be over; empty: it must not be
	ended    *ending // by what it is over; nil: it may not be
	renews   bool    // it has a session of another ID since, or will have: no stream follows there
}

// ending is a revocation that was durable at a time.
type ending struct {
	at   time.Time
	what string
	by   int       // the instance
	told time.Time // when the shards named it to the others, as far as somebody has looked; zero: not yet
}

// begin notes that a revocation begins at an instance. It returns how many there were with it,
// and a function to be called with what became of it.
func (u *person) begin(by int, what string) (count int, done func(durable bool)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	began, losses := time.Now(), u.losses.Load()
	u.revoking++
	u.revoked++
	for _, l := range u.visits {
		l.mayEnd = what
	}
	return u.revoked, func(durable bool) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.revoking--
		lost := losses%2 == 1 || u.losses.Load() != losses
		u.unheard = u.unheard || lost
		if !durable || lost {
			return
		}
		u.revocations.Add(1)
		e := &ending{at: time.Now(), what: what, by: by}
		u.last, u.unheard = *e, false
		for _, l := range u.visits {
			if l.ended == nil && l.answered.Before(began) {
				l.ended = e
			}
		}
	}
}

// revoke ends all sessions of the user at an instance, and reports whether that is durable.
func (u *person) revoke(at int) bool {
	_, done := u.begin(at, fmt.Sprintf("RevokeUser at instance %d, begun at %v", at, u.since()))
	d, err := u.all[at].RevokeUser(u.Context(), u.name)
	durable := err == nil && d == session.Durable
	done(durable)
	return durable
}

// try tries a jar of a login that is over at an instance. It returns how many tries count:
// none where the instance need not know of the end yet.
func (l *visit) try(at int, old jar) int {
	l.mu.Lock()
	e := l.ended
	must := e != nil && l.mustKnowLocked(at, e)
	l.mu.Unlock()
	if !must {
		return 0
	}
	path := "/look"
	if rand.IntN(2) == 0 {
		path = "/renew"
	}
	tried := l.since()
	l.tries.Add(1)
	answer := maps.Clone(old).send(account(l.all[at].Manager), path)
	if answer.Code == http.StatusOK && answer.Body.String() == l.name {
		l.letIn.Add(1)
		l.Errorf("%v: an old jar of %s is let in by instance %d with %s: its sessions ended %v before, by %s",
			tried, l.name, at, path, time.Since(e.at).Round(time.Millisecond), e.what)
	}
	return 1
}

// mustKnowLocked reports whether an instance must know of an ending: after two seconds, where it
// has heard of it. Shortly after a loss the store has no members record, and names the log of the
// instance that has ended the sessions only after that one's next exchange, which a busy machine
// may delay: then one exchange more is waited for. u.mu is held.
func (u *person) mustKnowLocked(at int, e *ending) bool {
	since := e.at
	if lost := time.Unix(0, u.lostAt.Load()); e.at.Sub(lost) < recovery {
		if e.told.IsZero() && u.all[e.by].toldOf(e.at) {
			e.told = time.Now()
		}
		if e.told.IsZero() {
			return false
		}
		since = e.told
	}
	return time.Since(e.at) >= 2*time.Second && u.all[at].heardOf(since)
}

// device is a browser of a user, with one session at a time.
type device struct {
	*person
	visit *visit // nil: none
	own   jar
	id    session.ID
}

func (d *device) live() {
	for !d.stop.Load() {
		time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
		at := d.any()
		if d.visit == nil {
			d.logIn(at)
			continue
		}
		switch n := rand.IntN(1000); {
		case n < 400:
			d.ask(at, "/look")
		case n < 480:
			d.ask(at, "/write")
		case n < 500:
			d.open(at)
		case n < 650:
			d.renew(at)
		case n < 750:
			d.ask(at, "/list")
		case n < 765:
			d.endAnother(at)
		case n < 780:
			d.logOut(at)
		case n < 790:
			d.revoke(at)
		case n < 800:
			d.revokeOthers(at)
		case n < 820:
			d.checkStreams()
		default:
			d.tryOne(at)
		}
	}
}

// logIn begins a session, and fails where it does not count although no revocation of the
// user was under way or lost, and the store was there.
func (d *device) logIn(at int) {
	d.mu.Lock()
	l := &visit{person: d.person}
	before, quiet := d.revoked, d.revoking == 0 && !d.unheard && !d.upset.Load()
	d.mu.Unlock()
	d.own = jar{}
	d.requests.Add(1)
	answer := d.own.send(account(d.all[at].Manager), "/login/"+d.name)
	d.mu.Lock()
	defer d.mu.Unlock()
	counts := quiet && !d.unheard && !d.upset.Load() && d.revoked == before
	if answer.Code != http.StatusOK {
		d.refused.Add(1)
		if counts {
			d.Errorf("%v: a login of %s at instance %d: %d %s", d.since(), d.name, at, answer.Code, answer.Body)
		}
		return
	}
	if !counts {
		l.mayEnd = "an earlier revocation, of which its instance need not know"
	}
	d.enterLocked(l)
}

// enterLocked makes a login that of the device. d.mu is held.
func (d *device) enterLocked(l *visit) {
	l.answered = time.Now()
	l.jars = []jar{maps.Clone(d.own)}
	d.visit = l
	d.visits = append(d.visits, l)
}

// ask sends a request of the session. Its end is a fault where nothing has ended it.
func (d *device) ask(at int, path string) (body string, ok bool) {
	return d.askOf(at, account(d.all[at].Manager), path)
}

// askOf is ask, of a handler.
func (d *device) askOf(at int, of http.Handler, path string) (body string, ok bool) {
	d.requests.Add(1)
	answer := d.own.send(of, path)
	if id := answer.Header().Get("X-Session"); id != "" {
		d.id = session.ID(id)
	}
	l := d.visit
	d.mu.Lock()
	defer d.mu.Unlock()
	if !maps.Equal(l.jars[len(l.jars)-1], d.own) {
		l.jars = append(l.jars, maps.Clone(d.own))
	}
	body = answer.Body.String()
	switch {
	case answer.Code != http.StatusOK:
		d.refused.Add(1)
		if l.mayEnd == "" && !d.upset.Load() {
			d.Errorf("%v: instance %d answers %s %d to %s, who is logged in: %s", d.since(), at, path, answer.Code, d.name, body)
		}
		if answer.Code == http.StatusForbidden {
			d.visit = nil
		}
		return body, false
	case !strings.HasPrefix(body, d.name):
		if l.mayEnd == "" {
			d.Errorf("%v: instance %d has logged out %s with %s, whom nobody has ended; the login was %v before, and %v before that the last %s",
				d.since(), at, d.name, path, time.Since(l.answered).Round(time.Millisecond), l.answered.Sub(d.last.at).Round(time.Millisecond), d.last.what)
		}
		d.visit = nil
		return body, false
	}
	return body, true
}

// renew moves the session to another ID.
func (d *device) renew(at int) {
	d.mu.Lock()
	d.visit.renews = true
	d.mu.Unlock()
	d.ask(at, "/renew")
}

func (d *device) may(why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.visit.mayEnd = why
}

func (d *device) logOut(at int) {
	d.may("its logout")
	if _, ok := d.ask(at, "/logout"); ok {
		d.visit = nil
	}
}

// endAnother ends a session that the list names.
func (d *device) endAnother(at int) {
	body, ok := d.ask(at, "/list")
	fields := strings.Fields(body)
	if !ok || len(fields) < 2 {
		return
	}
	_, done := d.begin(at, "an end by the list") // of which one is not known
	d.endOne(at, session.ID(fields[len(fields)-1]))
	done(false)
}

// revokeOthers ends the other sessions of the user, and with them the predecessors of its
// own.
func (d *device) revokeOthers(at int) {
	d.mu.Lock()
	before := d.visit.mayEnd
	d.mu.Unlock()
	count, done := d.begin(at, fmt.Sprintf("RevokeOthers at instance %d, begun at %v", at, d.since()))
	d.requests.Add(1)
	answer := d.own.send(account(d.all[at].Manager), "/others")
	in := answer.Code == http.StatusOK && strings.HasPrefix(answer.Body.String(), d.name)
	durable := in && strings.HasSuffix(answer.Body.String(), session.Durable.String())
	d.mu.Lock()
	if in {
		// It is no login: what may end the session of before may end this one.
		l := &visit{person: d.person, mayEnd: before}
		switch {
		case d.unheard:
			l.mayEnd = "an earlier revocation, which was lost unheard"
		case d.revoking > 1 || d.revoked != count || d.upset.Load() || !durable:
			l.mayEnd = "a revocation beside its own"
		}
		d.enterLocked(l)
	} else if answer.Code == http.StatusOK {
		d.visit = nil
	}
	d.mu.Unlock()
	done(durable)
}

// tryOne tries one of the jars that the user ever had.
func (d *device) tryOne(at int) {
	d.mu.Lock()
	l := d.visits[rand.IntN(len(d.visits))]
	old := l.jars[rand.IntN(len(l.jars))]
	d.mu.Unlock()
	l.try(at, old)
}

// account is an application in which users look at their sessions and end them. Each answer
// begins with the user, and is empty for nobody.
func account(m *session.Manager) http.Handler {
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		what, arg, _ := strings.Cut(r.URL.Path[1:], "/")
		name := s.User()
		if what != "login" && name == "" {
			return
		}
		w.Header().Set("X-Session", string(s.ID()))
		also := ""
		switch what {
		case "login":
			s.SetUser(arg)
			name = arg
		case "write":
			padding.Set(s, time.Now().String())
		case "renew":
			s.Renew()
		case "logout":
			_, err = s.Destroy(r.Context())
		case "others":
			var d session.Durability
			d, err = s.RevokeOthers(r.Context())
			also = " " + d.String()
		case "list":
			also = list(r, m, name)
		}
		if err != nil {
			session.Error(w, r, err)
			return
		}
		fmt.Fprint(w, name, also)
	}))
}

// list returns the IDs of a user's sessions but the current one, with a space before each.
func list(r *http.Request, m *session.Manager, name string) string {
	var ids strings.Builder
	all, _ := m.Sessions(r.Context(), name) // those that are there, in an outage
	for _, v := range all {
		if !v.Current {
			fmt.Fprint(&ids, " ", v.ID)
		}
	}
	return ids.String()
}
