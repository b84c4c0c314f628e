package coordinator

import (
	"context"
	"errors"
	"math"
	"path"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/holdfast-go/session/internal/hosts"
)

// zookeeperCoordinator keeps entries in plain nodes, none of them ephemeral. The
// revision of an entry is the version of its node plus one. A node that is removed and
// made anew begins with version 0 again, so Set makes nodes that begin with version 1:
// a node that an operator makes by hand, in place of a removed one, is never mistaken
// for that. Beside the order stands a node whose version counts the orders that Set has
// made, and is the upper half of the order's revision: one that an operator gives by the
// command, in place of a removed one, is not mistaken for that either.
type zookeeperCoordinator struct {
	a Address

	mu   sync.Mutex // guards all below
	conn *zk.Conn
	mute time.Time // when the calls began to fail; zero: the last has not
}

// sessionTime is how long the server keeps a silent client's session.
const sessionTime = 6 * time.Second

func openZooKeeper(a Address) (Coordinator, error) {
	return &zookeeperCoordinator{a: a}, nil
}

// connect returns the connection, and makes it if there is none.
func (c *zookeeperCoordinator) connect() (*zk.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		return c.conn, nil
	}
	conn, _, err := zk.Connect(c.a.Servers, sessionTime, zk.WithLogger(silent{}),
		zk.WithHostProvider(new(hosts.Ring)), zk.WithDialer(hosts.Dial))
	if err != nil {
		return nil, err
	}
	if c.a.User != "" {
		if err := conn.AddAuth("digest", []byte(c.a.User+":"+c.a.Password)); err != nil {
			conn.Close()
			return nil, err
		}
	}
	c.conn = conn
	return conn, nil
}

// silent drops what the client would print; the calls return it.
type silent struct{}

func (silent) Printf(string, ...any) {}

// call runs do and returns when ctx ends though do has not: the client knows no contexts.
// The client ends a call by itself when its server falls silent.
func call[T any](ctx context.Context, c *zookeeperCoordinator, do func(*zk.Conn) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		conn, err := c.connect()
		if err == nil {
			r.value, err = do(conn)
		}
		r.err = err
		done <- r
	}()
	select {
	case r := <-done:
		c.answered(r.err == nil, time.Now())
		return r.value, r.err
	case <-ctx.Done():
		c.answered(false, time.Now())
		var none T
		return none, ctx.Err()
	}
}

// answered notes how a call went. After two sessions' time of failures the next call makes
// another session: a server that has lost its data refuses a client that has seen more than
// the server has, and the client would ask for ever.
func (c *zookeeperCoordinator) answered(well bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case well:
		c.mute = time.Time{}
	case c.mute.IsZero():
		c.mute = now
	case c.conn != nil && now.Sub(c.mute) > 2*sessionTime:
		go c.conn.Close() // it takes a second, where no server answers
		c.conn = nil
		c.mute = time.Time{}
	}
}

func node(name string) string { return "/" + name }

func get(conn *zk.Conn, name string) (Entry, error) {
	data, stat, err := conn.Get(node(name))
	switch {
	case errors.Is(err, zk.ErrNoNode):
		return Entry{}, nil
	case err != nil:
		return Entry{}, err
	}
	return Entry{data, int64(stat.Version) + 1}, nil
}

func (c *zookeeperCoordinator) Get(ctx context.Context, name string) (Entry, error) {
	return call(ctx, c, func(conn *zk.Conn) (Entry, error) {
		made := int64(0)
		if name == c.a.Name {
			_, stat, err := conn.Get(c.turn())
			switch {
			case err == nil:
				made = int64(stat.Version) + 1
			case !errors.Is(err, zk.ErrNoNode):
				return Entry{}, err
			}
		}
		e, err := get(conn, name)
		if e.Revision != 0 {
			e.Revision |= made << 32
		}
		return e, err
	})
}

func (c *zookeeperCoordinator) List(ctx context.Context, folder string) (map[string]Entry, error) {
	return call(ctx, c, func(conn *zk.Conn) (map[string]Entry, error) {
		names, _, err := conn.Children(node(folder))
		if errors.Is(err, zk.ErrNoNode) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		all := map[string]Entry{}
		for _, name := range names {
			e, err := get(conn, folder+"/"+name)
			if err != nil {
				return nil, err
			}
			if e.Revision != 0 {
				all[name] = e
			}
		}
		return all, nil
	})
}

// turn is the node that counts the orders that were made.
func (c *zookeeperCoordinator) turn() string { return node(c.a.Name) + ".turn" }

// unturned returns the operations which check that no order was made since the revision was
// read, and the version that they compare.
func (c *zookeeperCoordinator) unturned(over int64) (check []any, version int32) {
	if made := over >> 32; made != 0 {
		check = []any{&zk.CheckVersionRequest{Path: c.turn(), Version: int32(made - 1)}}
	}
	return check, int32(over&math.MaxUint32) - 1
}

func (c *zookeeperCoordinator) Set(ctx context.Context, name string, value []byte, over int64, guards ...Guard) (bool, error) {
	return call(ctx, c, func(conn *zk.Conn) (bool, error) {
		check, version := c.unturned(over)
		set := &zk.SetDataRequest{Path: node(name), Data: value, Version: version}
		if over != 0 {
			return change(conn, guards, append(check, set)...)
		}
		if err := makeFolder(conn, path.Dir(node(name))); err != nil {
			return false, err
		}
		set.Version = 0 // of the node that is made just before
		made := []any{&zk.CreateRequest{Path: node(name), Acl: zk.WorldACL(zk.PermAll)}, set}
		if name == c.a.Name {
			if err := makeFolder(conn, c.turn()); err != nil {
				return false, err
			}
			made = append(made, &zk.SetDataRequest{Path: c.turn(), Version: -1})
		}
		return change(conn, guards, made...)
	})
}

func (c *zookeeperCoordinator) Remove(ctx context.Context, name string, over int64, guards ...Guard) (bool, error) {
	return call(ctx, c, func(conn *zk.Conn) (bool, error) {
		check, version := c.unturned(over)
		return change(conn, guards, append(check, &zk.DeleteRequest{Path: node(name), Version: version})...)
	})
}

// change does all of it or nothing, and reports whether it did.
func change(conn *zk.Conn, guards []Guard, do ...any) (bool, error) {
	var all []any
	for _, g := range guards {
		if g.Revision == 0 {
			// There is no way to ask for a node that is missing but to make it.
			all = append(all, &zk.CreateRequest{Path: node(g.Name), Acl: zk.WorldACL(zk.PermAll)}, &zk.DeleteRequest{Path: node(g.Name), Version: 0})
			continue
		}
		all = append(all, &zk.CheckVersionRequest{Path: node(g.Name), Version: int32(g.Revision - 1)})
	}
	_, err := conn.Multi(append(all, do...)...)
	for _, conflict := range []error{zk.ErrBadVersion, zk.ErrNodeExists, zk.ErrNoNode} {
		if errors.Is(err, conflict) {
			return false, nil
		}
	}
	return err == nil, err
}

// makeFolder makes a node and those above it.
func makeFolder(conn *zk.Conn, at string) error {
	if at == "/" {
		return nil
	}
	if err := makeFolder(conn, path.Dir(at)); err != nil {
		return err
	}
	_, err := conn.Create(at, nil, 0, zk.WorldACL(zk.PermAll))
	if errors.Is(err, zk.ErrNodeExists) {
		return nil
	}
	return err
}

func (c *zookeeperCoordinator) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
	}
}
