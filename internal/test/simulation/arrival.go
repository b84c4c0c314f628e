package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-go/session"
)

// shown returns all writes whose marks stand in an answer.
func (o *oracle) shown(q *Request) (all ops) {
	for _, marks := range q.Answer.Marks {
		for _, m := range marks {
			all = all.or(findMarks([]byte(m)))
		}
	}
	return all
}

// content returns what the complete copies among values hold of a session.
func (o *oracle) content(values []string, id session.ID) (all ops) {
	parts := map[*sealedCopy]int{}
	for _, v := range values {
		if b := o.copies[v]; b != nil && b.id == id {
			if parts[b]++; parts[b] == b.parts {
				all = all.or(b.content)
			}
		}
	}
	return all
}

// delivered judges an answer when it reaches its browser: first its cookies, then
// what the visitor sees.
func (o *oracle) delivered(q *Request) {
	if q.Browser < 0 || q.JarToken == "" {
		return
	}
	a := o.asked[q]
	v := o.view(q.Browser, q.JarToken)
	switch {
	case q.NewToken != "" && q.NewToken == q.JarToken:
		o.begins(q, a, v)
	case q.JarToken == q.Token && q.shows():
		o.goesOn(q, a, v)
	}
	if q.ok() && len(q.Sealed) == 0 {
		o.bringsNoCopy(q, v)
	}
	o.displace(q, v)
}

// begins notes what a visitor knows of a session that an answer has made.
func (o *oracle) begins(q *Request, a *asked, v *view) {
	if q.ok() {
		v.told = ops{}.with(q.told())
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
}

// goesOn notes what an answer tells the visitor of the session that the request had.
func (o *oracle) goesOn(q *Request, a *asked, v *view) {
	v.told, v.seen = v.told.with(q.told()), v.seen.with(q.told())
	switch q.Route {
	case Late: // its cookies had gone before
		v.displaced = v.displaced.with(q.told())
		v.active = max(v.active, q.Began)
	case ReadOnly:
	default:
		// handler.go, ReadOnly: "the session's expiry is not put off, and the answer
		// sets no cookie". So a write that only it has shown is in no backup.
		v.seen = v.seen.or(o.shown(q))
		v.active = max(v.active, q.Began)
		o.owe(q, a, v, q.Op > 0 && q.Route != Delete) // which may have had nothing to delete
	}
}

// bringsNoCopy notes which writes may be in no jar, because the answer that shows them
// brings no copy.
func (o *oracle) bringsNoCopy(q *Request, v *view) {
	if o.storeOnly(q) {
		// Decision 50, while an operator trusts the store alone: "where none is free no
		// copy is sent". So only the store has the writes that this answer made and
		// showed.
		o.exempt(noFreeCookie)
		v.displaced = v.displaced.with(q.Op).or(o.shown(q))
	}
	if o.mayBeRevoked(o.life(q.JarToken), q.Ended) {
		// Section 3: "The revocation set is asked before any answer is used". A session
		// that ends while it is read gets no copy of what was read.
		o.exempt(revokedMeanwhile)
		v.displaced = v.displaced.or(o.shown(q))
	}
	if o.life(q.JarToken).endedBy(q) {
		o.exempt(endedMeanwhile)
		v.displaced = v.displaced.or(o.shown(q))
	}
	switch q.Route {
	case Delete:
		o.deletedNothing(q, v)
	case Read:
		o.hold(q, v)
	default:
	}
}

// deletedNothing notes a deletion for which there was nothing to delete: it knows
// of the writes that its request carried, as long as the jar has them.
func (o *oracle) deletedNothing(q *Request, v *view) {
	carried := false
	for _, value := range q.Carried {
		if b := o.copies[value]; b != nil && b.id == q.JarToken {
			b.content = b.content.with(q.Op)
			carried = true
		}
	}
	if carried && !o.content(q.Jar, q.JarToken).has(q.Op) {
		v.displaced = v.displaced.with(q.Op)
	}
}

// hold notes what the copies that a request carried must hold together. See keepCarried for
// a request with a single copy.
func (o *oracle) hold(q *Request, v *view) {
	joint := o.shown(q).minus(o.content(q.Carried, q.JarToken))
	if len(q.Carried) < 2 || joint == (ops{}) {
		return
	}
	for _, value := range q.Carried {
		if !slices.Contains(q.Jar, value) {
			v.displaced = v.displaced.or(joint) // while the answer was under way
			return
		}
	}
	v.joint = v.joint.or(joint)
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
		stamp -= min(o.Lease, o.stayOf(o.life(q.JarToken)).Idle)/4 + time.Second
	}
	for _, value := range append(slices.Clone(q.Sealed), q.Carried...) {
		if b := o.copies[value]; b != nil && b.id == q.JarToken && b.leaseMin >= stamp {
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
	if len(q.Sealed) > 0 && o.copies[q.Sealed[0]].id == q.JarToken {
		before = before.or(o.copies[q.Sealed[0]].content)
	}
	after := o.content(q.Jar, q.JarToken)
	granted := false
	for _, value := range v.jar {
		b := o.copies[value]
		if b == nil || b.id != q.JarToken || slices.Contains(q.Jar, value) || slices.Contains(q.Carried, value) {
			continue
		}
		switch {
		case q.Token != b.id && q.NewToken != b.id:
			granted = true // the sentence before speaks of the requests "of that session"
			o.exempt(displacedOtherSession)
		case b.q.Birth != q.Birth:
			granted = true
			o.exempt(displacedOtherInstance)
		case oneSlot(b.q) || oneSlot(q):
			granted = true
			o.exempt(displacedOneSlot)
		case o.noneFree(b.q):
			granted = true
			o.exempt(displacedNoneFree)
		default:
			o.count("oracle: an instance displaced its own copy")
		}
	}
	if granted {
		v.displaced = v.displaced.or(before.minus(after)).or(v.joint)
		v.joint = ops{}
		v.owed = false // the copy that was as good as one due may be what is gone
	}
	v.displaced = v.displaced.minus(after)
	v.content, v.jar = after, slices.Clone(q.Jar)
}

// slotsOf: section 6, "As many slots as the budget (...) holds of this size, at
// least one": each of the four cookies has a quarter of the budget, so that it
// is the number of a copy's parts that counts.
func slotsOf(q *Request) int { return max(1, 4/max(1, len(q.Sealed))) }

func oneSlot(q *Request) bool { return slotsOf(q) == 1 }

// noneFree: section 6, "an instance gives a request no slot that an overlapping
// request of that session carried or was given; none free: it overwrites a
// carried one". A request overlaps, as the browser sees it, until its answer has
// arrived; the instance cannot see that, and may take half a minute for it.
func (o *oracle) noneFree(q *Request) bool {
	const unseen = 30 * time.Second
	slots, parts := slotsOf(q), max(1, len(q.Sealed))
	taken := map[byte]bool{} // by the number that a cookie's name ends with
	for _, name := range q.Used {
		taken[name[len(name)-1]] = true
	}
	// Those of other sessions of this browser count too, and those of a thief, also under
	// a token of before, because no instance can tell a thief from the visitor.
	share := o.shareSlots(q)
	for other := range o.asked {
		if other.Birth != q.Birth || !o.shares(other, q, share) {
			continue
		}
		overlaps := other.Began <= q.Ended && (other.Ended <= 0 || other.Ended >= q.Began-unseen)
		if !overlaps {
			continue
		}
		for _, name := range append(slices.Clone(other.Used), other.Given...) {
			taken[name[len(name)-1]] = true
		}
	}
	return !hasFree(taken, slots, parts)
}

// shares reports whether another request is of the browser of q, or of a session in share.
func (o *oracle) shares(other, q *Request, share map[*life]bool) bool {
	return other.Browser == q.Browser ||
		other.Token != "" && (share[o.sessionOf(other).root()] || share[o.life(other.Token).root()])
}

// hasFree reports whether one of the slots, of so many cookies each, has no cookie that is taken.
func hasFree(taken map[byte]bool, slots, parts int) bool {
	for i := range slots {
		free := true
		for part := range parts {
			free = free && !taken[byte('0'+i*parts+part)]
		}
		if free {
			return true
		}
	}
	return false
}

// shareSlots returns the first of each line of sessions that share the slots of a request's
// session at its instance: a session that begins under another's token takes over what that
// one's answers hold.
func (o *oracle) shareSlots(q *Request) map[*life]bool {
	share := map[*life]bool{o.sessionOf(q).root(): true}
	for other := range o.asked {
		began := other.Token != "" && other.NewToken != ""
		if began && other.Browser == q.Browser && other.Birth == q.Birth {
			share[o.life(other.Token).root()] = true
		}
	}
	return share
}
