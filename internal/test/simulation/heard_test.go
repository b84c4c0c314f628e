package simulation

import (
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

func TestTheOracleOfLogoutsThatWereHeardOf(t *testing.T) {
	judged(t, []story{
		{"a stolen jar, where the logout was heard of, when the store has lost all", func(t *tale) {
			t.logout(true)
			t.at += 3 * time.Second
			t.event(Event{Kind: Forgot})
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, "c: revived"},
		{"a stolen jar, where the logout was heard of, when the store is away", func(t *tale) {
			t.logout(true)
			t.at += 3 * time.Second
			t.link(2, false)
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, "c: revived"},
		{"a stolen jar, within two seconds, when the store has lost the tombstone", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Evicted, Session: s1})
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, ""},
		{"a stolen jar, where the instance was cut off that made the logout durable", func(t *tale) {
			t.logout(true)
			t.link(1, false)
			t.at += 3 * time.Second
			t.link(2, false)
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, ""},
		{"a stolen jar, where the instance died that made the logout durable", func(t *tale) {
			t.logout(true)
			t.event(Event{Kind: Died, Birth: 1})
			t.at += 3 * time.Second
			t.link(2, false)
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, ""},
		{"a stolen jar, where an operator kept the instance from hearing", func(t *tale) {
			t.event(Event{Kind: Overridden, Instance: 1, Birth: 2, Mode: session.BackupOnly})
			t.logout(true)
			t.at += 3 * time.Second
			t.answer(t.steal(2, s1, Read, "one"), "backup a=1", "")
		}, ""},
		{"what a thief makes of a session where the store has lost the logout, and others have heard of it", func(t *tale) {
			lateHeir(t)
			t.answer(t.steal(2, "T", Read, "thief"), "store a=1", "")
		}, "e: outlives the logout"},
		{"likewise, where its instance has crashed", func(t *tale) {
			lateHeir(t)
			t.event(Event{Kind: Died, Birth: 3})
			t.answer(t.steal(2, "T", Read, "thief"), "store a=1", "")
		}, ""},
	})
}

// lateHeir has a thief renew the session on C, which has just started, after the store has
// lost a logout of which B has heard, and A has gone.
func lateHeir(t *tale) {
	t.logout(true)
	t.at += 3 * time.Second
	t.event(Event{Kind: Died, Birth: 1})
	t.event(Event{Kind: Born, Instance: 2, Birth: 3})
	t.event(Event{Kind: Evicted, Session: s1})
	q := t.steal(3, s1, Login, "one")
	q.NewToken = "T"
	t.save(q, 3, "T", 0, false, 1)
	t.answer(q, "store a=1", "thief")
	t.at += 20 * time.Second
}
