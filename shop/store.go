package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// backend is where the sessions are.
type backend struct {
	store session.Store
	name  string // how the shop calls it: the address without a password
	close func()
}

// open opens the store at an address of the flag -store, and returns once it
// has answered, or patienceAtStart is over. An error quotes the address without
// its password, and not at all where it makes no sense.
func open(ctx context.Context, address string, log *slog.Logger) (backend, error) {
	ctx, cancel := context.WithTimeout(ctx, patienceAtStart)
	defer cancel()
	var b backend
	var err error
	switch scheme, _, _ := strings.Cut(address, ":"); {
	case address == "memory:":
		return backend{memstore.New(nil), address, func() {}}, nil
	case scheme == "redis", scheme == "rediss", scheme == "unix":
		b, err = openRedis(ctx, address)
	case strings.HasPrefix(address, memcachedScheme):
		b, err = openMemcached(ctx, address, log)
	default:
		return b, errors.New("-store: want memory:, redis://user:password@host:port/db or memcached://host:port,host:port")
	}
	if err != nil {
		return b, fmt.Errorf("-store %s: %w\nshop: -store memory: needs no server", b.name, err)
	}
	return b, nil
}
