package simulation

import (
	"time"

	"github.com/holdfast-go/session"
)

// ringLife is how long a tombstone is known: section 1, "Lives Backup.MaxLease
// + 5 min".
func (o *oracle) ringLife() time.Duration {
	if o.WithoutBackup {
		return 5 * time.Minute
	}
	return o.MaxLease + 5*time.Minute
}

// judgeShown: an answer shows the session of the request's token, and nothing
// that was written to another one.
func (o *oracle) judgeShown(q *Request, a *asked) {
	if q.Answer.Session != string(q.Token) {
		o.violate(q, q.Ended, "g: another session", "the answer shows session %s", q.Answer.Session)
		return
	}
	x := o.life(q.Token)
	if x.maker == nil {
		o.violate(q, q.Ended, "g: another session", "nobody was ever given this token")
	}
	var allowed ops
	for y := x; y != nil; y = y.parent {
		allowed = allowed.or(y.own)
	}
	if strange := o.shown(q).minus(allowed); (strange != ops{}) {
		o.violate(q, q.Ended, "g: another session", "the answer shows writes %v of another session", strange.list())
	}
	if q.Answer.Source != "backup" {
		return
	}
	// Section 1: "from the time taken before sending the store request that last
	// confirmed the session". An instance may vouch for as long for a session that
	// the store confirmed to it, or that it began itself, because its journal holds
	// the state.
	last := a.leaseMax
	for y := x; y != nil && y.maker != nil; y = y.parent {
		last = max(last, y.confirmedBy(q.Birth), y.vouchedBy(q.Birth))
		if y.maker.Birth == q.Birth {
			last = max(last, y.maker.Ended+o.skew(q.Instance))
		}
	}
	if last == never {
		o.violate(q, q.Ended, "g: forged", "served from a backup that nobody made")
	} else if over := q.Began + o.skew(q.Instance) - last - o.Lease; over > tick {
		o.violate(q, q.Ended, "c: after the lease", "served from a backup whose lease ended %v before", over)
	}
	if !a.backup {
		o.count("oracle: served from the journal alone")
	}
}

// done reports whether a request has ended its session, as far as any client was
// told.
func (q *Request) done() bool {
	if !q.ok() || q.Ended == 0 {
		return false
	}
	if q.Route == Logout {
		return true
	}
	return q.NewToken != "" && (q.Route == Begin || q.Answer.Session == string(q.Token))
}

// judgeEnds are promises (c) and (e): a session that was ended stays so.
func (o *oracle) judgeEnds(q *Request, a *asked) {
	x := o.life(q.Token)
	o.judgeHeard(q, x)
	o.judgeHeirHeard(q, x)
	within := a.settled && o.settled(q.Birth, x.shard, q.Ended)
	for _, e := range x.ends {
		endedBefore := e != q && e.done() && e.Ended <= q.Began
		if endedBefore && o.judgeEnd(q, a, e, within) {
			return
		}
	}
	o.judgeHeir(q, x, within)
}

// judgeEnd is judgeEnds for the request e, which had ended the session of q before. within
// reports whether the shard was within reach of the instance of q. judgeEnd reports whether the
// promise is broken.
func (o *oracle) judgeEnd(q *Request, a *asked, e *Request, within bool) (broken bool) {
	x := o.life(q.Token)
	dead := func(r *kept) bool { return r != nil && r.dead }
	stood := dead(a.record) && dead(x.record)
	ownLogout := e.Route == Logout && q.Browser >= 0 && q.Browser == e.Browser
	switch {
	case ownLogout && e.arrived() && e.Delivered <= q.Sent:
		o.violate(q, q.Ended, "c: revived", "the browser had logged out by request %d", e.N)
		return true
	case a.behind(q, e.Ended):
		// Section 5: "an instance that reaches the store honors it at once, as
		// long as the store keeps the tombstone".
		o.exempt(cachedBefore)
	case stood && (within || q.Answer.Source == "store"):
		o.violate(q, q.Ended, "c: revived", "ended by request %d, and the tombstone stands in the store", e.N)
		return true
	case within && o.hadTimeToTell(e, x, q):
		o.violate(q, q.Ended, "c: revived", "ended by request %d, whose instance has had the time to tell the store", e.N)
		return true
	default:
		o.exempt(cannotKnowEnd)
	}
	return false
}

// hadTimeToTell reports whether an instance that knows of a logout had told the store when q
// began, and the tombstone was known when q was answered. Section 5: "If the store loses it, a
// copied cookie may live until an instance whose ring has the tombstone publishes it", and "Where
// the store cannot be reached the tombstone is a hint, delivered before a recovered shard serves
// reads".
func (o *oracle) hadTimeToTell(e *Request, x *life, q *Request) bool {
	return !o.endedNothing(e, x) && o.holder(e, x, q.Began) != 0 && q.Ended < e.Ended+o.ringLife()-tick
}

// holder finds an instance that knows of a logout and has had the time to tell the store;
// 0 means none. Section 5: a logout is in the ring of the instance that took it, "a crash
// loses journal and ring (cookies and peers have the rest)".
func (o *oracle) holder(e *Request, x *life, at time.Duration) int {
	if e.Route != Logout {
		return 0
	}
	for b, since := range o.asked[e].known {
		if at-since >= o.Settle && o.settled(b, x.shard, at) && (b != e.Birth || !o.takenForStranger(e, x)) {
			return b
		}
	}
	return 0
}

// judgeHeir is promise (e): what a thief makes of a session by renewing it ends
// with it. Section 5: a session that Renew makes while degraded "is created in
// the store only after the old ID was read and is not dead by another hand; else
// it is dead too".
func (o *oracle) judgeHeir(q *Request, y *life, within bool) {
	x := y.parent
	if x == nil || !within || !o.settled(q.Birth, x.shard, q.Began) {
		return
	}
	for _, e := range x.ends {
		if e == y.maker || e.Route != Logout || !e.done() || e.Ended > q.Began {
			continue
		}
		if broken := o.judgeHeirOf(q, y, e); broken {
			return
		}
	}
}

// judgeHeirOf is judgeHeir for one logout of the session that y was made of. It reports
// whether the promise is broken.
func (o *oracle) judgeHeirOf(q *Request, y *life, e *Request) (broken bool) {
	x, thief := y.parent, y.maker
	renewed, byAnother := y.parentEnded(e)
	stands := x.record != nil && x.record.dead && x.lostTomb == 0
	afterwards := thief.Began > byAnother && thief.Began > e.Ended
	switch {
	case byAnother == never:
	case renewed:
		o.exempt(renewedBefore)
	case y.stored > 0 && y.stored <= byAnother+o.ReadTimeout+o.SaveTimeout:
		// A request that read the old ID just before the tombstone came makes the
		// new one just after.
		o.exempt(renewedBefore)
	case stands:
		o.violate(q, q.Ended, "e: outlives the logout", "its session %s was logged out by request %d", short8(x.id), e.N)
		return true
	case afterwards && x.lostTomb > 0 && o.watched(e, x):
		o.violate(q, q.Ended, "e: outlives the logout", "made by request %d of session %s, which request %d had logged out", thief.N, short8(x.id), e.N)
		return true
	}
	return false
}

// parentEnded returns whether the renewal that made y had ended the session before the
// logout e got there, which found nothing to end then, and when the store first had the
// tombstone of e or one after it; never: it had none.
func (y *life) parentEnded(e *Request) (renewed bool, byAnother time.Duration) {
	for _, t := range y.parent.tombs {
		own := y.wrote(t, e)
		if own && t.at < e.Began {
			renewed = true
		}
		if !own && t.at >= e.Began {
			return renewed, t.at
		}
	}
	return renewed, never
}

// wrote reports whether a tombstone of y's predecessor, which e has ended too, is that of
// the renewal which made y. A request of y makes sure that the predecessor is dead before
// y comes to life.
func (y *life) wrote(t tomb, e *Request) bool {
	if t.by != nil {
		return t.by == y.maker || t.by.Token == y.id
	}
	return t.birth == y.maker.Birth && e.Birth != y.maker.Birth
}

// watched reports whether the instance that took a logout was there when the store
// lost the tombstone, and within reach of it until now. Section 5: "for 5 s nothing
// counts as no answer, so that every connected instance publishes before anyone
// restores".
func (o *oracle) watched(e *Request, x *life) bool {
	l := o.links[linkOf{e.Birth, x.shard}]
	return o.alive(e.Birth) && l != nil && l.healthy && x.lostTomb-l.since >= o.Settle
}

func short8(id session.ID) string { return string(id[:min(8, len(id))]) }

// endedNothing reports whether a logout met nothing in the store, at once or when
// it arrived there, and brought no copy. Section 5: "Only where the store answered
// nothing and no copy vouches does it make no key in the store".
func (o *oracle) endedNothing(e *Request, x *life) bool {
	a := o.asked[e]
	if a == nil || a.backup || x.nothing == 0 || x.nothing < e.Began {
		return false
	}
	o.exempt(nothingToEnd)
	return true
}

// judgeTombstone looks for the tombstone of a session that was ended.
func (o *oracle) judgeTombstone(x *life, at time.Duration) {
	if o.lostTombstone(x) {
		return
	}
	for _, e := range x.ends {
		if !o.tombstoneDue(e, x, at) || o.endedNothing(e, x) {
			continue
		}
		o.count("oracle: a tombstone is looked for in the store")
		switch {
		case x.record != nil && x.record.dead:
		case x.record != nil:
			o.violate(e, at, "c: revived", "ended by request %d (%s), and alive in the store %v after all was well", e.N, e.Route, o.Settle)
			return
		case !o.WithoutBackup:
			o.violate(e, at, "c: not delivered", "ended by request %d (%s), and no tombstone in the store %v after all was well", e.N, e.Route, o.Settle)
			return
		}
	}
}

// lostTombstone reports whether the store has lost the tombstone of a session in a way
// that no instance notices.
func (o *oracle) lostTombstone(x *life) bool {
	if x.evicted >= x.lostTomb && x.lostTomb > 0 && x.record == nil {
		// Section 5: "Single tombstones are written again (...) whenever one is met".
		o.exempt(tombstoneEvicted)
		return true
	}
	if x.unseen > 0 && x.unseen == x.lostTomb && (x.record == nil || x.record.since < x.unseen) {
		// The members record that came back is the one that was there: the logs that it
		// names are whole, and have the end of each session that lost its tombstone.
		// The tombstone was delivered to the store since, and is missing as an evicted
		// one is.
		o.exempt(tombstoneUndone)
		return true
	}
	return false
}

// tombstoneDue reports whether the store must have the tombstone of a session that e has
// ended: an instance that knows of the end has had the time to write it.
func (o *oracle) tombstoneDue(e *Request, x *life, at time.Duration) bool {
	if !e.done() || x.shard < 0 || at > e.Ended+o.ringLife()-tick {
		return false
	}
	if e.Route == Logout {
		return o.holder(e, x, at) != 0
	}
	// Of a login in an outage the new session knows which one it has ended.
	return x.tomb != 0 && o.settled(e.Birth, x.shard, at)
}

// judgeAge is promise (f). Section 4: "Stored expiry = lastSeen + Idle +
// Refresh, capped by the absolute end"; section 3 says the same of a copy.
func (o *oracle) judgeAge(q *Request, _ *asked) {
	x := o.life(q.Token)
	if x.maker == nil {
		return
	}
	used := x.maker.Ended
	for _, u := range x.uses {
		switch {
		case u == q || u.Began > q.Began:
		case u.Ended == 0:
			return // it may still be in use
		default:
			used = max(used, u.Ended)
		}
	}
	stay := o.stayOf(x)
	if over := q.Began - used - stay.Idle - o.refreshOf(stay) - o.spread(); over > tick {
		o.violate(q, q.Ended, "f: too old", "nobody had used the session for %v longer than the idle timeout", over)
	}
	if over := q.Began - x.maker.Ended - stay.Lifetime - o.spread(); over > tick {
		o.violate(q, q.Ended, "f: too old", "the session had ended %v before, used or not", over)
	}
}
