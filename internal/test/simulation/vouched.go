package simulation

import "time"

// tick is what clocks and stores may be off besides their skew: a store keeps a
// record up to two seconds too long, and dates are rounded.
const tick = 2 * time.Second

// judgeVouched is promise (b): no fault logs a visitor out, and none turns away
// one for whom a copy vouches.
func (o *oracle) judgeVouched(q *Request, a *asked) {
	if q.Route == Begin || q.Token == "" {
		o.judgeStranger(q)
		return
	}
	if q.Route == Logout {
		o.judgeLogout(q)
		return
	}
	x := o.life(q.Token)
	isRefused := !q.shows() && (q.ok() || q.Status == 503)
	if !isRefused || x.maker == nil || x.endedBy(q) || o.endedElsewhere(x, q.Ended) || o.mayBeTooOld(q, a, x) {
		return
	}
	if q.ok() { // as if there were no session
		o.judgeLoggedOut(q, a, x)
	} else {
		o.judgeTurnedAway(q, a, x)
	}
}

// mayBeTooOld reports whether a session has outlived its timeouts by some clock. Section
// 3: "A copy vouches until the earliest of the end of its lease, the session's absolute
// end, and lastSeen + Idle + one refresh interval".
func (o *oracle) mayBeTooOld(q *Request, a *asked, x *life) bool {
	stay, latest := o.stayOf(x), q.Ended+o.spread()+tick
	return latest > a.active+stay.Idle || latest > x.maker.Began+stay.Lifetime
}

// judgeLogout: with a backup a logout is taken in an outage too.
func (o *oracle) judgeLogout(q *Request) {
	if q.Status == 503 && !o.WithoutBackup && !q.hungUp() && !o.storeOnly(q) {
		o.violate(q, q.Ended, "b: turned away", "a logout was answered 503")
	}
}

func (o *oracle) judgeLoggedOut(q *Request, a *asked, x *life) {
	switch {
	case o.vouches(q, a, x):
		o.violate(q, q.Ended, "b: logged out", "a copy vouches for %v more", o.leaseLeft(q, a))
	case o.stoodThere(q, a, x):
		o.violate(q, q.Ended, "b: logged out", "the store has the session")
	default:
		// Section 5: "An empty store logs out whoever was not seen for a lease."
		o.exempt(nothingVouches)
	}
}

func (o *oracle) judgeTurnedAway(q *Request, a *asked, x *life) {
	within := a.settled && o.settled(q.Birth, x.shard, q.Ended)
	switch {
	case o.exempt503(q, a):
	case o.vouches(q, a, x):
		o.violate(q, q.Ended, "b: turned away", "answered %d, and a copy vouches for %v more", q.Status, o.leaseLeft(q, a))
	case o.stoodThere(q, a, x) && within && !q.Route.renews(): // its new ID may be on another shard
		o.violate(q, q.Ended, "b: turned away", "answered %d, and the store has the session", q.Status)
	default:
		// Section 3: "Else unknown: ErrUnavailable, by default 503".
		o.exempt(cannotVouch)
	}
}

// leaseLeft returns how long the copies that a request carried may vouch after its answer.
func (o *oracle) leaseLeft(q *Request, a *asked) time.Duration {
	return a.leaseMin + o.Lease - q.Ended - o.skew(q.Instance)
}

// vouches reports whether the copies that a request carried vouch for its session.
func (o *oracle) vouches(q *Request, a *asked, x *life) bool {
	if o.WithoutBackup || o.storeOnly(q) || !a.backup {
		return false
	}
	now := q.Ended + o.skew(q.Instance)
	return o.leaseLeft(q, a) > tick && now+tick < a.seen+o.stayOf(x).Idle
}

// stoodThere reports whether the store had the session's record all the time that a
// request took, and the record had not expired by any clock.
func (o *oracle) stoodThere(q *Request, a *asked, x *life) bool {
	return o.stands(q, a, x) && o.forgot[x.shard] < q.Began
}

// stands reports whether the store had a live record of the session when a request began and when
// it ended, and the record had not expired by any clock.
func (o *oracle) stands(q *Request, a *asked, x *life) bool {
	live := func(r *kept) bool { return r != nil && !r.dead }
	return live(a.record) && live(x.record) && x.record.until > q.Ended+o.spread()+tick
}

// exempt503 names the reasons for a 503 though a copy vouches.
func (o *oracle) exempt503(q *Request, a *asked) bool {
	switch {
	case q.Route == FromStore:
		// Section 10: "not on a backup: 503".
		o.exempt(requiresStore)
	case q.Op > 0 && o.tooLarge(hoardKey, o.life(q.Token)):
		// Section 4: "updating a withheld key in an outage is ErrUnavailable", and
		// what may not degrade, because it is too large, gets 503. That holds for
		// any write that has a pending one to carry on.
		o.exempt(withheld503)
	case q.Key == secretKey && q.Route == Set:
		// Section 4: "setting a ServerOnly key while degraded is ErrUnavailable".
		o.exempt(serverOnly503)
	case q.hungUp():
		// Section 3: "A request that was canceled (...) gets unknown".
		o.exempt(hungUp503)
	case q.Op > 0 && o.crowded(q):
		// Section 2: "Whoever cannot be saved then although the store answers
		// gets 503".
		o.exempt(crowded503)
	case q.Op > 0 && o.droppedBeside(q):
		// Section 4, of what goes first when the journal is full: "delivered copies kept
		// only for reading". Without them an Update knows no base.
		o.exempt(strangers503)
	case q.Op > 0 && (a.conflict || o.crewHadConflict(q)):
		// Section 4: "until the budget ends, then an error (it never degrades on
		// conflict)".
		o.exempt(conflict503)
	default:
		return false
	}
	return true
}

// crewHadConflict reports whether another write of the session, which the instance had under way
// together with q, has met with a conflict: one of those that are saved together asks for all.
func (o *oracle) crewHadConflict(q *Request) bool {
	for p, a := range o.asked {
		together := p != q && p.Op > 0 && p.Birth == q.Birth && p.Token == q.Token
		if together && a.conflict && p.Began <= q.Ended && (p.Ended == 0 || p.Ended >= q.Began) {
			return true
		}
	}
	return false
}

// judgeStranger: a visitor without a session is not told about the store. Section 3: "No token:
// there is no session, the store is not asked", and "session.StartNew starts a session anew
// from unknown".
func (o *oracle) judgeStranger(q *Request) {
	if q.Status != 503 || o.WithoutBackup || q.hungUp() || o.storeOnly(q) || q.Route == FromStore || q.Key == secretKey && q.Route == Set {
		return
	}
	if q.Key == hoardKey && q.Op > 0 && o.Copy <= hoardSize {
		// Section 4: what may not degrade, because it is too large, gets 503.
		o.exempt(withheld503)
		return
	}
	o.violate(q, q.Ended, "b: turned away", "answered 503 without a session to ask for")
}

// endedBy reports whether a request to end the session was made before q was
// answered. Whether or not it was answered, the session may be gone: section 5.
func (x *life) endedBy(q *Request) bool {
	for _, e := range x.ends {
		if e != q && e.Sent <= q.Ended {
			return true
		}
	}
	return false
}

// endedElsewhere reports whether a session may have ended with another one. Section 5: a
// session that Renew makes "is created in the store only after the old ID was read and is not
// dead by another hand; else it is dead too". And the user who logged in may have been revoked.
func (o *oracle) endedElsewhere(x *life, at time.Duration) bool {
	if o.mayBeRevoked(x, at) {
		return true
	}
	for ; x.parent != nil; x = x.parent {
		for _, e := range x.parent.ends {
			if e != x.maker && e.Sent <= at {
				return true
			}
		}
	}
	return false
}
