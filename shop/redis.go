package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// openRedis returns once the Redis has answered, or ctx ends.
func openRedis(ctx context.Context, address string) (backend, error) {
	b := backend{name: redisName(address)}
	o, err := redisstore.ClientOption(address)
	if err != nil {
		return b, err
	}

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
		return b, fmt.Errorf("the server does not answer within %v", patienceAtStart)
	}
	if c.err != nil {
		return b, c.err
	}
	store := redisstore.New(c.client)
	if _, err := store.Load(ctx, "is-anybody-there"); err != nil && !errors.Is(err, session.ErrNotFound) {
		c.client.Close()
		return b, err
	}
	b.store, b.close = store, c.client.Close
	return b, nil
}

// redisName is an address without user, password and query.
func redisName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		scheme, _, _ := strings.Cut(address, ":")
		return scheme + ":"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
