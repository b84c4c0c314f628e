package simulation

import (
	"time"

	"github.com/holdfast-go/session"
)

// Judge holds a history to the promises.
func Judge(h History) []Violation { return judge(h, func(string) {}) }

func judge(h History, count func(string)) []Violation {
	o := &oracle{
		History: h, count: count,
		lives: map[session.ID]*life{}, copies: map[string]*sealedCopy{}, views: map[viewOf]*view{},
		records: map[int]*kept{}, links: map[linkOf]*linkState{}, births: map[int]*birth{},
		asked: map[*Request]*asked{}, ends: map[string]*Request{}, forgot: map[int]time.Duration{},
		shaken: map[int]time.Duration{}, budget: map[linkOf]time.Duration{}, modes: map[int]*operated{},
	}
	for _, s := range append([]time.Duration{0}, h.Skews...) {
		o.early, o.late = min(o.early, s), max(o.late, s)
	}
	for i := range h.Events {
		o.hear(h.Events[i].At)
		o.event(&h.Events[i])
	}
	return o.out
}

func (o *oracle) event(e *Event) {
	switch e.Kind {
	case Sent:
		o.sent(e.Request)
	case Began:
		o.began(e)
	case Loaded, Acked:
		o.confirm(e)
	case Stored:
		o.stored(e)
	case Conflicted:
		o.conflicted(e.Request)
	case Ended:
		o.ended(e.Request)
	case Delivered:
		o.delivered(e.Request)
	case Linked:
		o.linked(e)
	case Born:
		o.born(e)
	case Died:
		o.births[e.Birth].died, o.births[e.Birth].until = true, e.At
	case Forgot:
		o.forget(e)
	case Settled:
		o.atRest(e.At)
	default:
		o.rare(e)
	}
}

// conflicted takes in that a save of a request has met a newer record.
func (o *oracle) conflicted(q *Request) {
	if a := o.asked[q]; a != nil {
		a.conflict = true
	}
}

// linked notes how an instance reaches a shard from now on.
func (o *oracle) linked(e *Event) {
	k := linkOf{e.Birth, e.Shard}
	l := o.links[k]
	if l == nil || l.healthy != e.Healthy || !e.Healthy {
		o.links[k] = &linkState{healthy: e.Healthy, failed: !e.Healthy || l != nil && l.failed, since: e.At}
	}
	if !e.InBudget {
		delete(o.budget, k)
	} else if _, ok := o.budget[k]; !ok {
		o.budget[k] = e.At
	}
}

// born notes a process that starts, with all links well.
func (o *oracle) born(e *Event) {
	o.births[e.Birth] = &birth{place: e.Instance, since: e.At}
	for s := range 8 { // more shards than any world has
		o.links[linkOf{e.Birth, s}] = &linkState{healthy: true, since: e.At}
	}
}

// rare takes in the events that only some worlds have.
func (o *oracle) rare(e *Event) {
	x := o.lives[e.Session]
	switch e.Kind {
	case Overridden:
		o.override(e)
	case Closed:
		o.judgeClosed(e)
	case Crowded:
		o.births[e.Birth].crowded = e.At
	case Shaken:
		o.shaken[e.Shard] = e.At
	case Restored:
		x.record = o.records[e.Save]
		if x.record != nil && x.record.dead {
			x.lostTomb = 0 // it has come back
		}
	case Evicted:
		x.evicted = e.At
		if x.record != nil && x.record.dead {
			x.lostTomb = e.At
		}
		x.record = nil
	default:
	}
}

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
	r := o.records[e.Save]
	if e.Kind == Loaded && e.Save == 0 {
		o.life(e.Session).nothing = e.At
	}
	if a := o.asked[e.Request]; a != nil && e.Session == e.Request.Token {
		a.lookedUp(e)
	}
	if e.Save == 0 || r == nil || r.dead {
		return
	}
	x := o.life(e.Session)
	stamp := e.Sent + o.skew(e.Instance)
	x.confirms[e.Birth] = max(x.confirmedBy(e.Birth), stamp)
	q := e.Request
	a := o.asked[q]
	if a == nil || e.Session != q.Token && e.Session != q.NewToken || q.Ended > 0 && e.At > q.Ended {
		return
	}
	// Section 7: while a store refuses writes, "a read confirms no lease".
	switch confirms := e.Kind == Acked || o.takesSaves(e.Birth, e.Shard, e.At); {
	case confirms && !a.isConfirmed:
		a.confirmed, a.isConfirmed = e.Sent, true
	case !confirms:
		a.leaseMin = min(a.leaseMin, stamp) // it may have confirmed it nevertheless
	}
	if e.Kind == Loaded && e.Session == q.Token {
		a.know = a.know.or(r.content)
		if w := o.writes[q.Op]; w != nil && w.q == q {
			o.readBefore(w, a, e)
		}
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

// stored takes in a save that a shard has done.
func (o *oracle) stored(e *Event) {
	x := o.life(e.Session)
	x.shard = e.Shard
	prev := o.records[e.Prev]
	r := o.keptBy(e, prev)
	o.records[e.Save] = r
	if a := o.asked[e.Request]; a != nil && e.Session == e.Request.Token {
		a.base = e.Save
		if w := o.writes[e.Request.Op]; w != nil && !r.dead {
			w.sent = true
		}
	}
	if x.record != nil && x.record.until <= e.At {
		x.expired = e.At
	}
	x.record = r
	if e.Gone {
		x.record = nil
	}
	if !r.dead {
		o.storedLive(e, x, r)
		return
	}
	x.tombs = append(x.tombs, tomb{e.At, e.Birth, e.Request})
	if x.tomb == 0 {
		x.tomb = e.At
	}
	if a := o.asked[e.Request]; a != nil && prev != nil {
		a.moved = prev.content
	}
}

// keptBy returns the record of a save, which replaces prev by comparison. It has what the
// writes in it knew.
func (o *oracle) keptBy(e *Event, prev *kept) *kept {
	r := &kept{since: e.At, until: e.Until, dead: e.Dead, marks: e.Marks, content: e.Marks}
	for _, n := range e.Marks.list() {
		if w := o.writes[n]; w != nil {
			r.content = r.content.or(w.know)
		}
	}
	if prev != nil && e.Prev > 0 {
		r.content = r.content.or(prev.content)
	}
	if q := e.Request; q != nil && !r.dead && q.Route == Delete && q.Token == e.Session && e.Prev > 0 {
		r.content = r.content.with(q.Op) // a deletion leaves no mark
	}
	return r
}

// storedLive notes since when the store has a session, and the writes in its record.
func (o *oracle) storedLive(e *Event, x *life, r *kept) {
	if x.stored == 0 {
		x.stored = e.At
	}
	for _, n := range e.Marks.list() {
		if w := o.writes[n]; w != nil && w.saved == 0 {
			w.saved = e.At
		}
	}
	for _, n := range r.content.list() {
		if w := o.writes[n]; w != nil && w.durable == 0 {
			w.durable = e.At
		}
	}
}

func (o *oracle) forget(e *Event) {
	o.forgot[e.Shard] = e.At
	for _, x := range o.lives {
		if x.shard != e.Shard || x.record == nil {
			continue
		}
		if x.record.dead {
			x.lostTomb = e.At
			if e.Unseen {
				x.unseen = e.At
			}
		}
		x.record = nil
	}
}

// ended judges an answer, and takes in what it says, when it leaves its instance.
func (o *oracle) ended(q *Request) {
	a := o.asked[q]
	if q.NewToken != "" {
		y := o.life(q.NewToken)
		y.maker = q
		y.own = y.own.with(q.Op)
		if q.Route.renews() && q.Token != "" && (!q.ok() || q.Answer.Session == string(q.Token)) {
			y.parent = o.life(q.Token)
		}
	}
	o.announce(q)
	o.answered(q)
	o.keepCopy(q, a)
	a.known = map[int]time.Duration{q.Birth: q.Ended}
	if q.Ending != "" {
		o.ends[q.Ending] = q
	}
	// Of what is lost a write is ErrLost, until it is set again.
	lost := q.Status == 500 && q.Key == hoardKey && q.Op > 0
	if q.Status != 503 && !q.ok() && !lost {
		o.violate(q, q.Ended, "status", "answered %d", q.Status)
	}
	if q.shows() {
		o.judgeShown(q, a)
		o.judgeUser(q, a)
		o.judgeEnds(q, a)
		o.judgeAge(q, a)
		o.judgeTwice(q)
		o.judgeHungUp(q, a)
	}
	o.judgeRefused(q, a)
	if q.Browser >= 0 && q.arrived() && !q.Tampered {
		o.judgeVouched(q, a)
		if q.shows() && q.Route != Logout && !o.storeOnly(q) && !o.endedLate(q) { // which leaves an empty session
			o.judgeRead(q, a)
		}
	}
}

// endedLate reports whether the session of a request was ended before its write after
// the header. Section 3: "Dead or no session: the visitor gets an empty session".
func (o *oracle) endedLate(q *Request) bool {
	x := o.life(q.Token)
	over := x.maker != nil && q.Ended+o.spread() >= x.maker.Began+o.stayOf(x).Lifetime
	ended := over || x.endedBy(q) || o.endedElsewhere(x, q.Ended)
	if q.Answer.Late != "ended" || !ended {
		return false
	}
	o.exempt(endedBeforeLate)
	return true
}

// keepCarried notes what the copy that a request carried must hold, because the
// answer shows it and brings no other. Section 6: "It is sent again when something
// changed".
func (o *oracle) keepCarried(q *Request) {
	var only *sealedCopy
	for _, v := range q.Carried {
		b := o.copies[v]
		if b == nil || b.id != q.Token || only != nil && only != b {
			return
		}
		only = b
	}
	if only != nil && q.Route == Read && q.shows() && !o.storeOnly(q) && // which reads no copy
		!o.life(q.Token).endedBy(q) { // which gets no copy any more
		only.content = only.content.or(o.shown(q))
	}
}

// keepCopy notes what an answer puts into the visitor's jar.
func (o *oracle) keepCopy(q *Request, a *asked) {
	if len(q.Sealed) == 0 {
		if q.Answer.Late == "pending" { // the journal has it, with the lease of what was carried
			y := o.life(q.Token)
			y.vouched[q.Birth] = max(y.vouchedBy(q.Birth), a.leaseMax)
		}
		o.keepCarried(q)
		return
	}
	skew := o.skew(q.Instance)
	b := &sealedCopy{id: q.Token, q: q, parts: len(q.Sealed), content: a.know, seen: q.Began + skew, leaseMin: a.leaseMin, leaseMax: a.leaseMax}
	if q.NewToken != "" {
		b.id = q.NewToken
	}
	if q.Route == Late {
		b.content = a.carried // the cookies left before the rest was known
	} else if q.ok() {
		b.content = b.content.with(q.Op).or(o.shown(q))
	}
	if a.isConfirmed {
		b.leaseMin = a.confirmed + skew // which may be less than another clock said before
	}
	// Section 5: "A session that Renew makes while degraded keeps the lease of
	// the one it replaces". Section 4: "only a session begun from nothing starts
	// its own".
	for _, id := range []session.ID{b.id, q.Token} {
		b.leaseMax = max(b.leaseMax, o.life(id).confirmedBy(q.Birth), o.life(id).vouchedBy(q.Birth))
	}
	if q.NewToken != "" && o.life(q.NewToken).parent == nil {
		b.leaseMax = max(b.leaseMax, q.Ended+skew)
		if b.content = (ops{}).with(q.Op); !a.isConfirmed {
			b.leaseMin = q.Began + skew
		}
	}
	for _, v := range q.Sealed {
		o.copies[v] = b
	}
	y := o.life(b.id)
	y.vouched[q.Birth] = max(y.vouchedBy(q.Birth), b.leaseMax)
}
