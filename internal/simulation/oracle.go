package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-go/session"
)

// Judge holds a history to the promises.
func Judge(h History) []Violation { return judge(h, func(string) {}) }

func judge(h History, count func(string)) []Violation {
	o := &oracle{
		History: h, count: count,
		lives: map[session.ID]*life{}, bundles: map[string]*bundle{}, views: map[viewOf]*view{},
		records: map[int]*kept{}, links: map[linkOf]*linkState{}, births: map[int]*birth{},
		asked: map[*Request]*asked{}, ends: map[string]*Request{}, forgot: map[int]time.Duration{},
	}
	for _, s := range append([]time.Duration{0}, h.Skews...) {
		o.early, o.late = min(o.early, s), max(o.late, s)
	}
	for i := range h.Events {
		o.event(&h.Events[i])
	}
	return o.out
}

// oracle is what is known of a world at one point of its history.
type oracle struct {
	History
	count func(string)
	out   []Violation

	early, late time.Duration // how far clocks are apart

	writes  [maxOps]*write
	lives   map[session.ID]*life
	bundles map[string]*bundle // by the value of each of their cookies
	views   map[viewOf]*view
	records map[int]*kept // by their save
	links   map[linkOf]*linkState
	births  map[int]*birth
	asked   map[*Request]*asked
	ends    map[string]*Request   // by the tombstone cookie that the answer set
	forgot  map[int]time.Duration // when a shard last lost its memory
}

// write is one write, and those that it certainly came after: what its
// request's cookies held, and what it was given by the store. All these have a
// smaller dot.
type write struct {
	n       int
	q       *Request
	know    ops
	durable time.Duration // when the store first had it
}

// life is one session.
type life struct {
	id     session.ID
	shard  int
	maker  *Request // whose answer gave its token
	parent *life    // what Renew made it from
	own    ops      // what was written with its token
	ends   []*Request
	uses   []*Request

	record   *kept // what the store has now
	stored   time.Duration
	expired  time.Duration         // when another took the place of a record that had expired
	tomb     time.Duration         // when the store first had a tombstone
	tombs    []tomb                // all that it had
	lostTomb time.Duration         // when it lost one
	confirms map[int]time.Duration // by birth: when the store last confirmed it
	vouched  map[int]time.Duration // by birth: the same, as bundles say that it made
}

// tomb is a tombstone's save: of which instance, and for which request, if it
// was for one.
type tomb struct {
	at    time.Duration
	birth int
	by    *Request
}

// kept is a record that the store had.
type kept struct {
	since, until time.Duration
	dead         bool
	marks        ops
	content      ops // marks, and all that they came after
}

// bundle is one backup that an answer set.
type bundle struct {
	id      session.ID
	q       *Request
	parts   int
	content ops
	// When the store last confirmed the session, as the clock of an instance
	// had it: between these.
	leaseMin, leaseMax time.Duration
	seen               time.Duration // lastSeen is not earlier, on that clock
}

type viewOf struct {
	browser int
	id      session.ID
}

// view is what a browser has seen of a session.
type view struct {
	told      ops // what answers said is written
	seen      ops // and what they have shown
	displaced ops // of these, what an answer has displaced from the jar
	content   ops // what the jar's bundles hold
	jar       []string
	active    time.Duration // began the last answered request that counts as use

	// A backup that the browser should have been sent, and was not.
	owed      bool
	owedLease time.Duration
}

type linkOf struct{ birth, shard int }

type linkState struct {
	healthy bool
	since   time.Duration
}

type birth struct {
	place int
	died  bool
}

// asked is what is known of a request.
type asked struct {
	know     ops
	required ops           // an answer must not be older than these
	told     ops           // which of them the visitor was told are written
	backup   bool          // it carries a complete bundle of its session
	leaseMin time.Duration // of the bundles it carries
	leaseMax time.Duration
	seen     time.Duration
	active   time.Duration // of the view, when it was sent

	confirmed   time.Duration // when the call left by which the store first confirmed the session
	isConfirmed bool
	conflict    bool
	moved       ops                   // what stood in the old record when this Renew ended it
	known       map[int]time.Duration // by birth: since when an instance knows that this ended its session

	record  *kept // the store's, when it began
	settled bool  // the shard was within reach when it began
}

func (o *oracle) life(id session.ID) *life {
	x := o.lives[id]
	if x == nil {
		x = &life{id: id, shard: -1, confirms: map[int]time.Duration{}, vouched: map[int]time.Duration{}}
		o.lives[id] = x
	}
	return x
}

// confirmedBy is when an instance last heard of the session from the store, on
// its clock.
func (x *life) confirmedBy(birth int) time.Duration {
	if at, ok := x.confirms[birth]; ok {
		return at
	}
	return never
}

// vouchedBy is the same for what an instance itself has put into bundles.
func (x *life) vouchedBy(birth int) time.Duration {
	if at, ok := x.vouched[birth]; ok {
		return at
	}
	return never
}

func (o *oracle) view(browser int, id session.ID) *view {
	k := viewOf{browser, id}
	if o.views[k] == nil {
		o.views[k] = &view{}
	}
	return o.views[k]
}

func (o *oracle) violate(q *Request, at time.Duration, promise, format string, a ...any) {
	o.out = append(o.out, Violation{At: at, Promise: promise, Text: fmt.Sprintf(format, a...), Request: q})
}

// skew is how far ahead the clock of a place is.
func (o *oracle) skew(place int) time.Duration {
	if place < 0 || place >= len(o.Skews) {
		return 0
	}
	return o.Skews[place]
}

// spread is how far two clocks can be apart.
func (o *oracle) spread() time.Duration { return o.late - o.early }

// settled tells whether an instance has had a shard within reach for long
// enough to use it. Section 7: "After three good probes (...) it serves";
// section 5: "for 5 s nothing counts as no answer".
func (o *oracle) settled(b, shard int, at time.Duration) bool {
	l := o.links[linkOf{b, shard}]
	if l == nil || !l.healthy || at-l.since < o.Settle || o.births[b] == nil || o.births[b].died {
		return false
	}
	forgot, ok := o.forgot[shard]
	return !ok || at-forgot >= o.Settle
}

func (o *oracle) alive(b int) bool { return o.births[b] != nil && !o.births[b].died }

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
		if a := o.asked[e.Request]; a != nil {
			a.conflict = true
		}
	case Ended:
		o.ended(e.Request)
	case Delivered:
		o.delivered(e.Request)
	case Linked:
		k := linkOf{e.Birth, e.Shard}
		if l := o.links[k]; l == nil || l.healthy != e.Healthy || !e.Healthy {
			o.links[k] = &linkState{e.Healthy, e.At}
		}
	case Born:
		o.births[e.Birth] = &birth{place: e.Instance}
		for s := range 8 { // more shards than any world has
			o.links[linkOf{e.Birth, s}] = &linkState{true, e.At}
		}
	case Died:
		o.births[e.Birth].died = true
	case Forgot:
		o.forget(e)
	case Settled:
		o.atRest(e.At)
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
	parts := map[*bundle]int{}
	for _, v := range q.Carried {
		if b := o.bundles[v]; b != nil && b.id == q.Token {
			if parts[b]++; parts[b] == b.parts {
				a.carry(b)
			}
		}
	}
	if q.Browser >= 0 && q.Token != "" {
		v := o.view(q.Browser, q.Token)
		a.active = v.active
		if v.owed && (!a.backup || v.owedLease > a.leaseMin) {
			a.backup, a.leaseMin, a.seen = true, v.owedLease, max(a.seen, v.owedLease)
		}
		a.required, a.told = o.required(v, q), v.told
	}
	if q.Op > 0 {
		o.writes[q.Op] = &write{n: q.Op, q: q, know: a.know}
	}
}

// never is before all times, by any clock.
const never = time.Duration(-1 << 62)

func (a *asked) carry(b *bundle) {
	a.backup = true
	a.know = a.know.or(b.content)
	a.leaseMin, a.leaseMax, a.seen = max(a.leaseMin, b.leaseMin), max(a.leaseMax, b.leaseMax), max(a.seen, b.seen)
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
	if q.Token == "" {
		return
	}
	x := o.life(q.Token)
	x.uses = append(x.uses, q)
	a.record = x.record
	a.settled = o.settled(q.Birth, x.shard, e.At)
}

// confirm is an answer of the store that an instance got.
func (o *oracle) confirm(e *Event) {
	r := o.records[e.Save]
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
	if !a.isConfirmed {
		a.confirmed, a.isConfirmed = e.Sent, true
	}
	if e.Kind == Loaded && e.Session == q.Token {
		a.know = a.know.or(r.content)
		// To delete what is not there changes nothing (section 4), so a deletion
		// may be over when its request first asks for the session.
		if w := o.writes[q.Op]; w != nil && w.q == q && (q.Route != Delete || e.Sent <= q.Began+o.ReadTimeout) {
			w.know = a.know.minus(ops{}.with(w.n))
		}
	}
}

// stored is a save that a shard has done.
func (o *oracle) stored(e *Event) {
	x := o.life(e.Session)
	x.shard = e.Shard
	r := &kept{since: e.At, until: e.Until, dead: e.Dead, marks: e.Marks, content: e.Marks}
	for _, n := range e.Marks.list() {
		if w := o.writes[n]; w != nil {
			r.content = r.content.or(w.know)
		}
	}
	prev := o.records[e.Prev]
	if prev != nil && e.Prev > 0 {
		r.content = r.content.or(prev.content)
	}
	if q := e.Request; q != nil && !r.dead && q.Route == Delete && q.Token == e.Session && e.Prev > 0 {
		r.content = r.content.with(q.Op) // a deletion leaves no mark
	}
	o.records[e.Save] = r
	if x.record != nil && x.record.until <= e.At {
		x.expired = e.At
	}
	x.record = r
	if e.Gone {
		x.record = nil
	}
	if r.dead {
		x.tombs = append(x.tombs, tomb{e.At, e.Birth, e.Request})
		if x.tomb == 0 {
			x.tomb = e.At
		}
		if a := o.asked[e.Request]; a != nil && prev != nil {
			a.moved = prev.content
		}
		return
	}
	if x.stored == 0 {
		x.stored = e.At
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
		}
		x.record = nil
	}
}

// ended is when an answer leaves an instance.
func (o *oracle) ended(q *Request) {
	a := o.asked[q]
	if q.NewToken != "" {
		y := o.life(q.NewToken)
		y.maker = q
		y.own = y.own.with(q.Op)
		if q.Route == Login && q.Token != "" && (!q.ok() || q.Answer.Session == string(q.Token)) {
			y.parent = o.life(q.Token)
		}
	}
	o.keepBundle(q, a)
	a.known = map[int]time.Duration{q.Birth: q.Ended}
	if q.Ending != "" {
		o.ends[q.Ending] = q
	}
	if q.Status != 503 && !q.ok() {
		o.violate(q, q.Ended, "status", "answered %d", q.Status)
	}
	if q.shows() {
		o.judgeShown(q, a)
		o.judgeEnds(q, a)
		o.judgeAge(q, a)
	}
	if q.Browser >= 0 && q.arrived() && !q.Tampered {
		o.judgeVouched(q, a)
		if q.shows() && q.Route != Logout { // which leaves an empty session
			o.judgeRead(q, a)
		}
	}
}

// keepBundle notes what an answer puts into the visitor's jar.
func (o *oracle) keepBundle(q *Request, a *asked) {
	if len(q.Bundle) == 0 {
		return
	}
	skew := o.skew(q.Instance)
	b := &bundle{id: q.Token, q: q, parts: len(q.Bundle), content: a.know, seen: q.Began + skew, leaseMin: a.leaseMin, leaseMax: a.leaseMax}
	if q.NewToken != "" {
		b.id = q.NewToken
	}
	if q.ok() {
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
	for _, v := range q.Bundle {
		o.bundles[v] = b
	}
	y := o.life(b.id)
	y.vouched[q.Birth] = max(y.vouchedBy(q.Birth), b.leaseMax)
}

// shown returns all writes whose marks stand in an answer.
func (o *oracle) shown(q *Request) (all ops) {
	for _, marks := range q.Answer.Marks {
		for _, m := range marks {
			all = all.or(findMarks([]byte(m)))
		}
	}
	return all
}

// content returns what the complete bundles among values hold of a session.
func (o *oracle) content(values []string, id session.ID) (all ops) {
	parts := map[*bundle]int{}
	for _, v := range values {
		if b := o.bundles[v]; b != nil && b.id == id {
			if parts[b]++; parts[b] == b.parts {
				all = all.or(b.content)
			}
		}
	}
	return all
}

// delivered is when an answer reaches its browser: the cookies first, then the
// visitor's eyes.
func (o *oracle) delivered(q *Request) {
	if q.Browser < 0 || q.JarToken == "" {
		return
	}
	a := o.asked[q]
	v := o.view(q.Browser, q.JarToken)
	switch {
	case q.NewToken != "" && q.NewToken == q.JarToken:
		if q.ok() {
			v.told = ops{}.with(q.Op)
			v.seen = v.told
		}
		if y := o.life(q.NewToken); y.parent != nil && q.ok() {
			// Section 5: "the same values (...), so that no parallel write is lost".
			old := o.view(q.Browser, q.Token)
			v.told = v.told.or(old.told.and(a.know.or(a.moved)))
			v.seen = v.seen.or(v.told).or(old.seen.and(a.know))
		}
		v.active = q.Began
		o.owe(q, a, v, true)
	case q.JarToken == q.Token && q.shows():
		v.told, v.seen = v.told.with(q.Op), v.seen.with(q.Op)
		if q.Route != ReadOnly {
			// handler.go, ReadOnly: "the session's expiry is not put off, and
			// the answer sets no cookie". So what only it has shown is in no
			// backup.
			v.seen = v.seen.or(o.shown(q))
			v.active = max(v.active, q.Began)
			o.owe(q, a, v, q.Op > 0 && q.Route != Delete) // which may have had nothing to delete
		}
	}
	o.displace(q, v)
}

// owe notes a backup that an answer should have brought. Section 6: "It is
// sent again when something changed, (...) when it is older than a quarter of
// min(Lease, Idle), or when none opened".
func (o *oracle) owe(q *Request, a *asked, v *view, changed bool) {
	if o.WithoutBackup || !a.isConfirmed {
		return
	}
	stamp := a.confirmed + o.skew(q.Instance)
	if !changed {
		stamp -= min(o.Lease, o.Idle)/4 + time.Second
	}
	for _, value := range append(slices.Clone(q.Bundle), q.Carried...) {
		if b := o.bundles[value]; b != nil && b.id == q.JarToken && b.leaseMin >= stamp {
			return
		}
	}
	v.owed, v.owedLease = true, max(v.owedLease, stamp)
	o.count("oracle: no backup was sent where one is due")
}

// displace finds out what an answer has taken from the jar without knowing of
// it. Section 6: "Across instances, or with one slot, an answer may displace
// another from the jar; then only store or journal has it."
func (o *oracle) displace(q *Request, v *view) {
	before := v.content
	if len(q.Bundle) > 0 && o.bundles[q.Bundle[0]].id == q.JarToken {
		before = before.or(o.bundles[q.Bundle[0]].content)
	}
	after := o.content(q.Jar, q.JarToken)
	granted := false
	for _, value := range v.jar {
		b := o.bundles[value]
		if b == nil || b.id != q.JarToken || slices.Contains(q.Jar, value) || slices.Contains(q.Carried, value) {
			continue
		}
		switch {
		case q.Token != b.id && q.NewToken != b.id:
			granted = true // the sentence before speaks of the requests "of that session"
			o.count("oracle: exempt: a bundle displaced another session's")
		case b.q.Birth != q.Birth:
			granted = true
			o.count("oracle: exempt: a bundle displaced another instance's")
		case o.oneSlot(b.q) || o.oneSlot(q):
			granted = true
			o.count("oracle: exempt: a bundle displaced another in the only slot")
		case o.noneFree(b.q):
			granted = true
			o.count("oracle: exempt: a bundle displaced another, none was free")
		default:
			o.count("oracle: an instance displaced its own bundle")
		}
	}
	if granted {
		v.displaced = v.displaced.or(before.minus(after))
	}
	v.displaced = v.displaced.minus(after)
	v.content, v.jar = after, slices.Clone(q.Jar)
}

// oneSlot: section 6, "As many slots as the budget (...) holds of this size, at
// least one".
func (o *oracle) oneSlot(q *Request) bool { return 2*(q.Size+30*len(q.Bundle)) > o.Budget }

// noneFree: section 6, "an instance gives a request no slot that an overlapping
// request of that session carried or was given; none free: it overwrites a
// carried one". A request overlaps, as the browser sees it, until its answer has
// arrived; the instance cannot see that, and may take half a minute for it.
func (o *oracle) noneFree(q *Request) bool {
	const unseen = 30 * time.Second
	slots := max(1, min(4, o.Budget/max(1, q.Size+30*len(q.Bundle)))) // of this size
	taken := map[byte]bool{}                                          // by the number that a cookie's name ends with
	for _, name := range q.Used {
		taken[name[len(name)-1]] = true
	}
	// Those of other sessions of this browser count too: a session that begins
	// under another's token takes over what its answers hold. And those of a
	// thief do: nobody can tell him from the visitor.
	for other := range o.asked {
		if other.Birth != q.Birth || other.Browser != q.Browser && other.Token != q.Token ||
			other.Began > q.Ended || other.Ended > 0 && other.Ended < q.Began-unseen {
			continue
		}
		for _, name := range append(slices.Clone(other.Used), other.Given...) {
			taken[name[len(name)-1]] = true
		}
	}
	for i := range slots {
		if !taken[byte('0'+i)] {
			return false
		}
	}
	return true
}
