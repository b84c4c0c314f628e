package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-go/session"
)

// ledger knows every Version that was seen.
type ledger struct {
	*check
	seen map[session.Version]string
}

func (c *check) ledger() ledger {
	return ledger{c, map[session.Version]string{session.Absent: "Absent", session.Any: "Any"}}
}

func (l ledger) enter(v session.Version, what string) {
	l.Helper()
	if before, ok := l.seen[v]; ok {
		l.Fatalf("%s got %s, which is that of: %s", what, name(v), before)
	}
	l.seen[v] = what
}

var uniqueCases = []testCase{
	{name: "the same bytes get a new version", says: saysUnique, run: func(c *check) {
		l := c.ledger()
		r := record("same")
		var v session.Version
		for i := range 50 {
			v = c.mustSave(alice, r, v)
			l.enter(v, fmt.Sprintf("save %d over a Version", i))
		}
		for i := range 50 {
			l.enter(c.mustSave(alice, r, session.Any), fmt.Sprintf("save %d over Any", i))
			l.enter(c.mustSave(session.ID(fmt.Sprintf("%032x", i)), r, session.Absent), fmt.Sprintf("save of session %d", i))
		}
	}},

	{name: "an expiry brings no version back", says: saysUnique, run: func(c *check) {
		l := c.ledger()
		for i := range 3 {
			v := c.mustSave(alice, expiring("same", 300*time.Millisecond), session.Absent)
			l.enter(v, fmt.Sprintf("the session after %d expiries", i))
			c.untilGone(alice)
		}
		for i := range 3 {
			v := c.mustSave(bob, record("same"), session.Absent)
			l.enter(v, fmt.Sprintf("the session after %d saves past their expiry", i))
			c.mustSave(bob, expiring("", -time.Minute), v)
		}
	}},

	{name: "a save from before a restart overwrites nothing after it", says: saysUnique, needs: []capability{restart}, run: func(c *check) {
		l := c.ledger()
		before := map[session.ID]session.Version{}
		for i := range 50 {
			id := session.ID(fmt.Sprintf("%032x", i))
			before[id] = c.mustSave(id, record("same"), session.Absent)
			l.seen[before[id]] = "a session before the restart"
		}
		c.Restart(c.t)
		c.untilItAnswers(slices.Collect(maps.Keys(before))...)
		for i := range 50 {
			v := c.mustSave(session.ID(fmt.Sprintf("%032x", i)), record("same"), session.Any)
			l.enter(v, "a session after the restart")
		}
		for id, v := range before {
			if _, err := c.save(id, record("late"), v); !errors.Is(err, session.ErrConflict) {
				c.Fatalf("Save over a Version from before the restart: got error %v, want ErrConflict", err)
			}
		}
	}},
}
