package simulation

import (
	"time"

	"github.com/holdfast-go/session"
)

func (o *oracle) sent(q *Request) {
	a := &asked{leaseMin: never, leaseMax: never, seen: never}
	o.asked[q] = a
	if q.Token != "" {
		x := o.life(q.Token)
		x.shard = q.Shard
		x.own = x.own.with(q.Op)
		if q.Route.ends() {
			x.ends = append(x.ends, q)
		}
	}
	parts := map[*sealedCopy]int{}
	for _, v := range q.Carried {
		if b := o.copies[v]; b != nil && b.id == q.Token {
			if parts[b]++; parts[b] == b.parts {
				a.carry(b)
			}
		}
	}
	if q.Browser >= 0 && q.Token != "" {
		v := o.view(q.Browser, q.Token)
		a.active = v.active
		if v.owed && (!a.backup || v.owedLease > a.leaseMin) {
			a.backup = true
			a.leaseMin = v.owedLease
			a.seen = max(a.seen, v.owedLease)
		}
		a.required, a.told = o.required(v, q), v.told
	}
	a.carried = a.know
	if q.Op > 0 {
		o.writes[q.Op] = &write{n: q.Op, q: q, know: a.know}
	}
}

// never is before all times, by any clock.
const never = time.Duration(-1 << 62)

func (a *asked) carry(b *sealedCopy) {
	a.backup = true
	a.know = a.know.or(b.content)
	a.leaseMin = max(a.leaseMin, b.leaseMin)
	a.leaseMax = max(a.leaseMax, b.leaseMax)
	a.seen = max(a.seen, b.seen)
}

func (o *oracle) began(e *Event) {
	q := e.Request
	a := o.asked[q]
	if end := o.ends[q.Endings]; end != nil && end.arrived() && end.Answer.Durability != "durable" {
		// Section 5: the tombstone cookie "carries a logout made in an outage back
		// to the store".
		if known := o.asked[end].known; known[q.Birth] == 0 {
			known[q.Birth] = e.At
			o.count("oracle: an instance learned of a logout by cookie")
		}
	}
	o.revoking(q)
	if q.Token == "" {
		return
	}
	if m := o.modes[q.Birth]; m != nil && m.mode == session.StoreOnly {
		o.readsNoCopy(q, a)
	}
	x := o.life(q.Token)
	x.uses = append(x.uses, q)
	a.record = x.record
	a.settled = o.settled(q.Birth, x.shard, e.At)
	for _, n := range a.know.list() {
		if w := o.writes[n]; w != nil && w.q.Birth == q.Birth && w.q.Ended > 0 {
			w.returned = true
		}
	}
	if o.ByTime {
		kept := o.keptHere(q)
		a.required = a.required.or(kept)
	}
}

// readsNoCopy notes that what the copies of a request hold is not known to it. Decision
// 50: "With the mode store only a session is what the store says, and the copies that a
// request carries are not joined in", and after it "all copies are joined by their dots
// as after any outage, and the later write of each key wins". So what the request writes
// is side by side with what its copies hold.
func (o *oracle) readsNoCopy(q *Request, a *asked) {
	if (a.know != ops{}) {
		o.count("oracle: a request whose copies nobody reads")
	}
	a.know, a.carried = ops{}, ops{}
	if w := o.writes[q.Op]; w != nil && w.q == q {
		w.know = ops{}
	}
}

// confirm takes in an answer of the store that has reached an instance.
func (o *oracle) confirm(e *Event) {
	if e.Kind == Loaded && e.Save == 0 {
		o.life(e.Session).nothing = e.At
	}
	if a := o.asked[e.Request]; a != nil && e.Session == e.Request.Token {
		a.lookedUp(e)
	}
	r := o.records[e.Save]
	if e.Save == 0 || r == nil || r.dead {
		return
	}
	x := o.life(e.Session)
	stamp := e.Sent + o.skew(e.Instance)
	x.confirms[e.Birth] = max(x.confirmedBy(e.Birth), stamp)
	a := o.waiting(e)
	if a == nil {
		return
	}
	o.confirmLease(a, e, stamp)
	if e.Kind == Loaded && e.Session == e.Request.Token {
		o.loaded(a, e, r)
	}
}

// waiting returns what is known of the request for which an answer of the store has come; nil
// where the answer is of another session than the request's, or came after the request was
// answered itself.
func (o *oracle) waiting(e *Event) *asked {
	q := e.Request
	a := o.asked[q]
	if a == nil || e.Session != q.Token && e.Session != q.NewToken {
		return nil
	}
	if q.Ended > 0 && e.At > q.Ended {
		return nil
	}
	return a
}

// confirmLease notes whether an answer of the store confirms the lease of the request's session,
// on the clock of the instance at the time stamp. Section 7: while a store refuses writes, "a
// read confirms no lease".
func (o *oracle) confirmLease(a *asked, e *Event, stamp time.Duration) {
	switch confirms := e.Kind == Acked || o.takesSaves(e.Birth, e.Shard, e.At); {
	case confirms && !a.isConfirmed:
		a.confirmed, a.isConfirmed = e.Sent, true
	case !confirms:
		a.leaseMin = min(a.leaseMin, stamp) // it may have confirmed it nevertheless
	}
}

// loaded notes that a request has read a record of its session.
func (o *oracle) loaded(a *asked, e *Event, r *kept) {
	a.know = a.know.or(r.content)
	q := e.Request
	if w := o.writes[q.Op]; w != nil && w.q == q {
		o.readBefore(w, a, e)
	}
}

// lookedUp notes an answer of the store about the session of a request. Section 4, of
// the lookup after a timeout: "if another version stands, join and apply again with new
// dots, or 503". That nothing stood is known too.
func (a *asked) lookedUp(e *Event) {
	asked := a.base > 0 || a.answered
	a.conflict = a.conflict || asked && e.Kind == Loaded && e.Save != a.base && !e.Cached
	a.answered = true
	a.base = e.Save
	a.cached = a.cached || e.Cached
}

// readBefore notes what the request of a write knew when it made it. To delete what is
// not there changes nothing (section 4), so a deletion may be over when its request first
// asks for the session. And an answer of the store that has the write came after it.
func (o *oracle) readBefore(w *write, a *asked, e *Event) {
	mayBeOver := w.q.Route == Delete && (w.read || e.Sent > w.q.Began+o.ReadTimeout)
	if w.saved == 0 && !w.sent && !mayBeOver {
		w.know, w.read = a.know.minus(ops{}.with(w.n)), true
	}
}
