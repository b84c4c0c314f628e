package simulation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// tale is a history made by hand: one shard, instances A (birth 1) and B (birth
// 2), browser 0, and a session "S" whose record is save 1. Each call lets a
// second pass.
type tale struct {
	h     History
	at    time.Duration
	n     int
	saves int
}

const s1 = session.ID("S")

func newTale() *tale {
	t := &tale{h: History{Timing: Timing{
		Idle: 5 * time.Minute, Refresh: 30 * time.Second, Lifetime: time.Hour, Lease: time.Minute, MaxLease: time.Minute,
		Budget: 6144, Copy: 6144, Settle: 15 * time.Second,
	}, Skews: []time.Duration{0, 0}}}
	for i := range 2 {
		t.event(Event{Kind: Born, Instance: i, Birth: i + 1})
	}
	t.at += time.Minute
	t.begin(1)
	return t
}

func (t *tale) event(e Event) {
	e.At = t.at
	t.h.Events = append(t.h.Events, e)
}

// ask sends a request to an instance, with the session and these copies.
func (t *tale) ask(birth int, route Route, key, op int, copies ...string) *Request {
	t.at += time.Second
	t.n++
	q := &Request{N: t.n, Route: route, Key: key, Op: op, Instance: birth - 1, Birth: birth, Token: s1, Carried: copies, Used: copies, Sent: t.at, Began: t.at}
	t.event(Event{Kind: Sent, Request: q})
	t.event(Event{Kind: Began, Request: q, Instance: q.Instance, Birth: birth})
	return q
}

// load has the store answer q with a save.
func (t *tale) load(q *Request, save int) {
	t.event(Event{Kind: Loaded, Request: q, Instance: q.Instance, Birth: q.Birth, Session: q.Token, Sent: t.at, Save: save})
}

// save has the store take a record over another; none of the marks and dead is
// a tombstone.
func (t *tale) save(q *Request, birth int, id session.ID, over int, dead bool, marks ...int) {
	t.saves++
	e := Event{Kind: Stored, Request: q, Instance: birth - 1, Birth: birth, Session: id, Save: t.saves, Prev: over, Dead: dead, Until: t.at + 10*time.Minute, Sent: t.at}
	for _, m := range marks {
		e.Marks = e.Marks.with(m)
	}
	t.event(e)
	e.Kind = Acked
	t.event(e)
}

// answer ends q: with a status, or with "store a=1 cart=2,3". The copies that
// the browser has then come after it.
func (t *tale) answer(q *Request, what string, set string, jar ...string) {
	t.at += time.Second
	q.Ended, q.Status = t.at, 200
	words := strings.Fields(what)
	if _, err := fmt.Sscanf(words[0], "%d", &q.Status); err != nil {
		q.Answer = Answer{Session: string(q.Token), Source: words[0], Marks: map[string][]string{}}
		if q.Answer.Source == "nowhere" {
			q.Answer.Session = ""
		}
		for _, w := range words[1:] {
			key, marks, _ := strings.Cut(w, "=")
			for m := range strings.SplitSeq(marks, ",") {
				q.Answer.Marks[key] = append(q.Answer.Marks[key], "#"+m+"#")
			}
		}
	}
	if set != "" {
		q.Sealed = []string{set}
		q.Given = []string{set}
		q.Size = 300
	}
	if q.Browser < 0 {
		t.event(Event{Kind: Ended, Request: q, Instance: q.Instance, Birth: q.Birth})
		return
	}
	q.Delivered = t.at + 1
	q.JarToken, q.Jar = q.Token, jar
	if q.NewToken != "" {
		q.JarToken = q.NewToken
	}
	if q.Route == Logout {
		q.JarToken = ""
	}
	t.event(Event{Kind: Ended, Request: q, Instance: q.Instance, Birth: q.Birth})
	t.at++
	t.event(Event{Kind: Delivered, Request: q})
}

// begin gives the browser its session, with write 1 and copy "one".
func (t *tale) begin(birth int) {
	q := t.ask(birth, Set, 0, 1)
	q.Token, q.NewToken = "", s1
	t.save(q, birth, s1, 0, false, 1)
	t.answer(q, "nowhere a=1", "one", "one")
}

// heldByTwo has an instance show a write whose own answer is lost, to a request with two of its
// copies, and another answer displace one of these.
func heldByTwo(t *tale, by int) {
	v := t.ask(1, Set, 1, 2, "one")
	w := t.ask(1, Set, 2, 3, "one")
	late := t.ask(by, Set, 1, 4, "one")
	t.answer(v, "backup a=1 b=2", "two", "two")
	t.answer(w, "backup a=1 b=2 c=3", "three", "two", "three")
	lost := t.ask(1, Add, registers, 5, "two", "three")
	t.answer(lost, "backup a=1 b=2 c=3 cart=5", "five", "two", "three", "five")
	t.h.Events = t.h.Events[:len(t.h.Events)-1]
	t.answer(t.ask(1, Read, 0, 0, "two", "three"), "backup a=1 b=2 c=3 cart=5", "", "two", "three")
	t.answer(late, "backup a=1 b=4", "four", "two", "four")
	t.answer(t.ask(2, Read, 0, 0, "two", "four"), "backup a=1 b=4", "", "two", "four")
}

// steal is ask by the attacker.
func (t *tale) steal(birth int, id session.ID, route Route, copies ...string) *Request {
	q := t.ask(birth, route, 0, 0, copies...)
	q.Browser = -1
	q.Copy = 1
	q.Token = id
	return q
}

func (t *tale) link(birth int, healthy bool) {
	t.event(Event{Kind: Linked, Instance: birth - 1, Birth: birth, Healthy: healthy})
}

func (t *tale) logout(durable bool) {
	q := t.ask(1, Logout, 0, 0, "one")
	source := "backup"
	if durable {
		t.load(q, t.saves)
		t.save(q, 1, s1, 0, true)
		source = "store"
	}
	t.answer(q, source, "")
	if durable {
		q.Answer.Durability = "durable"
	}
}

// story is a history, and the promises that it breaks, in this order.
type story struct {
	is    string
	tell  func(*tale)
	wants string
}

// judged holds stories to the promises.
func judged(t *testing.T, stories []story) {
	for _, s := range stories {
		t.Run(s.is, func(t *testing.T) {
			tale := newTale()
			s.tell(tale)
			var got []string
			for _, v := range Judge(tale.h) {
				if !slices.Contains(got, v.Promise) {
					got = append(got, v.Promise)
				}
			}
			if strings.Join(got, ", ") != s.wants {
				t.Errorf("broken: %q, want %q; %v", got, s.wants, Judge(tale.h))
			}
		})
	}
}

// unread is a write that a copy holds, and a later one that a request with that copy makes
// where the operator's mode is so. The copy's is shown in the end.
func unread(t *tale, mode session.Mode) {
	t.answer(t.ask(2, Set, 0, 2, "one"), "backup a=2", "two", "two")
	t.event(Event{Kind: Overridden, Birth: 1, Mode: mode})
	w := t.ask(1, Set, 0, 3, "two")
	t.load(w, 1)
	t.save(w, 1, s1, 1, false, 3)
	t.answer(w, "store a=3", "three", "two", "three")
	t.answer(t.ask(2, Read, 0, 0, "two", "three"), "backup a=2", "", "two", "three")
}

// confirmed is a read of an instance that began so long before, and a copy which vouches
// as long as that read was told so.
func confirmed(t *tale, before time.Duration) {
	t.at += 30 * time.Second
	t.event(Event{Kind: Born, Instance: 1, Birth: 3})
	t.at += before - time.Second // with which each request begins
	q := t.ask(3, Read, 0, 0, "one")
	q.Instance = 1
	t.load(q, 1)
	t.answer(q, "store a=1", "two", "two")
	t.event(Event{Kind: Linked, Instance: 0, Birth: 1})
	t.at += 40 * time.Second
	t.answer(t.ask(1, Read, 0, 0, "two"), "503", "", "two")
}

func TestTheOracle(t *testing.T) {
	judged(t, []story{
		{"what was written is shown", func(t *tale) {
			q := t.ask(1, Read, 0, 0, "one")
			t.load(q, 1)
			t.answer(q, "store a=1", "", "one")
		}, ""},
		{"what was written is not shown", func(t *tale) {
			q := t.ask(1, Read, 0, 0, "one")
			t.load(q, 1)
			t.answer(q, "store", "", "one")
		}, "d: older than what the visitor was told"},
		{"what was written is not shown at the end", func(t *tale) {
			q := t.ask(1, Read, 0, 0, "one")
			q.Final = true
			t.load(q, 1)
			t.answer(q, "store", "", "one")
		}, "a: lost"},
		{"an older write is shown", func(t *tale) {
			w := t.ask(1, Set, 0, 2, "one")
			t.load(w, 1)
			t.save(w, 1, s1, 1, false, 2)
			t.answer(w, "store a=2", "two", "two")
			t.answer(t.ask(1, Read, 0, 0, "two"), "backup a=1", "", "two")
		}, "d: older than what the visitor was told"},
		{"of two writes side by side either may stay", func(t *tale) {
			v, w := t.ask(1, Set, 0, 2, "one"), t.ask(2, Set, 0, 3, "one")
			t.answer(v, "backup a=2", "two", "two")
			t.answer(w, "backup a=3", "three", "two", "three")
			t.answer(t.ask(1, Read, 0, 0, "two", "three"), "backup a=2", "", "two", "three")
		}, ""},
		{"a deleted value returns", func(t *tale) {
			w := t.ask(1, Delete, 0, 2, "one")
			t.load(w, 1)
			t.save(w, 1, s1, 1, false)
			t.answer(w, "store", "two", "two")
			t.answer(t.ask(1, Read, 0, 0, "two"), "backup a=1", "", "two")
		}, "d: older than what the visitor was told"},
		{"an item is lost", func(t *tale) {
			v := t.ask(1, Add, registers, 2, "one")
			t.answer(v, "backup a=1 cart=2", "two", "two")
			w := t.ask(1, Add, registers, 3, "two")
			t.answer(w, "backup a=1 cart=3", "three", "three")
		}, "d: older than what the visitor was told"},
		{"of two carts side by side one may stay", func(t *tale) {
			v, w := t.ask(1, Add, registers, 2, "one"), t.ask(2, Add, registers, 3, "one")
			t.answer(v, "backup a=1 cart=2", "two", "two")
			t.answer(w, "backup a=1 cart=3", "three", "two", "three")
			t.answer(t.ask(1, Read, 0, 0, "two", "three"), "backup a=1 cart=3", "", "two", "three")
		}, ""},
		{"two carts in the store know of each other", func(t *tale) {
			v, w := t.ask(1, Add, registers, 2, "one"), t.ask(2, Add, registers, 3, "one")
			t.save(v, 1, s1, 1, false, 1, 2)
			t.load(w, 2)
			t.save(w, 2, s1, 2, false, 1, 3)
			t.answer(v, "store a=1 cart=2", "two", "two")
			t.answer(w, "store a=1 cart=3", "three", "two", "three")
			t.answer(t.ask(1, Read, 0, 0, "two", "three"), "backup a=1 cart=3", "", "two", "three")
		}, "d: older than what the visitor was told"},
		{"another instance's answer displaces a copy", func(t *tale) {
			v, w := t.ask(1, Set, 1, 2, "one"), t.ask(2, Set, 2, 3, "one")
			t.answer(v, "backup a=1 b=2", "two", "two")
			t.answer(w, "backup a=1 c=3", "three", "three")
			t.answer(t.ask(2, Read, 0, 0, "three"), "backup a=1 c=3", "", "three")
		}, ""},
		{"an instance displaces its own copy", func(t *tale) {
			v, w := t.ask(1, Set, 1, 2, "one"), t.ask(1, Set, 2, 3, "one")
			t.answer(v, "backup a=1 b=2", "two", "two")
			t.answer(w, "backup a=1 c=3", "three", "three")
			t.answer(t.ask(1, Read, 0, 0, "three"), "backup a=1 c=3", "", "three")
		}, "d: older than what the visitor was told"},
		{"one of two copies that held what a read has shown is displaced by another instance", func(t *tale) {
			heldByTwo(t, 2)
		}, ""},
		{"one of two copies that held what a read has shown is displaced by the same instance", func(t *tale) {
			heldByTwo(t, 1)
		}, "d: older than what the visitor was told, d: older than what the visitor was shown"},
		{"a write without a copy, which the store loses", func(t *tale) {
			unsent(t, session.Auto)
		}, "a: lost"},
		{"a write without a copy while the store alone is trusted, which the store loses", func(t *tale) {
			unsent(t, session.StoreOnly)
		}, ""},
		{"a write while the store alone is trusted, which a copy that it did not read outdoes", func(t *tale) {
			unread(t, session.StoreOnly)
		}, ""},
		{"a write that a copy outdoes which it has read", func(t *tale) {
			unread(t, session.Auto)
		}, "d: older than what the visitor was told"},
		{"a read shows what no copy has, and the next does not", func(t *tale) {
			w := t.ask(1, Set, 1, 2, "one")
			t.load(w, 1)
			t.save(w, 1, s1, 1, false, 1, 2)
			t.answer(w, "store a=1 b=2", "two", "two")
			w.Delivered = 0 // it was lost
			t.h.Events = t.h.Events[:len(t.h.Events)-1]
			r := t.ask(1, Read, 0, 0, "one")
			t.load(r, 2)
			t.answer(r, "store a=1 b=2", "", "one")
			t.answer(t.ask(1, Read, 0, 0, "one"), "backup a=1", "", "one")
		}, "d: older than what the visitor was shown"},

		{"503 while a copy vouches", func(t *tale) {
			t.answer(t.ask(2, Read, 0, 0, "one"), "503", "", "one")
		}, "b: turned away"},
		{"503 of a lease that an instance confirmed", func(t *tale) {
			confirmed(t, 2*time.Second)
		}, "b: turned away"},
		{"503 of a lease that an instance could not confirm, which has just begun", func(t *tale) {
			confirmed(t, 0)
		}, ""},
		{"503 after the lease", func(t *tale) {
			t.link(2, false)
			t.at += time.Minute
			t.answer(t.ask(2, Read, 0, 0, "one"), "503", "", "one")
		}, ""},
		{"503 after a conflict", func(t *tale) {
			q := t.ask(2, Set, 0, 2, "one")
			t.event(Event{Kind: Conflicted, Request: q, Session: s1})
			t.answer(q, "503", "", "one")
		}, ""},
		{"503 where nothing stood, and somebody else has restored it meanwhile", func(t *tale) {
			t.event(Event{Kind: Evicted, Session: s1})
			q := t.ask(2, Set, 0, 2, "one")
			t.load(q, 0)
			t.save(t.ask(1, Set, 0, 3, "one"), 1, s1, 0, false, 3)
			t.load(q, 2)
			t.answer(q, "503", "", "one")
		}, ""},
		{"503 where nothing stood, and nothing stands", func(t *tale) {
			t.event(Event{Kind: Evicted, Session: s1})
			q := t.ask(2, Set, 0, 2, "one")
			t.load(q, 0)
			t.load(q, 0)
			t.answer(q, "503", "", "one")
		}, "b: turned away"},
		{"503 for a key that does not travel", func(t *tale) {
			t.answer(t.ask(2, Set, secretKey, 2, "one"), "503", "", "one")
		}, ""},
		{"503 where the store is required", func(t *tale) {
			t.answer(t.ask(2, FromStore, 0, 0, "one"), "503", "", "one")
		}, ""},
		{"503 of a store that has the session and is well", func(t *tale) {
			t.at += 2 * time.Minute
			t.answer(t.ask(2, Read, 0, 0, "one"), "503", "", "one")
		}, "b: turned away"},
		{"a logout is refused", func(t *tale) {
			t.answer(t.ask(2, Logout, 0, 0, "one"), "503", "", "one")
		}, "b: turned away"},
		{"nobody, while a copy vouches", func(t *tale) {
			t.event(Event{Kind: Forgot})
			t.answer(t.ask(2, Read, 0, 0, "one"), "nowhere", "", "one")
		}, "b: logged out"},
		{"nobody, while the store has the session", func(t *tale) {
			t.at += 2 * time.Minute
			t.answer(t.ask(2, Read, 0, 0, "one"), "nowhere", "", "one")
		}, "b: logged out"},
		{"nobody, of an empty store after the lease", func(t *tale) {
			t.event(Event{Kind: Forgot})
			t.at += 2 * time.Minute
			t.answer(t.ask(2, Read, 0, 0, "one"), "nowhere", "", "one")
		}, ""},
		{"nobody, after the idle timeout", func(t *tale) {
			t.at += 6 * time.Minute
			t.answer(t.ask(2, Read, 0, 0, "one"), "nowhere", "", "one")
		}, ""},
		{"nobody, while another tab logs out", func(t *tale) {
			t.ask(1, Logout, 0, 0, "one")
			t.answer(t.ask(2, Read, 0, 0, "one"), "nowhere", "", "one")
		}, ""},
		{"no backup was sent", func(t *tale) {
			w := t.ask(1, Set, 1, 2, "one")
			t.load(w, 1)
			t.save(w, 1, s1, 1, false, 1, 2)
			t.at += 59 * time.Second
			t.answer(w, "store a=1 b=2", "", "one")
			t.event(Event{Kind: Forgot})
			t.at -= 10 * time.Second
			t.answer(t.ask(1, Read, 0, 0, "one"), "503", "", "one")
		}, "b: turned away"},

		{"the browser is logged in again", func(t *tale) {
			t.logout(false)
			t.answer(t.ask(2, Read, 0, 0, "one"), "backup a=1", "", "one")
		}, "c: revived"},
		{"a stolen jar, where the tombstone is within reach", func(t *tale) {
			t.logout(true)
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, "c: revived"},
		{"a stolen jar, where it is not", func(t *tale) {
			t.link(2, false)
			t.logout(true)
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, ""},
		{"a stolen jar, there, after the lease", func(t *tale) {
			t.link(2, false)
			t.logout(true)
			t.at += time.Minute
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, "c: after the lease"},
		{"a stolen jar, while the store has forgotten and nobody could tell it", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Died, Birth: 1})
			t.event(Event{Kind: Forgot})
			t.at += 20 * time.Second
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, ""},
		{"a stolen jar, while the store has forgotten and somebody could tell it", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Forgot})
			t.at += 20 * time.Second
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, "c: revived"},
		{"a stolen jar, after a pending logout whose instance is back", func(t *tale) {
			t.link(1, false)
			t.logout(false)
			t.link(1, true)
			t.at += 20 * time.Second
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, "c: revived"},
		{"a pending logout that does not reach the store", func(t *tale) {
			t.logout(false)
			t.at += 20 * time.Second
			t.event(Event{Kind: Settled})
		}, "c: revived"},
		{"a pending logout of an instance that is still away", func(t *tale) {
			t.link(1, false)
			t.logout(false)
			t.at += 20 * time.Second
			t.event(Event{Kind: Settled})
		}, ""},
		{"a tombstone that is not told again", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Forgot})
			t.at += 20 * time.Second
			t.event(Event{Kind: Settled})
		}, "c: not delivered"},
		{"a pending write that does not reach the store", func(t *tale) {
			t.link(1, false)
			t.answer(t.ask(1, Set, 1, 2, "one"), "backup a=1 b=2", "two", "two")
			t.link(1, true)
			t.at += 20 * time.Second
			t.event(Event{Kind: Settled})
		}, "a: not delivered"},
		{"a pending write in the last seconds of its session", func(t *tale) {
			t.h.Lifetime, t.h.Lease = 40*time.Second, 5*time.Minute
			t.link(1, true)
			t.at += 35 * time.Second
			t.answer(t.ask(1, Set, 1, 2, "one"), "backup a=1 b=2", "two", "two")
			t.at += 20 * time.Second
			t.event(Event{Kind: Settled})
		}, ""},
		{"a pending write of an instance that crashed", func(t *tale) {
			t.link(1, false)
			t.answer(t.ask(1, Set, 1, 2, "one"), "backup a=1 b=2", "two", "two")
			t.event(Event{Kind: Died, Birth: 1})
			t.at += 20 * time.Second
			t.event(Event{Kind: Settled})
		}, ""},

		{"what a thief made of a session outlives the logout", func(t *tale) {
			heir(t)
			t.answer(t.steal(1, "T", Read, "thief"), "backup a=1", "")
		}, "e: outlives the logout"},
		{"what a thief made before the logout, in the store", func(t *tale) {
			q := t.steal(2, s1, Login, "one")
			q.NewToken = "T"
			t.load(q, 1)
			t.save(q, 2, "T", 0, false, 1)
			t.save(q, 2, s1, 1, true)
			t.answer(q, "store a=1", "thief")
			l := t.ask(1, Logout, 0, 0, "one")
			t.load(l, 3)
			t.save(l, 1, s1, 0, true)
			t.answer(l, "nowhere", "")
			t.answer(t.steal(1, "T", Read, "thief"), "store a=1", "")
		}, ""},
		{"what a thief made, where the store is away", func(t *tale) {
			heir(t)
			t.link(1, false)
			t.answer(t.steal(1, "T", Read, "thief"), "backup a=1", "")
		}, ""},

		{"a session that nobody used for too long", func(t *tale) {
			t.at += 6 * time.Minute
			t.answer(t.ask(1, Read, 0, 0, "one"), "store a=1", "", "one")
		}, "f: too old"},
		{"a session past its absolute end", func(t *tale) {
			for range 16 {
				t.at += 4 * time.Minute
				t.answer(t.ask(1, Read, 0, 0, "one"), "store a=1", "", "one")
			}
		}, "f: too old"},
		{"another visitor's data", func(t *tale) {
			t.answer(t.ask(1, Read, 0, 0, "one"), "store a=1 b=77", "", "one")
		}, "g: another session"},
		{"a token that nobody was given", func(t *tale) {
			t.answer(t.steal(1, "X", Read, "one"), "store", "")
		}, "g: another session"},
		{"a backup that nobody made", func(t *tale) {
			t.answer(t.steal(2, s1, Read, "bent"), "backup a=1", "")
		}, "g: forged"},
		{"an answer that is neither", func(t *tale) {
			t.answer(t.ask(1, Read, 0, 0, "one"), "500", "", "one")
		}, "status"},
	})
}

// heir has a thief renew the session on B, which is cut off, and the victim log
// out on A.
func heir(t *tale) {
	t.link(2, false)
	q := t.steal(2, s1, Login, "one")
	q.NewToken = "T"
	t.answer(q, "backup a=1", "thief")
	t.logout(true)
	t.h.Events = append(t.h.Events, Event{At: t.at, Kind: Linked, Instance: 1, Birth: 2, Healthy: true})
}

// unsent has a visitor write in a mode and get no copy, and look at the end, when the
// store has lost the write.
func unsent(t *tale, m session.Mode) {
	t.event(Event{Kind: Overridden, Instance: 0, Birth: 1, Mode: m})
	w := t.ask(1, Set, 1, 2, "one")
	t.load(w, 1)
	t.save(w, 1, s1, 1, false, 1, 2)
	t.answer(w, "store a=1 b=2", "", "one")
	t.event(Event{Kind: Overridden, Instance: 0, Birth: 1, Mode: session.Auto})
	t.event(Event{Kind: Forgot})
	q := t.ask(1, Read, 0, 0, "one")
	q.Final = true
	t.answer(q, "backup a=1", "", "one")
}
