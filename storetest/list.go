package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-go/session"
)

// list is every ID that the store yields, in order and once.
func (c *check) list() []session.ID {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	var ids []session.ID
	for id, err := range c.store.(session.Lister).List(ctx) {
		if err != nil {
			c.Fatalf("List: %v", err)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// fill saves a thousand sessions, and some of odd IDs.
func (c *check) fill() []session.ID {
	c.Helper()
	ids := slices.Clone(oddIDs)
	for i := range 1000 {
		ids = append(ids, session.ID(fmt.Sprintf("%032x", i*7919)))
	}
	for _, id := range ids {
		c.mustSave(id, record("live"), session.Absent)
	}
	slices.Sort(ids)
	return ids
}

var listCases = []testCase{
	{name: "a list names every session", says: saysList, needs: []capability{lister}, run: func(c *check) {
		if got := c.list(); len(got) != 0 {
			c.Errorf("List of an empty store: got %d IDs", len(got))
		}
		want := c.fill()
		got := c.list()
		if !slices.Equal(got, want) {
			c.Errorf("List: got %d IDs, want the %d that were saved", len(got), len(want))
		}
		for _, id := range got {
			if _, err := c.load(id); err != nil {
				c.Fatalf("Load(%s), as List has it: %v", id, err)
			}
		}
	}},

	{name: "a list leaves out who has expired", says: saysList, needs: []capability{lister}, run: func(c *check) {
		for i := range 20 {
			c.mustSave(session.ID(fmt.Sprintf("%032x", i)), expiring("short", 300*time.Millisecond), session.Absent)
		}
		c.mustSave(alice, record("long"), session.Absent)
		c.untilGone("00000000000000000000000000000013") // the last of them
		if got := c.list(); !slices.Equal(got, []session.ID{alice}) {
			c.Errorf("List of one live and 20 expired sessions: got %q", got)
		}
	}},

	{name: "who is revoked by a list is logged out", says: saysList, needs: []capability{lister}, run: func(c *check) {
		ids := c.fill()
		for id, err := range c.store.(session.Lister).List(c.t.Context()) {
			if err != nil {
				c.Fatalf("List: %v", err)
			}
			c.mustSave(id, record(tombstone), session.Any)
		}
		for _, id := range ids {
			if r, err := c.load(id); err != nil || string(r.Data) != tombstone {
				c.Fatalf("Load(%s) after every ID of List was saved as %q: got %s with error %v", id, tombstone, brief(r.Data), err)
			}
		}
	}},

	{name: "a list that breaks off says so", says: saysBreak, needs: []capability{lister}, run: func(c *check) {
		want := c.fill()
		ctx, cancel := context.WithCancel(c.t.Context())
		defer cancel()
		var ids []session.ID
		var failed error
		for id, err := range c.store.(session.Lister).List(ctx) {
			if failed != nil {
				c.Fatalf("List went on after an error: got %q, %v", id, err)
			}
			if failed = err; err == nil {
				ids = append(ids, id)
			}
			cancel() // List may still yield the IDs that it has read
		}
		slices.Sort(ids)
		if failed == nil && !slices.Equal(slices.Compact(ids), want) {
			c.Errorf("List ended after %d of %d sessions without an error", len(ids), len(want))
		}
	}},

	{name: "a list of a store that is away says so", says: saysBreak, needs: []capability{lister, down}, run: func(c *check) {
		c.mustSave(alice, record("alice"), session.Absent)
		c.Down(c.t)
		defer c.Up(c.t)
		ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
		defer cancel()
		for _, err := range c.store.(session.Lister).List(ctx) {
			if err != nil {
				return
			}
		}
		c.Errorf("List of a store that is away ended without an error")
	}},
}
