package simulation

import (
	"testing"
	"time"
)

func TestTheOracleOfStrangers(t *testing.T) {
	judged(t, []story{
		{"a pending logout that strangers have displaced", func(t *tale) {
			crowdedOut(t, Set)
		}, ""},
		{"a pending logout of somebody with a name that strangers have displaced", func(t *tale) {
			crowdedOut(t, Login)
		}, "c: not delivered"},
	})
}

// crowdedOut has a visitor begin a session on A in an outage and log out, and others fill
// its journal.
func crowdedOut(t *tale, begins Route) {
	t.link(1, false)
	q := t.ask(1, begins, 0, 2)
	q.Token, q.NewToken = "", "T"
	t.answer(q, "nowhere a=2", "two", "two")
	l := t.ask(1, Logout, 0, 0, "two")
	l.Token = "T"
	t.answer(l, "backup a=2", "")
	t.event(Event{Kind: Crowded, Birth: 1})
	t.link(1, true)
	t.at += 20 * time.Second
	t.event(Event{Kind: Settled})
}
