package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// backend is where the sessions are.
type backend struct {
	store session.Store
	name  string // how the shop calls it: the address without a password
	close func()
}

// open opens the store at an address of the flag -store. An error quotes the
// address without its password, and not at all where it makes no sense.
func open(ctx context.Context, address string) (backend, error) {
	scheme, _, _ := strings.Cut(address, ":")
	switch {
	case address == "memory:":
		return backend{memstore.New(nil), address, func() {}}, nil
	case scheme == "redis", scheme == "rediss", scheme == "unix":
		b := backend{name: withoutPassword(address)}
		if err := b.connect(ctx, address); err != nil {
			return backend{}, fmt.Errorf("-store %s: %w\nshop: -store memory: needs no server", b.name, err)
		}
		return b, nil
	}
	return backend{}, errors.New("-store: want memory: or redis://user:password@host:port/db")
}

// connect returns once the Redis has answered, or patienceAtStart is over.
func (b *backend) connect(ctx context.Context, address string) error {
	o, err := redisstore.ClientOption(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patienceAtStart)
	defer cancel()

	// NewClient connects, and knows no context.
	type connection struct {
		client rueidis.Client
		err    error
	}
	connected := make(chan connection, 1)
	go func() {
		client, err := rueidis.NewClient(o)
		connected <- connection{client, err}
	}()
	var c connection
	select {
	case c = <-connected:
	case <-ctx.Done():
		return fmt.Errorf("the server does not answer within %v", patienceAtStart)
	}
	if c.err != nil {
		return c.err
	}
	store := redisstore.New(c.client)
	if _, err := store.Load(ctx, "is-anybody-there"); err != nil && !errors.Is(err, session.ErrNotFound) {
		c.client.Close()
		return err
	}
	b.store, b.close = store, c.client.Close
	return nil
}

// withoutPassword is an address without user, password and query.
func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		scheme, _, _ := strings.Cut(address, ":")
		return scheme + ":"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
