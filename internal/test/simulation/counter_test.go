package simulation

import (
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// count sends an increment that the store is asked for and answers with save
// over, of the marks; none: it did not answer.
func (t *tale) count(birth, op, over int, marks ...int) *Request {
	q := t.ask(birth, Count, tallyKey, op, "one")
	if over > 0 {
		t.load(q, over)
		t.save(q, birth, s1, over, false, marks...)
	}
	return q
}

// forgottenAndBack has an answer that was slow displace the copy with a count, and the store evict
// the session. An instance then counts on what the jar has, and the first count comes back.
func forgottenAndBack(t *tale, birth int) {
	slow := t.ask(2, Read, 0, 0, "one")
	t.load(slow, 1)
	v := t.count(1, 2, 1, 1, 2)
	t.answer(v, "store a=1 tally=2", "two", "two")
	t.answer(slow, "store a=1", "slow", "slow")
	t.event(Event{Kind: Evicted, Session: s1})
	w := t.ask(birth, Count, tallyKey, 3, "slow")
	t.load(w, 0)
	t.save(w, birth, s1, 0, false, 1, 3)
	t.answer(w, "backup a=1 tally=3", "three", "three")
	t.answer(t.ask(1, Read, 0, 0, "three"), "store a=1 tally=2", "", "three")
}

func (t *tale) rest(later time.Duration) {
	t.at += later
	t.event(Event{Kind: Settled})
}

func (t *tale) budget(birth int) {
	t.event(Event{Kind: Linked, Instance: birth - 1, Birth: birth, Healthy: true, InBudget: true})
	t.at += 20 * time.Second
}

// leave is a request whose client hangs up.
func (t *tale) leave(birth int, id string) *Request {
	q := t.steal(birth, s1, Read, id)
	q.Browser = 0
	q.Copy = 0
	q.Left = t.at + 1
	return q
}

// displacedItem has an instance save an item, another one displace the copy that has it, and the
// first one add another item without the store, so long afterwards.
func displacedItem(t *tale, later time.Duration) {
	t.h.ByTime = true
	late := t.ask(2, Set, 0, 4, "one")
	v := t.ask(1, Add, registers, 2, "one")
	t.load(v, 1)
	t.save(v, 1, s1, 1, false, 1, 2)
	t.answer(v, "store a=1 cart=2", "two", "two")
	t.answer(late, "backup a=4", "three", "three")
	t.at += later
	w := t.ask(1, Add, registers, 3, "three")
	t.answer(w, "backup a=4 cart=3", "four", "four")
	t.event(Event{Kind: Loaded, Birth: 1, Session: s1, Sent: t.at, Save: 2})
	t.save(nil, 1, s1, 2, false, 1, 4, 3)
	r := t.ask(1, Read, 0, 0, "four")
	t.load(r, 3)
	t.answer(r, "store a=4 cart=3", "five", "five")
	r = t.ask(1, Read, 0, 0, "five")
	t.load(r, 3)
	t.answer(r, "store a=4 cart=3", "", "five")
}

// writtenBeforeARenew has A write under a token, an instance renew the session without the store,
// and a late answer displace the copy that the renewal gave. A is asked then.
func writtenBeforeARenew(t *tale, by int) {
	t.h.ByTime = true
	const next = session.ID("T")
	late := t.ask(2, Set, 0, 4, "one")
	t.answer(t.ask(1, Set, 1, 2, "one"), "backup a=1 b=2", "two", "two")
	l := t.ask(by, Login, 0, 0, "two")
	l.NewToken = next
	t.answer(l, "backup a=1 b=2", "heir", "heir")
	t.answer(late, "backup a=4", "three", "three")
	late.JarToken = next
	r := t.ask(1, Read, 0, 0, "three")
	r.Token = next
	t.answer(r, "backup a=4", "", "three")
}

func TestTheOracleOfTheWorlds(t *testing.T) {
	judged(t, []story{
		{"each of two counts stands on the other", func(t *tale) {
			v, w := t.count(1, 2, 1, 1, 2), t.count(1, 3, 2, 1, 2, 3)
			t.answer(v, "store a=1 tally=2", "two", "two")
			t.answer(w, "store a=1 tally=2,3", "three", "two", "three")
			t.rest(20 * time.Second)
		}, ""},
		{"one instance counts on a stale base", func(t *tale) {
			v, w := t.count(1, 2, 1, 1, 2), t.count(1, 3, 1, 1, 3)
			t.answer(v, "store a=1 tally=2", "two", "two")
			t.answer(w, "store a=1 tally=3", "three", "two", "three")
			t.rest(20 * time.Second)
		}, "a: count lost"},
		{"one instance counts on a stale base, in an outage", func(t *tale) {
			v := t.count(1, 2, 1, 1, 2)
			t.answer(v, "store a=1 tally=2", "two", "two")
			w := t.count(1, 3, 0)
			t.answer(w, "backup a=1 tally=3", "three", "two", "three")
			t.save(nil, 1, s1, 2, false, 1, 3)
			t.rest(20 * time.Second)
		}, "d: older than what the visitor was told, a: count lost"},
		{"two instances, and the store has answered both", func(t *tale) {
			v, w := t.count(1, 2, 1, 1, 2), t.count(2, 3, 1, 1, 3)
			t.answer(v, "store a=1 tally=2", "two", "two")
			t.answer(w, "store a=1 tally=3", "three", "two", "three")
			t.rest(20 * time.Second)
		}, "a: count lost"},
		{"two instances at once, and the store has not answered one", func(t *tale) {
			v, w := t.count(1, 2, 1, 1, 2), t.count(2, 3, 0)
			t.answer(v, "store a=1 tally=2", "two", "two")
			t.answer(w, "backup a=1 tally=3", "three", "two", "three")
			t.save(nil, 2, s1, 2, false, 1, 3)
			t.rest(20 * time.Second)
		}, ""},
		{"two instances, one after the other, and the store has not answered one", func(t *tale) {
			v := t.count(1, 2, 1, 1, 2)
			t.answer(v, "store a=1 tally=2", "two", "two")
			w := t.ask(2, Count, tallyKey, 3, "two")
			t.answer(w, "backup a=1 tally=3", "three", "two", "three")
			t.save(nil, 2, s1, 2, false, 1, 3)
			t.rest(20 * time.Second)
		}, "d: older than what the visitor was told, a: count lost"},
		{"what a store has forgotten", func(t *tale) {
			v := t.count(1, 2, 1, 1, 2)
			t.answer(v, "store a=1 tally=2", "two", "two")
			t.event(Event{Kind: Forgot})
			t.rest(20 * time.Second)
		}, ""},
		{"two instances, and the store has forgotten the first before the second", func(t *tale) {
			v, w := t.count(1, 2, 1, 1, 2), t.ask(2, Count, tallyKey, 3, "one")
			t.answer(v, "store a=1 tally=2", "two", "two")
			t.event(Event{Kind: Forgot})
			t.load(w, 0)
			t.save(w, 2, s1, 0, false, 1, 3)
			t.answer(w, "backup a=1 tally=3", "three", "two", "three")
			t.answer(t.ask(1, Read, 0, 0, "two", "three"), "backup a=1 tally=3", "", "two", "three")
		}, ""},
		{"two instances, and the store has evicted the first before the second", func(t *tale) {
			v, w := t.count(1, 2, 1, 1, 2), t.ask(2, Count, tallyKey, 3, "one")
			t.answer(v, "store a=1 tally=2", "two", "two")
			t.event(Event{Kind: Evicted, Session: s1})
			t.load(w, 0)
			t.save(w, 2, s1, 0, false, 1, 3)
			t.answer(w, "backup a=1 tally=3", "three", "two", "three")
			t.answer(t.ask(1, Read, 0, 0, "two", "three"), "backup a=1 tally=3", "", "two", "three")
		}, ""},
		{"two instances, the store has evicted the first before the second, and the first is back", func(t *tale) {
			forgottenAndBack(t, 2)
		}, ""},
		{"one instance, the store has evicted the first count before the second, and the first is back", func(t *tale) {
			forgottenAndBack(t, 1)
		}, "d: older than what the visitor was told"},
		{"a list is read and set side by side", func(t *tale) {
			v, w := t.ask(1, OrSet, hoardKey, 2, "one"), t.ask(1, OrSet, hoardKey, 3, "one")
			t.answer(v, "backup a=1 hoard=2", "two", "two")
			t.answer(w, "backup a=1 hoard=3", "three", "two", "three")
			t.answer(t.ask(1, Read, 0, 0, "two", "three"), "backup a=1 hoard=3", "", "two", "three")
		}, ""},
		{"a list that did not travel is read and set", func(t *tale) {
			t.answer(t.ask(1, Count, hoardKey, 2, "one"), "store a=1 hoard=2", "two", "two")
			t.answer(t.ask(1, OrSet, hoardKey, 3, "two"), "backup a=1 hoard=3", "three", "three")
		}, "d: older than what the visitor was told"},
		{"an operator trusts the store alone, and it has not what a copy has", func(t *tale) {
			t.event(Event{Kind: Overridden, Birth: 1, Mode: session.StoreOnly})
			t.event(Event{Kind: Forgot})
			q := t.ask(1, Read, 0, 0, "one")
			t.load(q, 0)
			t.answer(q, "nowhere", "", "one")
			t.answer(t.ask(1, Read, 0, 0, "one"), "503", "", "one")
		}, ""},
		{"an operator trusted the store alone, and has ceased to", func(t *tale) {
			t.event(Event{Kind: Overridden, Birth: 1, Mode: session.StoreOnly})
			t.event(Event{Kind: Overridden, Birth: 1})
			t.answer(t.ask(1, Read, 0, 0, "one"), "503", "", "one")
		}, "b: turned away"},
		{"a thief whose instance's cache was not told of the logout yet", func(t *tale) {
			t.logout(true)
			q := t.steal(2, s1, Read, "one")
			t.load(q, 1)
			t.h.Events[len(t.h.Events)-1].Cached = true
			t.answer(q, "store a=1", "")
		}, ""},
		{"a thief whose instance's cache was never told of the logout", func(t *tale) {
			t.logout(true)
			t.at += 3 * time.Second
			q := t.steal(2, s1, Read, "one")
			t.load(q, 1)
			t.h.Events[len(t.h.Events)-1].Cached = true
			t.answer(q, "store a=1", "")
		}, "c: revived"},
		{"503 while another instance counts in a store that stands still", func(t *tale) {
			t.budget(1)
			t.event(Event{Kind: Shaken})
			v, w := t.count(2, 2, 1, 1, 2), t.count(1, 3, 0)
			t.answer(v, "store a=1 tally=2", "two", "two")
			t.answer(w, "503", "", "two")
		}, "b: turned away"},
		{"nobody, of a store that a snapshot has given the session back", func(t *tale) {
			t.event(Event{Kind: Forgot})
			t.event(Event{Kind: Restored, Session: s1, Save: 1})
			t.at += 2 * time.Minute
			t.answer(t.ask(1, Read, 0, 0, "one"), "nowhere", "", "one")
		}, "b: logged out"},
		{"what a thief made, where a snapshot has the tombstone", func(t *tale) {
			heir(t)
			t.event(Event{Kind: Forgot})
			t.event(Event{Kind: Restored, Session: s1, Save: 2})
			t.at += 20 * time.Second
			t.answer(t.steal(1, "T", Read, "thief"), "backup a=1", "")
		}, "e: outlives the logout"},
		{"an operator ceases to trust the store alone before the answer", func(t *tale) {
			t.event(Event{Kind: Overridden, Birth: 1, Mode: session.StoreOnly})
			q := t.ask(1, Read, 0, 0, "one")
			t.event(Event{Kind: Overridden, Birth: 1})
			t.answer(q, "503", "", "one")
		}, ""},
		{"a copy that left before the count after the header", func(t *tale) {
			q := t.ask(1, Late, tallyKey, 2, "one")
			t.answer(q, "backup a=1 tally=2", "two", "two")
			q.Answer.Late = "pending"
			t.answer(t.ask(2, Read, 0, 0, "two"), "backup a=1", "", "two")
		}, ""},
		{"a pending write, while an operator leaves the store alone", func(t *tale) {
			t.event(Event{Kind: Overridden, Birth: 1, Mode: session.BackupOnly})
			t.answer(t.ask(1, Set, 1, 2, "one"), "backup a=1 b=2", "two", "two")
			t.rest(20 * time.Second)
		}, ""},
		{"a count that was evicted, where a copy without it was restored", func(t *tale) {
			t.answer(t.count(1, 2, 1, 1, 2), "store a=1 tally=2", "two", "two")
			t.event(Event{Kind: Evicted, Session: s1})
			t.save(nil, 2, s1, 0, false, 1)
			t.rest(20 * time.Second)
		}, ""},
		{"a displaced, pending write of a session that is over by some clock", func(t *tale) {
			t.h.Lifetime, t.h.Lease = 2*time.Minute, 5*time.Minute
			t.link(1, false)
			v, w := t.ask(1, Set, 1, 2, "one"), t.ask(2, Set, 2, 3, "one")
			t.load(w, 1)
			t.save(w, 2, s1, 1, false, 1, 3)
			t.answer(v, "backup a=1 b=2", "two", "two")
			t.answer(w, "store a=1 c=3", "three", "three")
			t.at += 113 * time.Second
			q := t.ask(2, Read, 0, 0, "three")
			q.Final = true
			t.load(q, 2)
			t.answer(q, "store a=1 c=3", "", "three")
		}, ""},
		{"a displaced, pending write, at an instance where the session was idle for too long", func(t *tale) {
			displacedAndOwed(t, 70*time.Second)
		}, ""},
		{"a displaced, pending write, at an instance where the session was used lately", func(t *tale) {
			displacedAndOwed(t, 20*time.Second)
		}, "a: lost"},
		{"updates under the token of before and one that another instance has made of it", func(t *tale) {
			besideALogin(t, 1)
		}, ""},
		{"updates under the token of before and one that the same instance has made of it", func(t *tale) {
			besideALogin(t, 2)
		}, "d: older than what the visitor was told"},
		{"a displaced deletion, whose record has expired", func(t *tale) {
			deletedAndDisplaced(t, 10*time.Minute)
		}, ""},
		{"a displaced deletion, whose record stands", func(t *tale) {
			deletedAndDisplaced(t, time.Minute)
		}, "a: lost"},
		{"a session that ends while it is read, and is read where nobody knows of that", func(t *tale) {
			shownByOne(t, true)
		}, ""},
		{"a session that is read, and then where nobody knows of the last write", func(t *tale) {
			shownByOne(t, false)
		}, "d: older than what the visitor was shown"},
		{"what the journal keeps of a copy, after the header", func(t *tale) {
			q := t.ask(2, Late, tallyKey, 2, "one")
			t.answer(q, "backup a=1 tally=2", "", "one")
			q.Answer.Late = "pending"
			t.answer(t.steal(2, s1, Read, "bent"), "backup a=1 tally=2", "")
		}, ""},
		{"a copy of which the journal kept nothing, after the header", func(t *tale) {
			q := t.ask(2, Late, tallyKey, 2, "one")
			t.answer(q, "backup a=1", "", "one")
			q.Answer.Late = "refused"
			t.answer(t.steal(2, s1, Read, "bent"), "backup a=1", "")
		}, "g: forged"},
		{"a read after another instance has displaced a copy, at the one that made it", func(t *tale) {
			t.h.ByTime = true
			v, w := t.ask(1, Set, 1, 2, "one"), t.ask(2, Set, 2, 3, "one")
			t.load(v, 1)
			t.save(v, 1, s1, 1, false, 1, 2)
			t.answer(v, "store a=1 b=2", "two", "two")
			t.answer(w, "backup a=1 c=3", "three", "three")
			t.answer(t.ask(1, Read, 0, 0, "three"), "backup a=1 c=3", "", "three")
		}, "d: older than what the visitor was told"},
		{"the same, where a request had carried the copy back", func(t *tale) {
			t.h.ByTime = true
			v, w := t.ask(1, Set, 1, 2, "one"), t.ask(2, Set, 2, 3, "one")
			t.load(v, 1)
			t.save(v, 1, s1, 1, false, 1, 2)
			t.answer(v, "store a=1 b=2", "two", "two")
			r := t.ask(1, Read, 0, 0, "two")
			t.load(r, 2)
			t.answer(r, "store a=1 b=2", "", "two")
			t.answer(w, "backup a=1 c=3", "three", "three")
			t.answer(t.ask(1, Read, 0, 0, "three"), "backup a=1 c=3", "", "three")
		}, ""},
		{"503 of a save in doubt, over which another stands", func(t *tale) {
			v, w := t.ask(1, Set, 1, 2, "one"), t.ask(2, Set, 2, 3, "one")
			t.load(v, 1)
			t.h.Events = append(t.h.Events, Event{At: t.at, Kind: Stored, Request: v, Birth: 1, Session: s1, Save: 2, Prev: 1, Until: t.at + time.Hour})
			t.saves = 2
			t.load(w, 2)
			t.save(w, 2, s1, 2, false, 1, 2, 3)
			t.load(v, 3)
			t.answer(w, "store a=1 b=2 c=3", "three", "three")
			t.answer(v, "503", "", "three")
		}, ""},
		{"a save in doubt stands, and another came after it", func(t *tale) {
			v, w := t.ask(1, Set, 0, 2, "one"), t.ask(2, Set, 0, 3, "one")
			t.load(v, 1)
			in := Event{At: t.at, Kind: Stored, Request: v, Birth: 1, Session: s1, Save: 2, Prev: 1, Until: t.at + time.Hour, Marks: ops{}.with(2)}
			t.h.Events = append(t.h.Events, in)
			t.saves = 2
			t.load(w, 2)
			t.save(w, 2, s1, 2, false, 3)
			t.load(v, 3)
			t.answer(v, "store a=2", "", "one")
			t.answer(w, "store a=3", "three", "three")
			t.answer(t.ask(2, Read, 0, 0, "three"), "store a=3", "", "three")
		}, ""},
		{"a copy that left before the count after the header was loaded again", func(t *tale) {
			q := t.ask(1, Late, tallyKey, 2, "one")
			t.load(q, 1)
			t.save(q, 1, s1, 1, false, 1, 2)
			t.load(q, 2)
			t.answer(q, "store a=1 tally=2", "two", "two")
			q.Answer.Late = "durable"
			t.answer(t.ask(2, Read, 0, 0, "two"), "backup a=1", "", "two")
		}, ""},
		{"503 of a save in doubt that stands", func(t *tale) {
			v := t.ask(1, Set, 1, 2, "one")
			t.load(v, 1)
			t.h.Events = append(t.h.Events, Event{At: t.at, Kind: Stored, Request: v, Birth: 1, Session: s1, Save: 2, Prev: 1, Until: t.at + time.Hour})
			t.load(v, 2)
			t.answer(v, "503", "", "one")
		}, "b: turned away"},
		{"an update runs on its own result", func(t *tale) {
			t.answer(t.count(1, 2, 1, 1, 2), "store a=1 tally=2,2", "two", "two")
		}, "a: counted twice"},
		{"a count that no store has, without a backup", func(t *tale) {
			t.h.WithoutBackup = true
			t.answer(t.count(1, 2, 0), "store a=1 tally=2", "")
			t.rest(20 * time.Second)
		}, "a: count lost"},
		{"a count after the header that does not arrive", func(t *tale) {
			t.link(1, false)
			q := t.ask(1, Late, tallyKey, 2, "one")
			t.answer(q, "backup a=1 tally=2", "", "one")
			q.Answer.Late = "pending"
			t.link(1, true)
			t.rest(20 * time.Second)
		}, "a: count lost"},
		{"a count after the header that was refused", func(t *tale) {
			q := t.ask(1, Late, tallyKey, 2, "one")
			t.answer(q, "backup a=1", "", "one")
			q.Answer.Late = "refused"
			t.rest(20 * time.Second)
		}, ""},
		{"a read after a count after the header, at the same instance", func(t *tale) {
			t.h.ByTime = true
			q := t.ask(1, Late, tallyKey, 2, "one")
			t.answer(q, "backup a=1 tally=2", "", "one")
			q.Answer.Late = "pending"
			t.answer(t.ask(1, Read, 0, 0, "one"), "backup a=1", "", "one")
		}, "d: older than what the visitor was told"},
		{"a read after a count after the header, at another instance", func(t *tale) {
			t.h.ByTime = true
			q := t.ask(1, Late, tallyKey, 2, "one")
			t.answer(q, "backup a=1 tally=2", "", "one")
			q.Answer.Late = "pending"
			t.answer(t.ask(2, Read, 0, 0, "one"), "backup a=1", "", "one")
		}, ""},
		{"one instance adds to a cart side by side, by time", func(t *tale) {
			t.h.ByTime = true
			v, w := t.ask(1, Add, registers, 2, "one"), t.ask(1, Add, registers, 3, "one")
			t.answer(v, "backup a=1 cart=2", "two", "two")
			t.answer(w, "backup a=1 cart=3", "three", "two", "three")
			t.answer(t.ask(1, Read, 0, 0, "two", "three"), "backup a=1 cart=3", "", "two", "three")
		}, "d: older than what the visitor was told"},

		{"one instance adds to a cart from which another has displaced an item, by time", func(t *tale) {
			displacedItem(t, 10*time.Second)
		}, "d: older than what the visitor was told"},
		{"one instance adds to a cart from which another has displaced an item that it has forgotten, by time", func(t *tale) {
			displacedItem(t, 40*time.Second)
		}, ""},

		{"an instance knows what it has written before it renewed the session", func(t *tale) {
			writtenBeforeARenew(t, 1)
		}, "d: older than what the visitor was told"},
		{"and not where another has renewed it", func(t *tale) {
			writtenBeforeARenew(t, 2)
		}, ""},

		{"503 of a store that saves in time", func(t *tale) {
			t.budget(1)
			t.at += 2 * time.Minute // nothing vouches
			t.answer(t.count(1, 2, 0), "503", "", "one")
		}, "b: refused, b: turned away"},
		{"503 of a store that does not", func(t *tale) {
			t.budget(1)
			t.at += 2 * time.Minute
			t.event(Event{Kind: Linked, Birth: 1})
			t.answer(t.count(1, 2, 0), "503", "", "one")
		}, ""},
		{"503 while another one counts in a store that stands still", func(t *tale) {
			t.budget(1)
			t.event(Event{Kind: Shaken})
			v, w := t.count(1, 2, 1, 1, 2), t.count(1, 3, 0)
			t.answer(v, "store a=1 tally=2", "two", "two")
			t.answer(w, "503", "", "two")
		}, ""},
		{"503 while another one counts in a store that saves in time", func(t *tale) {
			t.budget(1)
			v, w := t.count(1, 2, 1, 1, 2), t.ask(1, Set, 0, 3, "one")
			t.answer(v, "store a=1 tally=2", "two", "two")
			t.answer(w, "503", "", "two")
		}, "b: turned away"},

		{"503 of two writes that are saved together over another instance's", func(t *tale) {
			v, w := t.ask(1, Set, 0, 2, "one"), t.ask(1, Set, 0, 3, "one")
			t.event(Event{Kind: Conflicted, Request: v})
			t.answer(v, "503", "", "one")
			t.answer(w, "503", "", "one")
		}, ""},
		{"503 of a write that comes when the other has met with a conflict", func(t *tale) {
			v := t.ask(1, Set, 0, 2, "one")
			t.event(Event{Kind: Conflicted, Request: v})
			t.answer(v, "503", "", "one")
			t.answer(t.ask(1, Set, 0, 3, "one"), "503", "", "one")
		}, "b: turned away"},

		{"503 for a client that has left", func(t *tale) {
			t.answer(t.leave(1, "one"), "503", "", "one")
		}, ""},
		{"a copy for a client that has left", func(t *tale) {
			t.at += 20 * time.Second
			t.answer(t.leave(1, "one"), "backup a=1", "", "one")
		}, "c: served to a client that left"},
		{"a copy for a client that has left, while the store is away", func(t *tale) {
			t.link(1, false)
			t.answer(t.leave(1, "one"), "backup a=1", "", "one")
		}, ""},
		{"a copy where the store has said that it has nothing", func(t *tale) {
			t.at += 20 * time.Second
			q := t.leave(1, "one")
			t.load(q, 0)
			t.answer(q, "backup a=1", "", "one")
		}, ""},

		{"nobody, while a copy vouches for an evicted session", func(t *tale) {
			t.event(Event{Kind: Evicted, Session: s1})
			t.answer(t.ask(1, Read, 0, 0, "one"), "nowhere", "", "one")
		}, "b: logged out"},
		{"nobody, after the lease of an evicted session", func(t *tale) {
			t.event(Event{Kind: Evicted, Session: s1})
			t.at += 2 * time.Minute
			t.answer(t.ask(1, Read, 0, 0, "one"), "nowhere", "", "one")
		}, ""},
		{"a stolen jar, after the tombstone was evicted", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Evicted, Session: s1})
			t.at += 20 * time.Second
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, "c: revived"},
		{"an evicted tombstone for which nobody comes", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Evicted, Session: s1})
			t.rest(20 * time.Second)
		}, ""},
		{"a tombstone that was undone although the members record is the same, for which nobody comes", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Forgot, Unseen: true})
			t.event(Event{Kind: Restored, Session: s1, Save: 1})
			t.rest(20 * time.Second)
		}, ""},
		{"a stolen jar, after a logout was undone although the members record is the same", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Forgot, Unseen: true})
			t.event(Event{Kind: Restored, Session: s1, Save: 1})
			t.at += 20 * time.Second
			q := t.steal(2, s1, Read, "one")
			t.load(q, 1)
			t.answer(q, "store a=1", "")
		}, "c: revived"},
		{"a tombstone that was undone, with the members record", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Forgot})
			t.event(Event{Kind: Restored, Session: s1, Save: 1})
			t.rest(20 * time.Second)
		}, "c: revived"},
		{"a tombstone that was undone with the same members record, and then lost with all", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Forgot, Unseen: true})
			t.event(Event{Kind: Restored, Session: s1, Save: 2})
			t.at += time.Second
			t.event(Event{Kind: Forgot})
			t.rest(20 * time.Second)
		}, "c: not delivered"},
		{"a stolen jar, after the logout was undone", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Forgot})
			t.event(Event{Kind: Restored, Session: s1, Save: 1})
			t.at += 20 * time.Second
			q := t.steal(2, s1, Read, "one")
			t.load(q, 1)
			t.answer(q, "store a=1", "")
		}, "c: revived"},
		{"a stolen jar, just after the logout was undone", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Forgot})
			t.event(Event{Kind: Restored, Session: s1, Save: 1})
			q := t.steal(2, s1, Read, "one")
			t.load(q, 1)
			t.answer(q, "store a=1", "")
		}, ""},
		{"a stolen jar, where a snapshot has the tombstone", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Forgot})
			t.event(Event{Kind: Restored, Session: s1, Save: 2})
			t.at += 20 * time.Second
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, "c: revived"},
		{"an older write, after a rollback", func(t *tale) {
			w := t.ask(1, Set, 0, 2, "one")
			t.load(w, 1)
			t.save(w, 1, s1, 1, false, 2)
			t.answer(w, "store a=2", "two", "two")
			t.event(Event{Kind: Forgot})
			t.event(Event{Kind: Restored, Session: s1, Save: 1})
			r := t.ask(1, Read, 0, 0, "two")
			t.load(r, 1)
			t.answer(r, "store a=1", "", "two")
		}, "d: older than what the visitor was told"},
	})
}

// displacedAndOwed has A owe the store a write whose copy an answer of B has displaced, and find
// nothing there some time later, although the visitor has come to B meanwhile.
func displacedAndOwed(t *tale, later time.Duration) {
	t.h.Idle, t.h.Lease = time.Minute, 5*time.Minute
	t.link(1, false)
	v, w := t.ask(1, Set, 1, 2, "one"), t.ask(2, Set, 2, 3, "one")
	t.answer(v, "backup a=1 b=2", "two", "two")
	t.answer(w, "backup a=1 c=3", "three", "three")
	t.at += later / 2
	t.answer(t.ask(2, Read, 0, 0, "three"), "backup a=1 c=3", "", "three")
	t.at += later / 2
	t.event(Event{Kind: Loaded, Birth: 1, Session: s1, Sent: t.at})
	q := t.ask(2, Read, 0, 0, "three")
	q.Final = true
	t.answer(q, "backup a=1 c=3", "", "three")
}

// shownByOne has A show a write whose own answer was lost, and B, which the write has not
// reached, answer after that. Meanwhile a login may have ended the session.
func shownByOne(t *tale, ended bool) {
	lost := func(q *Request, what, set string) {
		t.answer(q, what, set, set)
		t.h.Events = t.h.Events[:len(t.h.Events)-1]
	}
	lost(t.ask(1, Set, 1, 2, "one"), "backup a=1 b=2", "two")
	r := t.ask(1, Read, 0, 0, "one")
	if ended {
		l := t.ask(1, Login, 0, 0, "one")
		l.NewToken = "T"
		lost(l, "backup a=1 b=2", "heir")
	}
	t.answer(r, "backup a=1 b=2", "", "one")
	t.answer(t.ask(2, Read, 0, 0, "one"), "backup a=1", "", "one")
}

// deletedAndDisplaced has B delete what A has written, in an answer whose copy one of A's
// displaces, and deliver the deletion. Some time later A restores the copy.
func deletedAndDisplaced(t *tale, later time.Duration) {
	t.h.Idle, t.h.Lease = time.Hour, time.Hour
	r := t.ask(1, Read, 0, 0, "one")
	t.event(Event{Kind: Evicted, Session: s1})
	t.answer(t.ask(2, Delete, 0, 2, "one"), "backup", "two", "two")
	t.save(nil, 2, s1, 0, false)
	t.answer(r, "backup a=1", "three", "three")
	t.at += later
	q := t.ask(1, Read, 0, 0, "three")
	q.Final = true
	t.answer(q, "backup a=1", "", "three")
}

// besideALogin has B add to a list under the token of before and under the one that an instance
// has made of it without the store, and lose what came under the latter.
func besideALogin(t *tale, by int) {
	t.h.ByTime = true
	t.link(1, false)
	t.link(2, false)
	slow := t.ask(2, Add, registers, 2, "one")
	l := t.ask(by, Login, 0, 0, "one")
	l.NewToken = "T"
	t.answer(l, "backup a=1", "heir", "heir")
	w := t.ask(2, Add, registers, 3, "heir")
	w.Token = "T"
	t.answer(w, "backup a=1 cart=3", "two", "two")
	t.answer(slow, "backup a=1 cart=2", "three", "two", "three")
	slow.JarToken = "T"
	q := t.ask(2, Read, 0, 0, "two", "three")
	q.Token = "T"
	t.answer(q, "backup a=1 cart=2", "", "two", "three")
}
