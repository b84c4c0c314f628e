package simulation

import "time"

// hearing is how long after a durable logout other instances may be without it.
// Section 5: "an instance that reaches the store honors it within two intervals (two
// seconds up to 100 instances) whatever the store loses".
const hearing = 2 * time.Second

// news is a durable logout of which the other instances hear.
type news struct {
	x *life
	e *Request
}

// announce notes a logout of which all instances hear, if they reach the store.
func (o *oracle) announce(e *Request) {
	x := o.life(e.Token)
	durable := e.Route == Logout && e.done() && e.Answer.Durability == "durable"
	if durable && !o.WithoutBackup && x.record != nil && x.record.dead {
		o.untold = append(o.untold, news{x, e})
	}
}

// hear notes which instances have heard of logouts by now.
func (o *oracle) hear(now time.Duration) {
	o.hearUsers(now)
	for len(o.untold) > 0 && now > o.untold[0].e.Ended+hearing {
		n := o.untold[0]
		o.untold = o.untold[1:]
		for b := range o.births {
			if n.x.heard[b] == nil && o.reached(n, b) {
				n.x.heard[b] = n.e
			}
		}
	}
}

// reached reports whether an instance has had the shard within reach for long enough
// when a logout was made, and since, and the shard has kept what it had meanwhile. A
// logout that a shard loses before an instance has asked it may be lost for that
// instance: docs/RELIABILITY.md, "Within the first second".
func (o *oracle) reached(n news, b int) bool {
	return n.x.evicted <= n.e.Began && o.announces(n.e, n.x.shard) && o.inReach(n.x.shard, n.e.Began, b)
}

// announces reports whether the instance that made a logout durable has told the others that
// its log goes further: it does so a moment after the answer. An instance that was cut off or
// died before has the entry in its log, where no other looks until it counts as gone:
// docs/RELIABILITY.md, "Cut off with the answer".
func (o *oracle) announces(e *Request, shard int) bool {
	l, i := o.links[linkOf{e.Birth, shard}], o.births[e.Birth]
	return l != nil && l.healthy && l.since <= e.Began && (!i.died || i.until > e.Ended+time.Second)
}

// inReach is reached for one shard, and what is in its logs.
func (o *oracle) inReach(shard int, made time.Duration, b int) bool {
	before := made - hearing
	l, i := o.links[linkOf{b, shard}], o.births[b]
	inReach := l != nil && l.healthy && l.since <= before && !i.died && i.since <= before
	if m := o.modes[b]; m != nil && (m.since > before || m.mode != 0) {
		return false // an operator keeps it from the store
	}
	return inReach && !o.disturbed(shard, made)
}

// disturbed reports whether a shard has stood still, or has lost something, since a time.
func (o *oracle) disturbed(shard int, since time.Duration) bool {
	shaken, stood := o.shaken[shard]
	forgot, lost := o.forgot[shard]
	return stood && shaken > since || lost && forgot > since
}

// judgeHeard is promise (c) for an instance that has heard of the logout: it serves the
// session no more, whatever the store has lost since, and whether or not it answers.
func (o *oracle) judgeHeard(q *Request, x *life) {
	e := x.heard[q.Birth]
	if e == nil || q.Began <= e.Ended+hearing || q.Ended >= e.Ended+o.ringLife()-tick {
		return
	}
	o.violate(q, q.Ended, "c: revived", "ended by request %d, of which the instance has heard", e.N)
}

// judgeHeirHeard is promise (e) for an instance that has heard of the logout of a session
// and of what a thief made of it afterwards: "the whole line of successors ends, whatever
// died in it meanwhile, and whichever instance sees both".
func (o *oracle) judgeHeirHeard(q *Request, y *life) {
	for x := y.parent; x != nil; x, y = x.parent, x {
		e, thief := x.heard[q.Birth], y.maker
		if e == nil || thief.Began <= e.Ended || q.Began <= e.Ended+hearing || q.Ended >= e.Ended+o.ringLife()-tick {
			continue
		}
		told := q.Began > thief.Ended+hearing && o.settled(thief.Birth, x.shard, q.Began) && o.settled(q.Birth, x.shard, q.Began)
		if told || y.stored == 0 && o.asked[q].backup {
			o.violate(q, q.Ended, "e: outlives the logout", "made by request %d of session %s, of whose logout by request %d the instance has heard", thief.N, short8(x.id), e.N)
			return
		}
	}
}
