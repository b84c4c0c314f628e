package storetest

import (
	"time"

	"github.com/holdfast-go/session"
)

// tombstone stands for a dead session: for the store it is a record.
const tombstone = "dead"

var versionCases = []testCase{
	{name: "a session is created once", says: saysAbsent, run: func(c *check) {
		c.mustSave(alice, record("first"), session.Absent)
		c.wantConflict("a session stands", alice, record("second"), session.Absent)
		c.mustSave(bob, record(tombstone), session.Absent)
		c.wantConflict("a tombstone stands", bob, record("restored"), session.Absent)
	}},

	{name: "a session that expired can be created anew", says: saysAbsent, run: func(c *check) {
		c.mustSave(alice, expiring("first", 300*time.Millisecond), session.Absent)
		c.untilGone(alice)
		c.wantSaved("after it expired", record("second"), session.Absent)
	}},

	{name: "a save over what was loaded replaces it", says: saysOver, run: func(c *check) {
		c.mustSave(alice, record("one"), session.Absent)
		for _, data := range []string{"two", "three", "four"} {
			r, err := c.load(alice)
			if err != nil {
				c.Fatalf("Load: %v", err)
			}
			c.wantSaved("what was loaded stands", record(data), r.Version)
			c.wantData(alice, []byte(data))
		}
	}},

	{name: "saves follow one another without a load", says: saysNext, run: func(c *check) {
		v := session.Absent
		for _, data := range []string{"one", "two", "three", "four"} {
			w, err := c.save(alice, record(data), v)
			if err != nil {
				c.Fatalf("Save(%q) over the %s of the save before: %v", data, name(v), err)
			}
			v = w
		}
	}},

	{name: "a late save does not bring back who logged out", says: saysVersion, run: func(c *check) {
		v := c.mustSave(alice, record("one"), session.Absent)
		w := c.mustSave(alice, record("two"), v)
		c.wantConflict("a newer session stands", alice, record("late"), v)
		c.mustSave(alice, record(tombstone), session.Any)
		c.wantConflict("a tombstone stands", alice, record("late"), w)
		c.wantConflict("a tombstone stands", alice, record("late"), v)
		c.wantData(alice, []byte(tombstone))
	}},

	{name: "the version of another session replaces nothing", says: saysVersion, run: func(c *check) {
		v := c.mustSave(alice, record("alice"), session.Absent)
		w := c.mustSave(bob, record("bob"), session.Absent)
		c.wantConflict("over a version of bob's", alice, record("bob"), w)
		c.wantConflict("over a version of alice's", bob, record("alice"), v)
	}},

	{name: "a version creates nothing", says: saysVersion, run: func(c *check) {
		v := c.mustSave(alice, record("alice"), session.Absent)
		c.wantConflict("nothing stands", bob, record("bob"), v)
		c.wantNothing("after a conflict", bob)
	}},

	{name: "the version of an expired session replaces nothing", says: saysVersion, run: func(c *check) {
		v := c.mustSave(alice, expiring("first", 300*time.Millisecond), session.Absent)
		c.untilGone(alice)
		c.wantConflict("it has expired", alice, record("late"), v)
		c.mustSave(alice, record("second"), session.Absent)
		c.wantConflict("another was created", alice, record("late"), v)
	}},

	{name: "a logout replaces whatever stands", says: saysAny, run: func(c *check) {
		v := c.mustSave(alice, record("alice"), session.Absent)
		c.mustSave(alice, record("alice again"), v)
		c.wantSaved("over a session", record(tombstone), session.Any)
		c.wantData(alice, []byte(tombstone))
		c.wantSaved("over a tombstone", record(tombstone+" again"), session.Any)
		c.wantData(alice, []byte(tombstone+" again"))
	}},

	{name: "a logout is kept where nothing stood", says: saysAny, run: func(c *check) {
		c.wantSaved("over nothing", record(tombstone), session.Any)
		c.wantData(alice, []byte(tombstone))
	}},

	{name: "a conflict changes nothing", says: saysConflict, run: func(c *check) {
		old := c.mustSave(alice, record("one"), session.Absent)
		v := c.mustSave(alice, record("two"), old)
		for _, over := range []session.Version{session.Absent, old} {
			c.wantConflict("another session stands", alice, record("late"), over)
			c.wantRecord(alice, "two", v)
			c.wantConflict("another session stands", alice, expiring("late", 300*time.Millisecond), over)
			c.wantRecord(alice, "two", v)
			c.wantConflict("nothing stands", bob, record("late"), old)
			c.wantNothing("after a conflict over nothing", bob)
		}
		c.wantStay("after conflicts with a shorter expiry", alice, "two", 300*time.Millisecond+late)
		c.wantSaved("after conflicts", record("three"), v)
	}},
}
