package memcached

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Item is the value of a key, with its metadata.
type Item struct {
	// Value may hold any bytes, or none. The Client does not keep a Value after
	// the call, and one that it returns is the caller's.
	Value []byte

	// Flags are the client flags: the server stores them and knows nothing
	// of their meaning.
	Flags uint32

	// Expires is when the item goes: it is there until then, and gone at most two
	// seconds later. Zero means never. Storing an item whose time has passed
	// deletes what stood under the key. Beyond 30 days the server's clock counts;
	// the protocol ends in January 2038. Get leaves Expires zero.
	Expires time.Time

	// Token names the write that put the item there. Set and Add ignore it.
	Token Token
}

// Client talks to a list of memcached servers. Each key has one server, which
// a Ring names. A server that is away is an error for its own keys: it is
// neither left out nor replaced, so that it cannot come back with old values.
//
// It may be used by any number of goroutines at once. Every operation ends with its
// context. An operation that ends with a *NodeError whose Sent is true may or may
// not have happened. Nothing is retried.
type Client struct {
	options *Options
	routes  atomic.Pointer[routes]
	of      *Client // not nil: this is one server of that Client, see On
	server  string  // its Addr

	mu     sync.Mutex // for changes of routes
	closed bool
	done   chan struct{}  // closed by Close
	wg     sync.WaitGroup // of the nodes that are being drained
}

// routes is a ring, and the node of each of its servers.
type routes struct {
	ring  *Ring
	nodes []*node
}

func (r *routes) node(addr string) (*node, error) {
	for _, n := range r.nodes {
		if n.server.Addr == addr {
			return n, nil
		}
	}
	return nil, notListed(addr)
}

func notListed(addr string) error {
	return fmt.Errorf("memcached: %q is not in the list of servers", addr)
}

// New returns a Client of servers. It connects to none of them yet: each is
// dialed by its first use, and from then on until Close. o may be nil.
func New(servers []Server, o *Options) (*Client, error) {
	o, err1 := o.withDefaults()
	ring, err2 := NewRing(servers, &o.Ring)
	if err := errors.Join(err1, err2, o.checkAuth(servers)); err != nil {
		return nil, err
	}
	c := &Client{options: o, done: make(chan struct{})}
	r := &routes{ring: ring}
	for _, s := range servers {
		r.nodes = append(r.nodes, newNode(s, o))
	}
	c.routes.Store(r)
	return c, nil
}

// Get returns the item under key, or ErrMiss.
func (c *Client) Get(ctx context.Context, key string) (Item, error) {
	return c.item(ctx, key, &request{op: opGet})
}

// GetAndTouch is Get and Touch in one.
func (c *Client) GetAndTouch(ctx context.Context, key string, expires time.Time) (Item, error) {
	return c.item(ctx, key, &request{op: opGetAndTouch, expires: expires})
}

// Touch gives the item under key a new expiry, see Item.Expires. Where there
// is none it returns ErrMiss. The item's Token stays as it is.
func (c *Client) Touch(ctx context.Context, key string, expires time.Time) error {
	_, _, err := c.do(ctx, key, &request{op: opTouch, expires: expires})
	return err
}

// Set puts item under key, whatever stood there. The Token that it returns
// serves CompareAndSet without a Get.
func (c *Client) Set(ctx context.Context, key string, item Item) (Token, error) {
	return c.store(ctx, key, &request{op: opSet}, item)
}

// Add puts item under key where nothing stands, and else returns ErrNotStored.
func (c *Client) Add(ctx context.Context, key string, item Item) (Token, error) {
	return c.store(ctx, key, &request{op: opAdd}, item)
}

// CompareAndSet replaces the item of key if it is the one that over names. It
// returns ErrConflict where there is another item, and ErrMiss where there is none.
// Where over was made before a restart of the server it returns ErrConflict, without
// asking the server.
func (c *Client) CompareAndSet(ctx context.Context, key string, item Item, over Token) (Token, error) {
	return c.store(ctx, key, &request{op: opSet, over: over, pinned: true}, item)
}

// Delete removes the item under key. Where there is none it returns ErrMiss.
func (c *Client) Delete(ctx context.Context, key string) error {
	_, _, err := c.do(ctx, key, &request{op: opDelete})
	return err
}

// CompareAndDelete removes the item under key as CompareAndSet replaces it.
func (c *Client) CompareAndDelete(ctx context.Context, key string, over Token) error {
	_, _, err := c.do(ctx, key, &request{op: opDelete, over: over, pinned: true})
	return err
}

func (c *Client) item(ctx context.Context, key string, req *request) (Item, error) {
	r, in, err := c.do(ctx, key, req)
	if err != nil {
		return Item{}, err
	}
	return Item{Value: r.value, Flags: r.flags, Token: Token{CAS: r.cas, Incarnation: in.id}}, nil
}

func (c *Client) store(ctx context.Context, key string, req *request, item Item) (Token, error) {
	req.value = item.Value
	req.flags = item.Flags
	req.expires = item.Expires
	r, in, err := c.do(ctx, key, req)
	if err != nil {
		return Token{}, err
	}
	return Token{CAS: r.cas, Incarnation: in.id}, nil
}

// do sends req to the node of key.
func (c *Client) do(ctx context.Context, key string, req *request) (result, incarnation, error) {
	var err error
	if req.key, err = wireKey(key, c.options.HashKey); err != nil {
		return result{}, incarnation{}, err
	}
	for {
		n, err := c.nodeOf(key)
		if err != nil {
			return result{}, incarnation{}, err
		}
		r, in, err := n.do(ctx, req)
		switch {
		case err == nil:
			return r, in, r.code.err()
		case isRetired(err):
			continue // the list changed meanwhile: ask the new one
		}
		return r, in, err
	}
}

// nodeOf returns the node of key.
func (c *Client) nodeOf(key string) (*node, error) {
	if c.of != nil {
		return c.of.routes.Load().node(c.server)
	}
	routes := c.routes.Load()
	return routes.nodes[routes.ring.index(key)], nil
}

// isRetired reports whether err is of a node that has left the list before it
// sent anything.
func isRetired(err error) bool {
	var e *NodeError
	return errors.Is(err, errRetired) && errors.As(err, &e) && !e.Sent
}

// err is what the server's answer means to the caller.
func (c code) err() error {
	switch c {
	case codeMiss, codeNotFound:
		return ErrMiss
	case codeNotStored:
		return ErrNotStored
	case codeExists:
		return ErrConflict
	case codeValue, codeDone, codeError: // op.answers has reported whether these are expected
	}
	return nil
}

// Node returns the server that has key, as it stands in Server.Addr.
func (c *Client) Node(key string) string {
	if c.of != nil {
		return c.server
	}
	return c.routes.Load().ring.Server(key)
}

// Nodes returns all servers, as they stand in Server.Addr.
func (c *Client) Nodes() []string {
	if c.of != nil {
		return []string{c.server}
	}
	var addrs []string
	for _, n := range c.routes.Load().nodes {
		addrs = append(addrs, n.server.Addr)
	}
	return addrs
}

// Probe asks a server whether it answers, and returns its incarnation: a
// string that stays the same for as long as this process of memcached lives,
// whatever connection asks. Two processes that began within one second and with one
// pid, as happens with containers, differ only in a canary key that the caller sets.
func (c *Client) Probe(ctx context.Context, node string) (incarnation string, err error) {
	if c.of != nil {
		if node != c.server {
			return "", notListed(node)
		}
		return c.of.Probe(ctx, node)
	}
	n, err := c.routes.Load().node(node)
	if err != nil {
		return "", err
	}
	_, in, err := n.do(ctx, &request{op: opProbe})
	return in.name, err
}

// Evictions asks a server how many items it has dropped before their time, for want of memory,
// since it started. It dials, so it is for a question once a minute and not for each call.
func (c *Client) Evictions(ctx context.Context, node string) (uint64, error) {
	if c.of != nil {
		if node != c.server {
			return 0, notListed(node)
		}
		return c.of.Evictions(ctx, node)
	}
	n, err := c.routes.Load().node(node)
	if err != nil {
		return 0, err
	}
	return n.evictions(ctx)
}

// On returns a Client that has every key on one server, as it stands in Server.Addr. It
// uses the connections of c, is closed with c, and its own Close does nothing. Once the
// server has left the list of c, its operations fail.
func (c *Client) On(server string) (*Client, error) {
	if c.of != nil {
		c = c.of
	}
	if _, err := c.routes.Load().node(server); err != nil {
		return nil, err
	}
	return &Client{options: c.options, of: c, server: server}, nil
}

// SetServers replaces the list of servers and returns the share of all keys,
// from 0 to 1, that have another server now. Servers that stay keep their
// connections. Calls to those that go are finished, for up to Options.Timeout.
func (c *Client) SetServers(servers []Server) (moved float64, err error) {
	if c.of != nil {
		return 0, errors.New("memcached: a Client of one server has no list")
	}
	ring, err := NewRing(servers, &c.options.Ring)
	if err = errors.Join(err, c.options.checkAuth(servers)); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, ErrClosed
	}
	old := c.routes.Load()
	r := &routes{ring: ring}
	for _, s := range servers {
		n, err := old.node(s.Addr)
		if err != nil {
			n = newNode(s, c.options)
		}
		r.nodes = append(r.nodes, n)
	}
	c.routes.Store(r)
	for _, n := range old.nodes {
		if !slices.Contains(r.nodes, n) {
			c.wg.Go(func() { n.drain(c.done) })
		}
	}
	return old.ring.Moved(ring), nil
}

// Close ends all connections; calls in flight and later ones fail with
// ErrClosed. It returns when all goroutines of the Client have ended.
func (c *Client) Close() error {
	if c.of != nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	close(c.done)
	for _, n := range c.routes.Load().nodes {
		n.close(ErrClosed)
	}
	c.wg.Wait()
	return nil
}
