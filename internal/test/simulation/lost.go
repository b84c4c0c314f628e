package simulation

import "time"

// Promises (a) and (d): what a visitor was told is written, or was shown, is
// shown from then on.

// required is what an answer to q must not be older than.
func (o *oracle) required(v *view, q *Request) ops {
	if !q.Final {
		return v.seen.minus(v.displaced)
	}
	// The world is well, and has been for a while: what only store or journal
	// had must be back too, as long as one of them was there to keep it.
	out := v.seen
	for _, n := range v.displaced.list() {
		if o.gone(n, o.life(q.Token), q.Sent) {
			o.exempt(displacedThenLost)
			out = out.minus(ops{}.with(n))
		}
	}
	return out
}

// gone reports whether a write that is in no jar may be nowhere. Section 4: "A
// crash loses journal and ring (cookies and peers have the rest)", and "The journal
// creates a record only while the state's lease holds; later it only joins into a
// live record, or drops the state". A store that restarts empty loses what only it
// had, and one whose record expires too: "Stored expiry = lastSeen + Idle +
// Refresh", while a copy sent later vouches for longer.
func (o *oracle) gone(n int, x *life, at time.Duration) bool {
	w := o.writes[n]
	switch {
	case w == nil || o.lostWithRecord(w, x, at) || o.lostWithShard(w):
		return true
	case w.durable > 0:
		return false
	}
	return o.lostBeside(w, x, at) || o.isOver(x, at) || o.idleFor(w, x) || !o.stillOwed(w, at)
}

// lostWithRecord reports whether the record that had a write has expired or was evicted.
func (o *oracle) lostWithRecord(w *write, x *life, at time.Duration) bool {
	r := x.record
	if w.durable > 0 {
		expired := r == nil || r.until <= at || x.expired > w.durable
		if expired || x.evicted >= max(w.durable, w.q.Began) {
			return true
		}
	}
	// The record may have had the deletion.
	return w.q.Route == Delete && r != nil && r.since >= w.q.Began && r.until <= at
}

// lostWithShard reports whether a shard that may have had a write has lost its memory
// since. Nobody can see when a shard has a deletion.
func (o *oracle) lostWithShard(w *write) bool {
	if w.durable == 0 && w.q.Route != Delete {
		return false
	}
	for _, f := range o.forgot {
		if f >= max(w.durable, w.q.Began) {
			return true
		}
	}
	return false
}

// lostBeside reports whether a write may have been replaced by another one, side by side
// with it, that is lost itself.
func (o *oracle) lostBeside(w *write, x *life, at time.Duration) bool {
	for _, other := range o.writes {
		if other != nil && other.mayReplace(w) && other.durable > 0 && o.gone(other.n, x, at) {
			return true
		}
	}
	return false
}

// mayReplace reports whether w is another write of the same key as v, and v did not come
// after it.
func (w *write) mayReplace(v *write) bool {
	return w != v && w.q.Key == v.q.Key && !v.know.has(w.n)
}

// isOver reports whether some clock says that a session has lived for its lifetime.
func (o *oracle) isOver(x *life, at time.Duration) bool {
	return x.maker != nil && at+o.spread()+tick > x.maker.Began+o.stayOf(x).Lifetime
}

// stillOwed reports whether the instance that took a write is there and may still deliver
// it, because the lease of its copy has not ended.
func (o *oracle) stillOwed(w *write, at time.Duration) bool {
	lease := w.q.Began
	if len(w.q.Sealed) > 0 {
		lease = o.copies[w.q.Sealed[0]].leaseMin
	} else if w.q.Key == tallyKey {
		lease = o.leaseOf(w.q)
	}
	return o.alive(w.q.Birth) && at <= lease+o.Lease-o.spread()
}

// idleFor reports whether the instance that owes the store a write found nothing there when
// the session had been idle for too long as far as it knew: visitors came to other
// instances, which owe the store the session as well. No instance creates an idle session.
func (o *oracle) idleFor(w *write, x *life) bool {
	seen := w.q.Began
	for _, q := range x.uses {
		if q.Birth == w.q.Birth && q.Began <= x.nothing {
			seen = max(seen, q.Began)
		}
	}
	return x.nothing > seen+o.Idle-o.spread()
}

// judgeRead holds what an answer shows against what it must show.
func (o *oracle) judgeRead(q *Request, a *asked) {
	promise := func(n int) string {
		switch {
		case !a.told.has(n):
			return "d: older than what the visitor was shown"
		case q.Final:
			return "a: lost"
		}
		return "d: older than what the visitor was told"
	}
	of := [keyCount]ops{}
	for _, n := range a.required.list() {
		if w := o.writes[n]; w != nil {
			of[w.q.Key] = of[w.q.Key].with(n)
		}
	}
	for key, required := range of {
		if (required == ops{}) {
			continue
		}
		name := keyNames[key]
		if fault := q.Answer.Faults[name]; fault != "" {
			// Section 4: "reading or updating a withheld key in an outage is
			// ErrUnavailable; after a restore from a copy it is ErrLost until
			// set again". Section 6: "ServerOnly keys always".
			travels := key != secretKey && !o.tooLarge(key, o.life(q.Token))
			switch {
			case !travels && fault == "lost":
				o.exempt(withheldLost)
				continue
			case !travels && fault == "unavailable":
				o.exempt(withheldUnavailable)
				continue
			}
			o.violate(q, q.Ended, promise(required.list()[0]), "%s is %s", name, fault)
			continue
		}
		var shown ops
		for _, m := range q.Answer.Marks[name] {
			shown = shown.or(findMarks([]byte(m)))
		}
		if isList(key) {
			o.judgeCart(q, promise, key, required, shown)
		} else {
			o.judgeRegister(q, promise, key, required, shown)
		}
	}
}

// judgeRegister: section 2, "a later write always wins, whatever the wall
// clocks say; only writes of one key that truly happened side by side are
// decided by the dot".
func (o *oracle) judgeRegister(q *Request, promise func(int) string, key int, required, shown ops) {
	for _, r := range required.list() {
		for _, u := range shown.list() {
			if u != r && o.writes[r].know.has(u) {
				o.violate(q, q.Ended, promise(r), "%s shows write %d, which write %d came after", keyNames[key], u, r)
				return
			}
		}
		if (shown != ops{}) || o.writes[r].q.Route == Delete {
			continue
		}
		if !o.beside(q, key, func(w *write) bool { return w.q.Route == Delete && !o.writes[r].know.has(w.n) }) {
			o.violate(q, q.Ended, promise(r), "%s shows nothing, and write %d was there", keyNames[key], r)
			return
		}
	}
}

// judgeCart: an item may be missing only where another request wrote the cart
// side by side with the one that added it. Section 2: "only writes of one key
// that truly happened side by side are decided by the dot"; section 4: "a
// counter in the store is never lost", since each of its writes knows the one
// before.
func (o *oracle) judgeCart(q *Request, promise func(int) string, key int, required, shown ops) {
	for _, r := range required.minus(shown).list() {
		if o.strict(key) {
			if o.replaced(o.writes[r], q) {
				o.exempt(listsBeside)
				continue
			}
		} else if o.beside(q, key, func(w *write) bool { return w.n != r && w.q != q && !w.know.has(r) && !o.writes[r].know.has(w.n) }) {
			o.exempt(cartsBeside)
			continue
		}
		o.violate(q, q.Ended, promise(r), "%s lacks write %d", keyNames[key], r)
		return
	}
}

// beside reports whether a write of key for which is holds was sent before q ended.
func (o *oracle) beside(q *Request, key int, is func(*write) bool) bool {
	for _, w := range o.writes {
		if w != nil && w.q.Key == key && w.q.Sent <= q.Ended && is(w) {
			return true
		}
	}
	return false
}

// atRest looks into the store when the world has been well for a while.
func (o *oracle) atRest(at time.Duration) {
	for _, w := range o.writes {
		if w != nil {
			o.judgeDelivered(w, at)
			o.judgeCount(w, at)
		}
	}
	for _, x := range o.lives {
		o.judgeTombstone(x, at)
	}
}

// judgeDelivered: section 4, "the journal, which delivers it when the shard is
// back, so that the write arrives even if the visitor never returns".
func (o *oracle) judgeDelivered(w *write, at time.Duration) {
	q := w.q
	if o.WithoutBackup || !w.isPending() {
		return
	}
	x := o.sessionOf(q)
	if x.shard < 0 {
		x.shard = q.Shard // nothing but a guess: it never reached the store
		if q.NewToken != "" {
			return
		}
	}
	if len(x.ends) > 0 || o.endedElsewhere(x, at) || !o.due(w, x, at) {
		return
	}
	o.count("oracle: a pending write is looked for in the store")
	if w.durable > 0 {
		return // it was there, and came into the cookies with it
	}
	stands := x.record != nil && !x.record.dead && x.record.content.has(w.n)
	if stands || o.replacedBeside(w) {
		return
	}
	o.violate(q, at, "a: not delivered", "write %d is not in the store, %v after all was well", w.n, o.Settle)
}

// isPending reports whether a visitor was told that a write is done which the store had
// not taken by then. Deletions leave no mark, and judgeCount looks for the tally's writes.
func (w *write) isPending() bool {
	q := w.q
	told := q.Browser >= 0 && q.arrived() && q.ok()
	pending := w.durable == 0 || w.durable > q.Ended
	hasSession := q.shows() || q.NewToken != ""
	return told && pending && hasSession && q.Route != Delete && q.Key != tallyKey
}

// replacedBeside reports whether a write that came later than w, or side by side with it,
// may stand in its place.
func (o *oracle) replacedBeside(w *write) bool {
	for _, other := range o.writes {
		if other != nil && other.mayReplace(w) && (other.durable > 0 || other.q.Route == Delete) {
			return true
		}
	}
	return false
}

// due reports whether the instance that holds a pending write must have
// delivered it.
func (o *oracle) due(w *write, x *life, at time.Duration) bool {
	q := w.q
	if o.WithoutBackup || !o.settled(q.Birth, x.shard, at) {
		return false
	}
	// Section 4: "The journal creates a record only while the state's lease
	// holds".
	// It is there when the shards are of the sessions that it took the place of.
	// A session that is over by then is put back by nobody.
	reached := max(q.Ended, o.links[linkOf{q.Birth, x.shard}].since)
	for link, state := range o.links {
		if link.birth == q.Birth {
			reached = max(reached, state.since, o.forgot[link.shard])
		}
	}
	if m := o.modes[q.Birth]; m != nil {
		reached = max(reached, m.since) // an operator kept it from the store until then
	}
	reached += o.Settle + o.spread() + 2*time.Second
	stay := o.stayOf(x)
	inTime := reached <= q.Began+stay.Idle && x.maker != nil && reached <= x.maker.Began+stay.Lifetime
	return inTime && reached <= o.leaseOf(q)+o.Lease
}

// leaseOf is when the store had confirmed the session last, as far as the answer
// to q knew.
func (o *oracle) leaseOf(q *Request) time.Duration {
	a := o.asked[q]
	switch {
	case len(q.Sealed) > 0:
		return o.copies[q.Sealed[0]].leaseMin
	case q.Key != tallyKey:
		return never // no copy of it went to the visitor
	case a.isConfirmed:
		return a.confirmed + o.skew(q.Instance)
	}
	return a.leaseMin
}
