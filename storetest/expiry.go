package storetest

import (
	"errors"
	"time"

	"github.com/holdfast-go/session"
)

const day = 24 * time.Hour

var expiryCases = []testCase{
	{name: "a session ends when its time has come", says: saysExpires, run: func(c *check) {
		for id, in := range map[session.ID]time.Duration{alice: 300 * time.Millisecond, bob: 1300 * time.Millisecond} {
			r := expiring("short", in)
			c.mustSave(id, r, session.Absent)
			c.wantEnd(id, r.Expires)
		}
	}},

	{name: "a session of over thirty days is not gone at once", says: saysExpires, run: func(c *check) {
		ids := map[time.Duration]session.ID{30 * day: "a", 31 * day: "b", 400 * day: "c", 30 * 365 * day: "d"}
		for in, id := range ids {
			if _, err := c.save(id, expiring("long", in), session.Absent); err != nil {
				c.Fatalf("Save of a record that expires in %v: %v", in, err)
			}
		}
		for begun := time.Now(); time.Since(begun) < late; time.Sleep(50 * time.Millisecond) {
			for in, id := range ids {
				if _, err := c.load(id); err != nil {
					c.Fatalf("a record that expires in %v: after %v Load: %v", in, time.Since(begun), err)
				}
			}
		}
	}},

	{name: "a refreshed session lives on", says: saysExpires, run: func(c *check) {
		for life := 500 * time.Millisecond; ; life *= 2 {
			r := expiring("short", life)
			v := c.mustSave(alice, r, session.Absent)
			_, err := c.save(alice, record("long"), v)
			switch {
			case err == nil:
				c.wantStay("saved again with a later Expires", alice, "long", life+late)
				return
			case !errors.Is(err, session.ErrConflict) || life > patience || time.Now().Before(r.Expires):
				c.Fatalf("Save with a later Expires over %s: %v", name(v), err)
			} // else the machine was too busy, and the record has ended before
		}
	}},

	{name: "a shortened session ends", says: saysExpires, run: func(c *check) {
		v := c.mustSave(alice, record("long"), session.Absent)
		c.mustSave(bob, record("long"), session.Absent)
		r := expiring("short", 300*time.Millisecond)
		c.mustSave(alice, r, v)
		c.mustSave(bob, r, session.Any)
		c.wantEnd(alice, r.Expires)
		c.wantEnd(bob, r.Expires)
	}},

	{name: "a save past its expiry leaves nothing, and nothing for ever", says: saysPast, run: func(c *check) {
		for _, ago := range []time.Duration{time.Nanosecond, time.Minute, 60 * 365 * day} {
			past := expiring("past", -ago)
			c.wantSaved("past, over nothing", past, session.Absent)
			c.wantNothing("past, over nothing", alice)
			c.wantSaved("past, over nothing", past, session.Any)
			c.wantNothing("past, over nothing", alice)

			v := c.mustSave(alice, record("live"), session.Any)
			c.wantSaved("past, over the live record", past, v)
			c.wantNothing("past, over the live record", alice)
			c.mustSave(alice, record("live"), session.Any)
			c.wantSaved("past, over a live record", past, session.Any)
			c.wantNothing("past, over a live record", alice)
		}
	}},

	{name: "a save past its expiry ends nobody else's session", says: saysPast, run: func(c *check) {
		old := c.mustSave(alice, record("one"), session.Absent)
		v := c.mustSave(alice, record("two"), old)
		past := expiring("past", -time.Minute)
		c.wantConflict("past, over a live record", alice, past, session.Absent)
		c.wantConflict("past, over a newer record", alice, past, old)
		c.wantRecord(alice, "two", v)
		c.wantConflict("past, over nothing", bob, past, v)
	}},

	{name: "a session without an end is refused", says: saysZero, run: func(c *check) {
		forever := session.Record{Data: []byte("for ever")}
		refused := func(over session.Version) {
			c.Helper()
			if _, err := c.save(alice, forever, over); err == nil {
				c.Errorf("Save of a record without Expires over %s: got no error", name(over))
			}
		}
		refused(session.Absent)
		refused(session.Any)
		c.wantNothing("after a refused save", alice)
		v := c.mustSave(alice, record("old"), session.Absent)
		refused(session.Any)
		refused(v)
		c.wantRecord(alice, "old", v)
	}},
}
