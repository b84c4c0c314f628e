package storetest

import (
	"slices"

	"github.com/holdfast-go/session"
)

func (c *check) pinner() session.Pinner { return c.store.(session.Pinner) }

// pinned is the same case with the store of one shard.
func (c *check) pinned(shard string) *check {
	c.Helper()
	s, err := c.pinner().Pin(shard)
	if err != nil {
		c.Fatalf("Pin(%q): %v", shard, err)
	}
	one := *c
	one.store = s
	return &one
}

var pinCases = []testCase{
	{name: "every session's shard has a name", says: saysShards, needs: []capability{pinner}, run: func(c *check) {
		names := c.pinner().Shards()
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			c.Errorf("Shards: got %q, want each once and in order", names)
		}
		for _, id := range append(slices.Clone(oddIDs), alice, bob) {
			if shard := c.pinner().Shard(id); len(names) > 0 && !slices.Contains(names, shard) {
				c.Errorf("Shards: got %q, which lacks %q, the shard of %s", names, shard, id)
			}
		}
	}},

	{name: "a frozen server's shards are known", says: saysShardsAsks, needs: []capability{pinner, freeze}, run: func(c *check) {
		want := c.pinner().Shards()
		c.Freeze(c.t)
		returned := make(chan []string, 1)
		go func() { returned <- c.pinner().Shards() }()
		got, ok := soon(returned, 0)
		c.Thaw(c.t)
		switch {
		case !ok:
			<-returned
			c.Errorf("Shards waits for a frozen server")
		case !slices.Equal(got, want):
			c.Errorf("Shards: got %q of a frozen server, want %q", got, want)
		}
	}},

	{name: "a pinned record lies in its shard whatever its ID", says: saysPin, needs: []capability{pinner}, run: func(c *check) {
		shards := c.pinner().Shards()
		for _, shard := range shards {
			if _, err := c.pinned(shard).save(alice, record(shard), session.Absent); err != nil {
				c.Errorf("Save into %q: %v", shard, err)
			}
		}
		for _, shard := range shards {
			if r, err := c.pinned(shard).load(alice); err != nil || string(r.Data) != shard {
				c.Errorf("Load from %q: got %s with error %v, want %q", shard, brief(r.Data), err, shard)
			}
		}
	}},

	{name: "a session is found in its shard", says: saysPinSame, needs: []capability{pinner}, run: func(c *check) {
		shard := c.pinner().Shard(alice)
		if !slices.Contains(c.pinner().Shards(), shard) {
			return // the first case says so
		}
		_, _ = c.save(alice, record("alice"), session.Absent)
		r, err := c.load(alice)
		one := c.pinned(shard)
		if got, errOne := one.load(alice); (err == nil) != (errOne == nil) || got.Version != r.Version || string(got.Data) != string(r.Data) {
			c.Errorf("Load from %q: got %s, Version %x, with error %v, want what the store itself has: %s, Version %x, %v",
				shard, brief(got.Data), got.Version, errOne, brief(r.Data), r.Version, err)
		}
	}},

	{name: "a shard that is none has no records", says: saysPinNone, needs: []capability{pinner}, run: func(c *check) {
		if _, err := c.pinner().Pin("no such shard"); err == nil {
			c.Errorf("Pin of no shard: got no error")
		}
	}},
}
