package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/holdfast-go/session"
)

// backend is where the sessions are.
type backend struct {
	store   session.Store
	name    string       // how the shop calls it: the address without a password
	process storeProcess // nil where it is not the shop's to stop
	close   func()
}

// open opens the store at an address of the flag -store, and returns once it
// has answered, or patienceAtStart is over, or patienceWithOwn. An error quotes the address without
// its password, and not at all where it makes no sense.
func open(ctx context.Context, address string, log *slog.Logger) (backend, error) {
	var b backend
	var err error
	switch {
	case address == "memory:":
		m := newMemory()
		return backend{m, address, m, func() {}}, nil
	case strings.HasPrefix(address, spawnScheme):
		b, err = openSpawned(ctx, address, log)
	default:
		b, err = openAddress(ctx, address, log)
	}
	if errors.Is(err, errAddress) {
		return b, err
	}
	if err != nil {
		return b, fmt.Errorf("-store %s: %w\nshop: -store memory: needs no server", b.name, err)
	}
	return b, nil
}

var errAddress = errors.New("-store: want memory:, redis://user:password@host:port/db, memcached://host:port,host:port, postgres://user:password@host:port/database, mysql://user:password@host:port/database, sqlite:FILE, spawn:redis or spawn:memcached")

// openAddress opens a store that runs already.
func openAddress(ctx context.Context, address string, log *slog.Logger) (backend, error) {
	ctx, cancel := context.WithTimeout(ctx, patienceAtStart)
	defer cancel()
	switch scheme, _, _ := strings.Cut(address, ":"); {
	case scheme == "redis", scheme == "rediss", scheme == "unix":
		return openRedis(ctx, address)
	case strings.HasPrefix(address, memcachedScheme):
		return openMemcached(ctx, address, log)
	case strings.HasPrefix(address, postgresScheme), strings.HasPrefix(address, postgresqlScheme):
		return openPostgres(ctx, address, log)
	case strings.HasPrefix(address, mysqlScheme):
		return openMySQL(ctx, address, log)
	case strings.HasPrefix(address, sqliteScheme):
		return openSQLite(ctx, address, log)
	}
	return backend{}, errAddress
}

// system is what kind of store it is, as OpenTelemetry calls it.
func (b backend) system() string {
	scheme, rest, _ := strings.Cut(b.name, ":")
	switch scheme {
	case "spawn":
		name, _, _ := strings.Cut(rest, " ") // "spawn:redis at 127.0.0.1:6379"
		return name
	case "rediss", "unix":
		return "redis"
	case "postgres":
		return "postgresql"
	}
	return scheme
}
