package simulation

import "time"

// A counter is a list of marks that Update lengthens, so that a write which is
// lost, or counted twice, can be named.

// acknowledged reports whether the visitor was told that the write is done.
func (q *Request) acknowledged() bool {
	if q.Route == Late {
		return q.Answer.Late == "durable" || q.Answer.Late == "pending"
	}
	return q.ok()
}

// told is the write of which the visitor was told that it is done; 0: none.
func (q *Request) told() int {
	if q.Route == Late && !q.acknowledged() {
		return 0
	}
	return q.Op
}

// sessionOf is the session that a write went to.
func (o *oracle) sessionOf(q *Request) *life {
	if q.NewToken != "" {
		return o.life(q.NewToken)
	}
	return o.life(q.Token)
}

// root is the first of the sessions that Renew made from one another.
func (x *life) root() *life {
	for x.parent != nil {
		x = x.parent
	}
	return x
}

// unanswered reports whether the store had not taken the write when its request
// was answered.
func (w *write) unanswered() bool { return w.saved == 0 || w.q.Ended == 0 || w.saved > w.q.Ended }

// stillKnown is how long an instance knows what it has saved, if no request carries it
// back.
const stillKnown = 30 * time.Second

// parted reports whether two writes of one key may be apart, so that only the later
// of them stays. Section 11: "with one instance always (...); with several as long
// as each of them is answered, however slowly. Where one is not, Updates of one key
// at two instances at once keep the later (one tab at a time loses nothing)". A
// write that a store has forgotten does not bind a request that did not carry it.
func (o *oracle) parted(w, r *write) bool {
	if w.know.has(r.n) || r.know.has(w.n) {
		return false
	}
	if w.q.Birth != r.q.Birth && (w.unanswered() || r.unanswered()) {
		return true
	}
	if (w.unanswered() || r.unanswered()) && (o.renewedElsewhere(w, r) || o.renewedElsewhere(r, w)) {
		return true // as if an instance had two sessions
	}
	// Section 2, of what an instance knows beside the store: "until a request of that session
	// has carried it back (...), or for 30 s". A jar that r was displaced from did not.
	if w.unanswered() && r.q.Ended > 0 && w.q.Began-r.q.Ended > stillKnown {
		o.exempt(countedForgotten)
		return true
	}
	since := r.q.Began
	if w.q.Birth != r.q.Birth {
		// The store has forgotten w before r, whose request did not carry it. Where the
		// instance of w, which knows it still, is met again, their dots decide.
		since = min(since, w.q.Began)
	}
	return o.lostMemory(o.sessionOf(r.q), since)
}

// renewedElsewhere reports whether w was written to a session that another instance than that
// of w has made by Renew of the one that r was written to.
func (o *oracle) renewedElsewhere(w, r *write) bool {
	for x := o.sessionOf(w.q); x.parent != nil; x = x.parent {
		if x.parent == o.sessionOf(r.q) {
			return x.maker.Birth != w.q.Birth
		}
	}
	return false
}

// lostMemory is when the store last lost what it had of a session, or of those
// that it came from.
func (o *oracle) lostMemory(x *life, since time.Duration) bool {
	for ; x != nil; x = x.parent {
		if x.evicted >= since || o.forgot[x.shard] >= since {
			return true
		}
	}
	return false
}

// replaced reports whether another write than the one of q may have taken the
// place of r.
func (o *oracle) replaced(r *write, q *Request) bool {
	root := o.sessionOf(r.q).root()
	for _, w := range o.writes {
		if w == nil || w == r || w.q == q || w.q.Key != r.q.Key || o.sessionOf(w.q).root() != root {
			continue
		}
		if o.parted(w, r) || readAndSet(w, r) {
			return true
		}
	}
	return false
}

// strict reports whether the writes of a key are judged by time.
func (o *oracle) strict(key int) bool {
	return key == tallyKey || key == hoardKey || o.ByTime && isCart(key)
}

// judgeTwice: an Update runs again on a newer base, never on its own result.
func (o *oracle) judgeTwice(q *Request) {
	seen := map[string]bool{}
	for _, m := range q.Answer.Marks[keyNames[tallyKey]] {
		if seen[m] {
			o.violate(q, q.Ended, "a: counted twice", "write %s stands twice in %s", m, keyNames[tallyKey])
			return
		}
		seen[m] = true
	}
}

// judgeCount is the first sentence of section 11 about them: "n parallel Updates
// answered 200 are n in the store, whatever the store's speed".
func (o *oracle) judgeCount(w *write, at time.Duration) {
	if !w.q.counted() {
		return
	}
	x := o.sessionOf(w.q)
	if !o.storesCount(w, x, at) {
		return
	}
	o.count("oracle: a count is looked for in the store")
	switch {
	case x.record != nil && !x.record.dead && x.record.marks.has(w.n):
	case o.outOfMind(w):
		o.exempt(countedUnseen)
	case o.replaced(w, nil):
		o.exempt(countedBeside)
	default:
		o.violate(w.q, at, "a: count lost", "write %d was answered, and is not in the store", w.n)
	}
}

// counted reports whether a visitor was told that a count in a session is done.
func (q *Request) counted() bool {
	hasSession := q.shows() || q.NewToken != ""
	return q.Key == tallyKey && q.Browser >= 0 && q.Ended != 0 && q.acknowledged() && hasSession
}

// storesCount reports whether the store must have a count of the session x: the session goes on,
// and nothing has lost the count that the store had, or that an instance was to deliver.
func (o *oracle) storesCount(w *write, x *life, at time.Duration) bool {
	if len(x.ends) > 0 || o.endedElsewhere(x, at) || x.shard < 0 {
		return false
	}
	if w.saved == 0 {
		return o.WithoutBackup || o.due(w, x, at)
	}
	if o.gone(w.n, x, at) {
		o.exempt(countedLostMemory)
		return false
	}
	return true
}

// outOfMind reports whether nobody but the store had a count when an outage began: its
// answer was lost, and half a minute was over. Section 2: "stays known here until a
// request of that session has carried it back (...), or for 30 s".
func (o *oracle) outOfMind(w *write) bool {
	const known = 30 * time.Second
	if w.q.arrived() {
		return false
	}
	for _, other := range o.writes {
		if other == nil || other.q.Key != w.q.Key || other.q.Began < w.q.Ended+known {
			continue
		}
		if a := o.asked[other.q]; a != nil && !a.isConfirmed && o.sessionOf(other.q).root() == o.sessionOf(w.q).root() {
			return true
		}
	}
	return false
}

// judgeRefused: "Where the store is well and saves within 90 % of SaveTimeout,
// all n are answered 200".
func (o *oracle) judgeRefused(q *Request, a *asked) {
	refused := q.Route == Count && q.Status == 503 && q.Token != ""
	if !refused || q.hungUp() || q.Browser < 0 {
		return
	}
	x := o.life(q.Token)
	inReach := o.inBudget(q.Birth, x.shard, q.Began) && o.inBudget(q.Birth, x.shard, q.Ended)
	if !inReach || !o.stands(q, a, x) || x.endedBy(q) || o.endedElsewhere(x, q.Ended) || o.writtenElsewhere(q) {
		return
	}
	o.violate(q, q.Ended, "b: refused", "answered %d by a store that saves in time", q.Status)
}

// inBudget reports whether a shard has answered an instance in time for a while.
func (o *oracle) inBudget(b, shard int, at time.Duration) bool {
	since, ok := o.budget[linkOf{b, shard}]
	return ok && o.auto(b, at) && at-since >= o.Settle && at-o.shaken[shard] >= o.Settle && (o.forgot[shard] == 0 || at-o.forgot[shard] >= o.Settle)
}

// writtenElsewhere reports whether another instance has written the session while q
// was under way: a write that comes too late too often may be refused.
func (o *oracle) writtenElsewhere(q *Request) bool {
	root := o.life(q.Token).root()
	for _, w := range o.writes {
		if w == nil || w.q.Birth == q.Birth || w.q.Sent > q.Ended || o.sessionOf(w.q).root() != root {
			continue
		}
		if w.q.Ended == 0 || w.q.Ended+time.Second >= q.Began {
			return true
		}
	}
	return false
}

// crowded reports whether others counted in the same session at the same
// instance while q was under way. Section 2: "Whoever cannot be saved then
// although the store answers gets 503".
func (o *oracle) crowded(q *Request) bool {
	if o.inBudget(q.Birth, o.life(q.Token).shard, q.Began) && !o.writtenElsewhere(q) {
		return false // see judgeRefused
	}
	for _, w := range o.writes {
		beside := w != nil && w.q != q && w.q.Key == tallyKey && w.q.Birth == q.Birth && w.q.Token == q.Token
		if beside && w.q.Began <= q.Ended && (w.q.Ended == 0 || w.q.Ended >= q.Began) {
			return true
		}
	}
	return false
}

// keptHere are the writes that no copy in the jar has, and that the instance of
// a request must know nevertheless. Section 2: "What a commit has saved or
// delivered stays known here until a request of that session has carried it
// back (...), or for 30 s".
func (o *oracle) keptHere(q *Request) (kept ops) {
	if q.Browser < 0 || q.Token == "" {
		return kept
	}
	const known = 25 * time.Second
	v := o.view(q.Browser, q.Token)
	for _, n := range v.displaced.and(v.seen).list() {
		w := o.writes[n]
		if w == nil || w.q.Birth != q.Birth || w.q.Ended == 0 || o.gone(n, o.life(q.Token), q.Began) {
			continue
		}
		if o.renewedByAnother(w, q) {
			o.exempt(renewedByAnother)
			continue
		}
		if w.durable == 0 || !w.returned && q.Began-w.q.Ended <= known {
			kept = kept.with(n)
		}
	}
	return kept
}

// renewedByAnother reports whether another instance than that of q has renewed the session of w
// to that of q, or to one in between: what an instance knows of the session before it does not
// know of the one that another has made.
func (o *oracle) renewedByAnother(w *write, q *Request) bool {
	another := false
	for x := o.life(q.Token); x.parent != nil; x = x.parent {
		another = another || x.maker.Birth != q.Birth
		if x.parent == o.sessionOf(w.q) {
			return another
		}
	}
	return false
}
