package simulation

import (
	"time"

	"github.com/holdfast-go/session"
)

// ended judges an answer, and takes in what it says, when it leaves its instance.
func (o *oracle) ended(q *Request) {
	a := o.asked[q]
	if q.NewToken != "" {
		o.made(q)
	}
	o.announce(q)
	o.answered(q)
	o.keepCopy(q, a)
	a.known = map[int]time.Duration{q.Birth: q.Ended}
	if q.Ending != "" {
		o.ends[q.Ending] = q
	}
	o.judgeStatus(q)
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
		if o.showsValues(q) {
			o.judgeRead(q, a)
		}
	}
}

// made notes the session whose token an answer gives.
func (o *oracle) made(q *Request) {
	y := o.life(q.NewToken)
	y.maker = q
	y.own = y.own.with(q.Op)
	sameSession := !q.ok() || q.Answer.Session == string(q.Token)
	if q.Route.renews() && q.Token != "" && sameSession {
		y.parent = o.life(q.Token)
	}
}

// judgeStatus: an answer is a success or 503, or 500 for a write of a value that is lost, until
// that is set again.
func (o *oracle) judgeStatus(q *Request) {
	lost := q.Status == 500 && q.Key == hoardKey && q.Op > 0
	if q.Status != 503 && !q.ok() && !lost {
		o.violate(q, q.Ended, "status", "answered %d", q.Status)
	}
}

// showsValues reports whether an answer shows the values of its session. A logout leaves an empty
// session, as does an end before a change after the header.
func (o *oracle) showsValues(q *Request) bool {
	return q.shows() && q.Route != Logout && !o.storeOnly(q) && !o.endedLate(q)
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
