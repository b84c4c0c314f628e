package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-go/session"
)

// probeSoon lets a probe take no longer than a second.
func (c *check) probeSoon(shard string) (incarnation string, err error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
	defer cancel()
	return c.prober().Probe(ctx, shard)
}

func (c *check) prober() session.Prober { return c.store.(session.Prober) }

// mustProbe is a probe that must succeed for the case to go on.
func (c *check) mustProbe(shard string) string {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	incarnation, err := c.prober().Probe(ctx, shard)
	if err != nil {
		c.Fatalf("Probe(%q): %v", shard, err)
	}
	return incarnation
}

// untilProbed waits for a shard that restarted or is up.
func (c *check) untilProbed(shard string) (incarnation string) {
	c.Helper()
	c.until("an answer to a probe", func() (err error) {
		incarnation, err = c.probeSoon(shard)
		return err
	})
	return incarnation
}

// frozenProbe freezes the server and probes it with a context that ends within
// a tenth of a second.
func (c *check) frozenProbe(want error, newContext func(within time.Duration) (context.Context, context.CancelFunc)) {
	c.Helper()
	const within = 100 * time.Millisecond
	shard := c.prober().Shard(alice)
	c.mustProbe(shard)
	returned := make(chan error, 1)
	c.Freeze(c.t)
	ctx, cancel := newContext(within)
	defer cancel()
	go func() {
		_, err := c.prober().Probe(ctx, shard)
		returned <- err
	}()
	err, ok := soon(returned, within)
	c.Thaw(c.t)
	if !ok {
		err = <-returned // it is gone when the case ends
	}
	switch {
	case !ok:
		c.Errorf("Probe of a frozen server: had not returned %v after its context ended", grace)
	case !errors.Is(err, want):
		c.Errorf("Probe of a frozen server: got error %v, want one that wraps %v", err, want)
	}
}

var probeCases = []testCase{
	{name: "a session stays on its shard", says: saysShard, needs: []capability{prober}, run: func(c *check) {
		shards := map[session.ID]string{}
		for _, id := range append(slices.Clone(oddIDs), alice, bob) {
			shards[id] = c.prober().Shard(id)
		}
		_, _ = c.save(alice, record("alice"), session.Absent)
		for range 3 {
			for id, want := range shards {
				if got := c.prober().Shard(id); got != want {
					c.Fatalf("Shard(%s): got %q after %q", id, got, want)
				}
			}
		}
	}},

	{name: "instances agree on a session's shard", says: saysShard, needs: []capability{prober, again}, run: func(c *check) {
		other := c.other()
		for _, id := range append(slices.Clone(oddIDs), alice, bob) {
			if got, want := other.prober().Shard(id), c.prober().Shard(id); got != want {
				c.Errorf("Shard(%s): got %q of another instance, want %q", id, got, want)
			}
		}
	}},

	{name: "a frozen server's sessions are known to be its own", says: saysShard, needs: []capability{prober, freeze}, run: func(c *check) {
		want := c.prober().Shard(alice)
		c.Freeze(c.t)
		returned := make(chan string, 1)
		go func() { returned <- c.prober().Shard(alice) }()
		got, ok := soon(returned, 0)
		c.Thaw(c.t)
		switch {
		case !ok:
			<-returned
			c.Errorf("Shard waits for a frozen server")
		case got != want:
			c.Errorf("Shard: got %q of a frozen server, want %q", got, want)
		}
	}},

	{name: "every session's shard answers", says: saysProbe, needs: []capability{prober}, run: func(c *check) {
		for _, id := range append(slices.Clone(oddIDs), alice, bob) {
			c.mustProbe(c.prober().Shard(id))
		}
	}},

	{name: "a shard that is none does not answer", says: saysNoShard, needs: []capability{prober}, run: func(c *check) {
		if incarnation, err := c.probeSoon("no such shard"); err == nil {
			c.Errorf("Probe of no shard: got %q, want an error", incarnation)
		}
	}},

	{name: "an incarnation stays while nothing is lost", says: saysProbe, needs: []capability{prober}, run: func(c *check) {
		shard := c.prober().Shard(alice)
		want := c.mustProbe(shard)
		for range 3 {
			_, _ = c.save(alice, record("alice"), session.Any)
			if got := c.mustProbe(shard); got != want {
				c.Fatalf("Probe: got %q after %q", got, want)
			}
		}
	}},

	{name: "a restart that lost what was held is noticed", says: saysProbe, needs: []capability{prober, restart}, run: func(c *check) {
		shard := c.prober().Shard(alice)
		before := c.mustProbe(shard)
		_, _ = c.save(alice, record("alice"), session.Absent)
		_, failed := c.load(alice)
		c.Restart(c.t)
		after := c.untilProbed(shard)
		c.untilItAnswers(alice)
		if _, err := c.load(alice); failed == nil && errors.Is(err, session.ErrNotFound) && after == before {
			c.Errorf("Probe: got %q before the restart that lost all and after it", after)
		}
	}},

	{name: "a probe that is canceled before it begins fails", says: saysProbeContext, needs: []capability{prober}, run: func(c *check) {
		canceled, cancel := context.WithCancel(c.t.Context())
		cancel()
		for range repeatedly {
			for range 3 { // a connection that is in use may answer at once
				c.mustProbe(c.prober().Shard(alice))
			}
			if _, err := c.prober().Probe(canceled, c.prober().Shard(alice)); !errors.Is(err, context.Canceled) {
				c.Fatalf("Probe: got error %v, want one that wraps %v", err, context.Canceled)
			}
		}
	}},

	{name: "a frozen server holds no probe beyond the deadline", says: saysProbeContext, needs: []capability{prober, freeze}, run: func(c *check) {
		c.frozenProbe(context.DeadlineExceeded, func(within time.Duration) (context.Context, context.CancelFunc) {
			return context.WithTimeout(c.t.Context(), within)
		})
	}},

	{name: "a frozen server holds no probe that leaves", says: saysProbeContext, needs: []capability{prober, freeze}, run: func(c *check) {
		c.frozenProbe(context.Canceled, func(within time.Duration) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(c.t.Context(), patience)
			time.AfterFunc(within, cancel)
			return ctx, cancel
		})
	}},

	{name: "a shard that is away does not answer", says: saysProbe, needs: []capability{prober, down}, run: func(c *check) {
		shard := c.prober().Shard(alice)
		c.mustProbe(shard)
		c.Down(c.t)
		for range 3 {
			if incarnation, err := c.probeSoon(shard); err == nil {
				c.Errorf("Probe of a shard that is away: got %q, want an error", incarnation)
				break
			}
		}
		c.Up(c.t)
		c.untilProbed(shard)
	}},
}
