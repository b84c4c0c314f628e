package simulation

import "time"

// revocation is one of a user: all logins count no more that were before it.
type revocation struct {
	user string
	q    *Request

	// By birth: since when an instance must know of it.
	known map[int]time.Duration

	announced bool // durable, and two seconds have passed
}

// maxAhead is by how much clocks may differ everywhere. RevokeUser: "One at an instance that
// has not heard of the revocation, because it does not reach the store, counts only from a
// minute after it on, since clocks differ".
const maxAhead = time.Minute

// revokes reports whether the route revokes a user.
func (r *Request) revokes() bool { return r.Route == EndOthers || r.Route == EndAll }

// loginOf returns the request that was the last login to a session, and its user; nil where
// nobody has logged in. "Neither Renew nor Rotate moves the time of the login", and "the
// visitor who asks is excepted by a later login clock".
func (o *oracle) loginOf(x *life) (q *Request, user string) {
	for ; x != nil && x.maker != nil; x = x.parent {
		switch x.maker.Route {
		case SignIn:
			if q == nil {
				q = x.maker
			}
			return q, x.maker.User
		case EndOthers:
			if q == nil {
				q = x.maker
			}
		default:
		}
	}
	return nil, ""
}

// revoking notes a request that logs in or revokes, as it arrives.
func (o *oracle) revoking(q *Request) {
	if q.Route != SignIn && !q.revokes() {
		return
	}
	user := q.User
	if q.Route == EndOthers {
		_, user = o.loginOf(o.life(q.Token))
	}
	a := o.asked[q]
	if q.Route != EndAll {
		a.after = map[*revocation]bool{}
		for _, r := range o.revoked {
			a.after[r] = r.user == user && o.comesAfter(q, r)
		}
	}
	if q.revokes() && user != "" {
		o.revoked = append(o.revoked, &revocation{user: user, q: q, known: map[int]time.Duration{}})
	}
}

// comesAfter reports whether a login certainly counts after a revocation: it begins when
// that one was answered, at an instance that knows of it, or can ask the store for it, or
// after the minute.
func (o *oracle) comesAfter(login *Request, r *revocation) bool {
	if r.q.Ended == 0 {
		return login.Began > r.q.Began+maxAhead+o.spread()+tick
	}
	if login.Began <= r.q.Ended {
		return false
	}
	if login.Began > r.q.Ended+maxAhead+o.spread()+tick || o.knows(r, login.Birth, login.Began) {
		return true
	}
	if r.q.Answer.Durability != "durable" {
		return false
	}
	for shard := range o.shards() {
		if !o.settled(login.Birth, shard, login.Began) || o.disturbed(shard, r.q.Began) {
			return false
		}
	}
	return true
}

func (o *oracle) shards() int { return max(1, o.Shards) }

// answered notes a revocation that was answered. "This instance honors it at once."
func (o *oracle) answered(q *Request) {
	if !q.revokes() || !q.ok() || q.Answer.Durability == "" {
		return
	}
	for _, r := range o.revoked {
		if r.q == q {
			r.known[q.Birth] = q.Ended
		}
	}
}

// hearUsers notes which instances have heard of revocations of users by now. Such a
// revocation is in the logs of all shards, so that an instance hears of it which reaches
// any of them.
func (o *oracle) hearUsers(now time.Duration) {
	for _, r := range o.revoked {
		if r.announced || r.q.Answer.Durability != "durable" || !r.q.ok() || now <= r.q.Ended+hearing {
			continue
		}
		r.announced = true
		for b := range o.births {
			for shard := range o.shards() {
				if _, known := r.known[b]; !known && o.announces(r.q, shard) && o.inReach(shard, r.q.Began, b) {
					r.known[b] = r.q.Ended + hearing
				}
			}
		}
	}
}

// knows reports whether an instance has heard of a revocation by a time.
func (o *oracle) knows(r *revocation, birth int, at time.Duration) bool {
	since, ok := r.known[birth]
	return ok && at > since
}

// judgeUser is promise (h): a session whose login was before the revocation of its user is
// shown by no instance that knows of the revocation, or that has had the time to hear of it.
func (o *oracle) judgeUser(q *Request, a *asked) {
	x := o.life(q.Token)
	login, user := o.loginOf(x)
	if q.Answer.User != user {
		o.violate(q, q.Ended, "g: another user", "the answer is for %q, and %q has logged in", q.Answer.User, user)
		return
	}
	if login == nil {
		return
	}
	for _, r := range o.revoked {
		switch {
		case r.user != user || r.q == q || r.q == login || !r.q.ok() || r.q.Ended == 0 || r.q.Answer.Durability == "":
		case login.Ended > r.q.Began:
			// "A login that begins afterwards counts", and one that was answered before does not.
			if login.Began <= r.q.Ended {
				o.exempt(loginAtOnce)
			}
		case o.unordered(login, r):
			o.exempt(loginUnordered)
		default:
			o.count("oracle: a session of a user who was revoked is shown")
			if why := o.mustKnow(q, a, r, x); why != "" {
				o.violate(q, q.Ended, "h: outlives the revocation", "%s logged in by request %d, and was revoked by request %d: %s", user, login.N, r.q.N, why)
				return
			}
		}
	}
}

// mustKnow says why the instance of q knows of a revocation.
func (o *oracle) mustKnow(q *Request, a *asked, r *revocation, x *life) string {
	kept := r.q.Answer.Durability == "durable" && !o.disturbed(x.shard, r.q.Began) && q.Began > r.q.Ended+hearing
	switch within := a.settled && o.settled(q.Birth, x.shard, q.Ended); {
	case q.Birth == r.q.Birth && q.Began > r.q.Ended:
		return "its instance has revoked the user itself"
	case o.knows(r, q.Birth, q.Began):
		return "its instance has heard of it"
	case within && kept:
		return "the store has kept what it was told"
	case within && o.toldBy(r, x.shard, q.Began) != 0:
		return "an instance that knows has had the time to tell the store"
	case kept && q.Began > r.q.Ended+hearing+o.Lease+o.spread()+tick:
		// Section 5: "an instance that does not reach it, at most one lease later".
		return "the lease of every copy has ended since"
	}
	return ""
}

// toldBy returns an instance that knows of a revocation and has had the time to tell a shard; 0
// means none.
func (o *oracle) toldBy(r *revocation, shard int, at time.Duration) int {
	for b, since := range r.known {
		if at-since >= o.Settle && o.settled(b, shard, at) {
			return b
		}
	}
	return 0
}

// unordered reports whether nobody can tell which came first of a login and a revocation:
// decision 69, "Where an instance is cut off, and another one has revoked the user in the last
// minute, the joined revocation is the later one of two by clocks that may differ". The login
// came after that other one, of which the one that was cut off had not heard.
func (o *oracle) unordered(login *Request, r *revocation) bool {
	if o.asksAhead(login, r) {
		return true
	}
	if r.q.Answer.Durability == "durable" {
		return false // it has read the store
	}
	for _, other := range o.revoked {
		if other == r || other.user != r.user || o.knows(other, r.q.Birth, r.q.Began) {
			continue
		}
		if other.q.Began <= login.Ended && r.q.Began <= other.q.Began+maxAhead+o.spread()+tick {
			return true
		}
	}
	return false
}

// asksAhead reports whether the login is a RevokeOthers at an instance that was cut off, of
// which the instance of a later revocation had not heard, and whose clock may have been as far
// ahead as the two lie apart: the later one of the joined revocations may be that one, and it
// excepts the session that asked for it.
func (o *oracle) asksAhead(login *Request, r *revocation) bool {
	if login.Route != EndOthers || login.Answer.Durability == "durable" || r.q.Began > login.Ended+o.spread()+tick {
		return false
	}
	for _, other := range o.revoked {
		if other.q == login {
			return !o.knows(other, r.q.Birth, r.q.Began)
		}
	}
	return false
}

// mayBeRevoked reports whether, by a time, a request was made to revoke the user of a session
// whose login does not certainly come after it.
func (o *oracle) mayBeRevoked(x *life, at time.Duration) bool {
	login, user := o.loginOf(x)
	if login == nil {
		return false
	}
	for _, r := range o.revoked {
		asked := r.user == user && r.q != login && r.q.Began <= at
		if asked && !o.asked[login].after[r] {
			return true
		}
	}
	return false
}
