package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// dialing is how a client makes a connection.
type dialing func(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (net.Conn, error)

func dialTCP(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
	if c == nil {
		return d.DialContext(ctx, "tcp", address)
	}
	over := tls.Dialer{NetDialer: d, Config: c}
	return over.DialContext(ctx, "tcp", address)
}

// connections are those that the clients of ClientOption have, by the address. A client
// does not give up a connection over which a server answers, also where that server is a
// replica now and another one has taken its place behind the address.
var connections registry

type registry struct {
	mu sync.Mutex
	of map[string]map[*connection]bool
}

// noting returns dial, with what it makes entered.
func (r *registry) noting(dial dialing) dialing {
	return func(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
		conn, err := dial(ctx, address, d, c)
		if err != nil {
			return nil, err
		}
		noted := newConnection(conn, address)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.of == nil {
			r.of = make(map[string]map[*connection]bool)
		}
		if r.of[address] == nil {
			r.of[address] = make(map[*connection]bool)
		}
		r.of[address][noted] = true
		return noted, nil
	}
}

func (r *registry) forget(c *connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of[c.address], c)
	if len(r.of[c.address]) == 0 {
		delete(r.of, c.address)
	}
}

// closeOlder closes the connections to an address that were made before a time, and
// reports whether there were any.
func (r *registry) closeOlder(address string, than time.Time) bool {
	var old []*connection
	r.mu.Lock()
	for c := range r.of[address] {
		if c.made.Before(than) {
			old = append(old, c)
		}
	}
	r.mu.Unlock()
	for _, c := range old {
		c.abandon()
	}
	return len(old) > 0
}

// isReplica reports whether err is a server's refusal of a write because it is a replica.
func isReplica(err error) bool {
	reply := new(rueidis.RedisError)
	return errors.As(err, &reply) && strings.HasPrefix(reply.Error(), "READONLY ")
}

// hangUp closes the connections of a client that were made before a time, because a
// server that answers over them is no primary any more. It reports whether there were
// any, so that a command may find another server now.
func hangUp(client rueidis.Client, than time.Time) (closed bool) {
	for address := range client.Nodes() {
		closed = connections.closeOlder(address, than) || closed
	}
	return closed
}
