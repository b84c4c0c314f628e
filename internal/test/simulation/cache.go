package simulation

import (
	"context"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// cached is a client with a cache in front, as a Redis with client tracking has
// it: the server tells it, a little later, what others have replaced, and it
// starts anew with its connection.
type cached struct {
	*client

	mu      sync.Mutex // guards all below; taken after cluster.mu
	entries map[session.ID]entry
	changes map[session.ID]int // how often the server has told of it
	resets  int
}

type entry struct {
	record session.Record
	save   int
	sent   time.Duration // when the call that fetched it left
}

// silence is after what time a connection without an answer counts as lost.
const silence = time.Second

func newCached(cl *client) *cached {
	c := &cached{client: cl, entries: map[session.ID]entry{}, changes: map[session.ID]int{}}
	cl.c.watch(c.changed)
	return c
}

// Load implements session.Store.
func (c *cached) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if err := c.heed(ctx); err != nil {
		return session.Record{}, err
	}
	c.mu.Lock()
	e, ok := c.entries[id]
	c.mu.Unlock()
	if ok && time.Now().Before(e.record.Expires) {
		c.observe("load: from the cache")
		c.journal(Event{Kind: Loaded, Sent: e.sent, Request: requestOf(ctx), Session: id, Shard: c.c.of(id), Save: e.save, Cached: true})
		r := e.record
		r.Cached = true
		return r, nil
	}
	return c.LoadFresh(ctx, id)
}

// LoadFresh implements session.FreshLoader.
func (c *cached) LoadFresh(ctx context.Context, id session.ID) (session.Record, error) {
	c.mu.Lock()
	changes, resets := c.changes[id], c.resets
	c.mu.Unlock()
	sent := time.Since(c.start)
	r, save, err := c.load(ctx, id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && isSession(id) && changes == c.changes[id] && resets == c.resets {
		c.entries[id] = entry{r, save, sent}
	}
	return r, err
}

// Save implements session.Store. A record that it replaces is not loaded from the
// cache again.
func (c *cached) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	c.drop(id)
	defer c.drop(id)
	return c.client.Save(ctx, id, r, over)
}

func (c *cached) drop(id session.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, id)
	c.changes[id]++
}

// changed drops a record from the cache, as the server has told the client to; all
// records, if id is empty.
func (c *cached) changed(id session.ID) {
	delay := 100*time.Microsecond + time.Duration(mix(c.c.seed, uint64(time.Since(c.start)), uint64(c.birth), 8)%uint64(5*time.Millisecond))
	time.AfterFunc(delay|1, func() {
		if c.c.off.Tracking {
			return
		}
		if id == "" {
			c.reset()
			return
		}
		if fault, _, _ := c.links[c.c.of(id)].state(); fault.silent() {
			return // it does not arrive; see broken
		}
		c.drop(id)
	})
}

// silent reports whether nothing that the server says arrives, and the
// connection is still there.
func (f Fault) silent() bool { return f == Hang || f == HangLate || f == HangAck }

// broken does to the connection what a fault does.
func (c *cached) broken(f Fault) {
	switch {
	case f == Refuse || f == LoseAck:
		c.reset()
	case f.silent():
		time.AfterFunc(silence, c.reset)
	}
}

func (c *cached) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	c.resets++
}

// watch has f called with what has changed; empty: everything. c.mu is held by
// the caller of f.
func (c *cluster) watch(f func(session.ID)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers = append(c.watchers, f)
}

// changedLocked tells the caches. c.mu is held.
func (c *cluster) changedLocked(id session.ID) {
	for _, f := range c.watchers {
		f(id)
	}
}

// cacheLoads gives all instances a cache, and has two of them asked in turn.
func cacheLoads(d *planner) {
	d.p.Cached = true
	b := d.IntN(d.p.Browsers)
	one, other := d.two()
	at := time.Duration(0)
	for range 3 + d.IntN(8) {
		s := Step{Do: Visit, Browser: b, Instance: []int{one, other}[d.IntN(2)]}
		d.ask(&s)
		d.after(at, s)
		at += d.span(1e6, 40*time.Millisecond)
	}
	if d.IntN(2) == 0 {
		d.faulty(d.span(0, at), at+d.span(0, 3*time.Second), one, []Fault{Refuse, Hang, LoseAck}[d.IntN(3)])
	}
}

// behind reports whether what q was loaded from may have been older than what
// another instance was told by then. Section 5: "an instance that reaches the
// store honors it within two intervals (two seconds up to 100 instances)".
func (a *asked) behind(q *Request, since time.Duration) bool {
	return a.cached && q.Began <= since+2*time.Second
}
