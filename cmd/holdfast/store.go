package main

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/pgstore"
	"github.com/holdfast-go/session/redisstore"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/rueidis"
)

// errStore quotes nothing, because there may be a password in an address.
var errStore = errors.New("want memcached://user:password@host:port,host:port, redis://user:password@host:port/db or postgres://user:password@host:port/database; write what is special in a password as %XX")

// openStore opens the store at an address. A memcached need not answer; a Redis is waited
// for until ctx ends, because its client wants to know what it talks to.
func openStore(ctx context.Context, address string, log *slog.Logger) (session.Store, func(), error) {
	switch scheme, _, _ := strings.Cut(address, "://"); scheme {
	case "memcached":
		return openMemcached(address)
	case "redis", "rediss":
		return openRedis(ctx, address, log)
	case "postgres", "postgresql":
		return openPostgres(ctx, address, log)
	}
	return nil, nil, errStore
}

func openMemcached(address string) (session.Store, func(), error) {
	list := strings.TrimSuffix(strings.TrimPrefix(address, "memcached://"), "/")
	o := &memcached.Options{}
	if i := strings.LastIndexByte(list, '@'); i >= 0 {
		user, password, _ := strings.Cut(list[:i], ":")
		var err1, err2 error
		o.Auth.User, err1 = url.PathUnescape(user)
		o.Auth.Password, err2 = url.PathUnescape(password)
		if err1 != nil || err2 != nil {
			return nil, nil, errStore
		}
		list = list[i+1:]
	}
	client, err := memcached.New(memcached.Servers(strings.Split(list, ",")...), o)
	if err != nil {
		return nil, nil, err
	}
	return memcachedstore.New(client), func() { _ = client.Close() }, nil
}

func openRedis(ctx context.Context, address string, log *slog.Logger) (session.Store, func(), error) {
	o, err := redisstore.ClientOption(address)
	if err != nil {
		return nil, nil, err
	}
	for told := false; ; told = true {
		client, err := rueidis.NewClient(o)
		if err == nil {
			return redisstore.New(client), client.Close, nil
		}
		if !told {
			log.WarnContext(ctx, "the Redis does not answer yet, and this monitor votes once it has", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil, err
		case <-time.After(time.Second):
		}
	}
}

func openPostgres(ctx context.Context, address string, log *slog.Logger) (session.Store, func(), error) {
	config, err := pgstore.PoolConfig(address)
	if err != nil {
		return nil, nil, errStore
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	store := pgstore.New(pool, pgstore.Log(log))
	return store, func() { store.Close(); pool.Close() }, nil
}
