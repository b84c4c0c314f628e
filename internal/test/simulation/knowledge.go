package simulation

import (
	"fmt"
	"time"

	"github.com/holdfast-go/session"
)

// oracle is what is known of a world at one point of its history.
type oracle struct {
	History
	count func(string)
	out   []Violation

	early, late time.Duration // how far clocks are apart

	writes  [maxOps]*write
	lives   map[session.ID]*life
	copies  map[string]*sealedCopy // by the value of each of their cookies
	views   map[viewOf]*view
	records map[int]*kept // by their save
	links   map[linkOf]*linkState
	births  map[int]*birth
	asked   map[*Request]*asked
	ends    map[string]*Request      // by the tombstone cookie that the answer set
	forgot  map[int]time.Duration    // when a shard last lost its memory
	shaken  map[int]time.Duration    // when it last stood still or went on
	modes   map[int]*operated        // by birth
	untold  []news                   // logouts of which the other instances hear
	revoked []*revocation            // of users, in the order in which they were asked for
	budget  map[linkOf]time.Duration // since when a link answers in time, if it does
}

// write is one write, and those that it certainly came after: what its
// request's cookies held, and what it was given by the store. All these have a
// smaller dot.
type write struct {
	n       int
	q       *Request
	know    ops
	durable time.Duration // when the store first had it, or one that came after it
	saved   time.Duration // when the store first had it itself

	// sent says that its own request's save was done. Its mark is not in there where
	// another write of the key, side by side with it, is in the same save (section 2:
	// "the next save carries all of them"). Answers of the store from then on came
	// after.
	sent     bool
	read     bool // its own request has loaded the session
	returned bool // a later request has carried it to its instance
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
	unseen   time.Duration         // when it last lost one that the members record did not miss
	confirms map[int]time.Duration // by birth: when the store last confirmed it
	evicted  time.Duration         // when the store evicted what it had
	nothing  time.Duration         // when the store last answered that it has nothing under the ID
	vouched  map[int]time.Duration // by birth: the same, as copies say that it made
	heard    map[int]*Request      // by birth: a logout of which the instance has heard
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

// sealedCopy is a copy that an answer set.
type sealedCopy struct {
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
	content   ops // what the jar's copies hold
	joint     ops // what one copy of several that were carried holds, and the oracle cannot tell which
	jar       []string
	active    time.Duration // began the last answered request that counts as use

	// A backup that the browser should have been sent, and was not.
	owed      bool
	owedLease time.Duration
}

type linkOf struct{ birth, shard int }

type linkState struct {
	healthy bool
	failed  bool // once, at least
	since   time.Duration
}

type birth struct {
	place int
	since time.Duration
	died  bool
	until time.Duration // when it died

	crowded time.Duration // when strangers last ended their sessions there
}

// asked is what is known of a request.
type asked struct {
	know     ops
	carried  ops           // what it knew when it was sent
	required ops           // an answer must not be older than these
	told     ops           // which of them the visitor was told are written
	backup   bool          // it carries a complete copy of its session
	leaseMin time.Duration // of the copies it carries
	leaseMax time.Duration
	seen     time.Duration
	active   time.Duration // of the view, when it was sent

	confirmed   time.Duration // when the call left by which the store first confirmed the session
	isConfirmed bool
	cached      bool // from the instance's own cache
	answered    bool // the store has said something, if only that there is nothing
	conflict    bool
	base        int                   // the record that it loaded or saved last
	moved       ops                   // what stood in the old record when this Renew ended it
	known       map[int]time.Duration // by birth: since when an instance knows that this ended its session

	after map[*revocation]bool // which revocations a login certainly comes after

	record  *kept // the store's, when it began
	settled bool  // the shard was within reach when it began
}

func (o *oracle) life(id session.ID) *life {
	x := o.lives[id]
	if x == nil {
		x = &life{id: id, shard: -1, confirms: map[int]time.Duration{}, vouched: map[int]time.Duration{}, heard: map[int]*Request{}}
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

// vouchedBy is the same for what an instance itself has put into copies.
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

// settled reports whether an instance has had a shard within reach for long enough
// to use it. Section 7: "After three good probes (...) it serves"; section 5: "for
// 5 s nothing counts as no answer".
func (o *oracle) settled(b, shard int, at time.Duration) bool {
	l := o.links[linkOf{b, shard}]
	if l == nil || !l.healthy || at-l.since < o.Settle || o.births[b] == nil || o.births[b].died {
		return false
	}
	if !o.auto(b, at) {
		return false
	}
	if shaken, ok := o.shaken[shard]; ok && at-shaken < o.Settle {
		return false
	}
	forgot, ok := o.forgot[shard]
	return !ok || at-forgot >= o.Settle
}

// firstProbe is how long after it has begun an instance may not have seen a shard save.
const firstProbe = time.Second

// takesSaves reports whether an instance has seen a shard save, and has had no reason
// lately to take it for one that refuses writes. Decision 49, of an instance that has
// begun: "its reads confirm nothing before a probe has saved".
func (o *oracle) takesSaves(b, shard int, at time.Duration) bool {
	l := o.links[linkOf{b, shard}]
	begins := at-o.births[b].since < firstProbe
	if begins || l == nil || !l.healthy || l.failed && at-l.since < o.Settle {
		return false
	}
	shaken, ok := o.shaken[shard]
	return o.auto(b, at) && (!ok || at-shaken >= o.Settle)
}

func (o *oracle) alive(b int) bool { return o.births[b] != nil && !o.births[b].died }
