package storetest

import (
	"context"
	"errors"

	"github.com/holdfast-go/session"
)

// other is the same case with one more client of the same data.
func (c *check) other() *check {
	again := *c
	again.store = c.Again(c.t)
	return &again
}

// wantFresh is wantRecord for LoadFresh.
func (c *check) wantFresh(what, data string, v session.Version) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	r, err := c.store.(session.FreshLoader).LoadFresh(ctx, alice)
	if err != nil || string(r.Data) != data || r.Version != v {
		c.Errorf("%s: LoadFresh: got %s of Version %x with error %v, want %q of %x", what, brief(r.Data), r.Version, err, data, v)
	}
}

var instanceCases = []testCase{
	{name: "a visitor may be served by another instance", says: saysLoad, needs: []capability{again}, run: func(c *check) {
		v := c.mustSave(alice, record("alice"), session.Absent)
		c.other().wantRecord(alice, "alice", v)
	}},

	{name: "instances compare the same versions", says: saysVersion, needs: []capability{again}, run: func(c *check) {
		other := c.other()
		v := c.mustSave(alice, record("one"), session.Absent)
		w, err := other.save(alice, record("two"), v)
		if err != nil {
			c.Fatalf("Save over the Version that another instance's Save returned: %v", err)
		}
		c.wantConflict("another instance saved", alice, record("late"), v)
		c.wantSaved("over the other instance's Version", record("three"), w)
		other.wantConflict("another instance saved", alice, record("late"), w)
	}},

	{name: "a fresh load sees what another instance saved", says: saysFresh, needs: []capability{again, freshLoader}, run: func(c *check) {
		other := c.other()
		fresh := c.store.(session.FreshLoader)
		if _, err := fresh.LoadFresh(c.t.Context(), alice); !errors.Is(err, session.ErrNotFound) {
			c.Errorf("LoadFresh of nothing: got error %v, want ErrNotFound", err)
		}
		_, _ = c.load(alice) // a cache may keep that there is nothing
		v := other.mustSave(alice, record("one"), session.Absent)
		c.wantFresh("another instance created", "one", v)
		for range 50 {
			_, _ = c.load(alice) // a cache has it from here on
			v = other.mustSave(alice, record("two"), v)
			c.wantFresh("another instance saved", "two", v)
			v = c.mustSave(alice, record("three"), v)
			c.wantFresh("this instance saved", "three", v)
		}
	}},
}
