// Package contestant is one sample application on each of the session libraries
// that the benchmark compares. A process of its own serves each of them, so that
// its processor time and memory can be told from those of the others.
package contestant

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/holdfast-go/session/pgstore"
)

// Store is where a contestant keeps its sessions.
type Store string

// The stores.
const (
	None      Store = ""
	Redis     Store = "Redis"
	Memcached Store = "memcached"
	SQL       Store = "SQL" // of the table of all stores only
)

// Contestant is the application on one library in one setup.
type Contestant struct {
	Name      string // one word
	Title     string // what tables say
	Store     Store
	Sessions  bool // it has sessions, and is no floor
	Killed    bool // its store is its own, and is killed before it is measured
	Unchanged bool // what it answers to Cart is always the same
	Node      bool // served by node, not by Serve
	serve     func(Stores) (func(net.Listener) error, error)
}

// Stores are the addresses of the servers, host and port, and how long
// Holdfast waits for them. Zero is its default.
type Stores struct {
	Redis, Memcached string
	Patience         time.Duration

	Postgres string // a URL
	MariaDB  string // host and port
	Dir      string // for a file of SQLite
}

// All are the contestants, neighbours beside each other: what is compared is
// measured shortly one after the other.
func All() []Contestant {
	all := []Contestant{
		{Name: "bare", Title: "bare handler", Unchanged: true, serve: handler(bare)},
		{Name: "bare-cookies", Title: "bare handler, 1.5 KB of cookies, as with a backup", Unchanged: true, serve: handler(bareCookies)},
		{Name: "holdfast-memory", Title: "Holdfast, memory", Sessions: true, serve: holdfast(inMemory, false)},
		{Name: "holdfast-redis", Title: "Holdfast, Redis", Store: Redis, Sessions: true, serve: holdfast(inRedis, false)},
		{Name: "floor-redis", Title: "floor: bare + one GET by rueidis", Store: Redis, serve: handler(floorRedis)},
		{Name: "holdfast-redis-backup", Title: "Holdfast, Redis, backup", Store: Redis, Sessions: true, serve: holdfast(inRedis, true)},
		{Name: "holdfast-redis-killed", Title: "Holdfast, Redis killed, backup", Store: Redis, Sessions: true, Killed: true, serve: holdfast(inRedis, true)},
		{Name: "holdfast-cache", Title: "Holdfast, Redis, client-side cache", Store: Redis, Sessions: true, serve: holdfast(inCache, false)},
		{Name: "floor-cache", Title: "floor: bare + rueidis' client-side cache", Store: Redis, serve: handler(floorCache)},
		{Name: "holdfast-cache-backup", Title: "Holdfast, Redis, client-side cache, backup", Store: Redis, Sessions: true, serve: holdfast(inCache, true)},
		{Name: "holdfast-memcached", Title: "Holdfast, memcached", Store: Memcached, Sessions: true, serve: holdfast(inMemcached, false)},
		{Name: "floor-memcached", Title: "floor: bare + one get by our client", Store: Memcached, serve: handler(floorMemcached)},
		{Name: "holdfast-memcached-backup", Title: "Holdfast, memcached, backup", Store: Memcached, Sessions: true, serve: holdfast(inMemcached, true)},
		{Name: "holdfast-memcached-killed", Title: "Holdfast, memcached killed, backup", Store: Memcached, Sessions: true, Killed: true, serve: holdfast(inMemcached, true)},
		{Name: "scs-memstore", Title: "scs, memstore", Sessions: true, serve: handler(scsMemory(false))},
		{Name: "scs-memstore-idle", Title: "scs, memstore, idle timeout", Sessions: true, serve: handler(scsMemory(true))},
		{Name: "scs-redis", Title: "scs, go-redis", Store: Redis, Sessions: true, serve: handler(scsRedis(false))},
		{Name: "scs-redis-idle", Title: "scs, go-redis, idle timeout", Store: Redis, Sessions: true, serve: handler(scsRedis(true))},
		{Name: "gorilla-redis", Title: "gorilla/sessions, redistore", Store: Redis, Sessions: true, serve: handler(gorillaRedis)},
		{Name: "gorilla-cookie", Title: "gorilla/sessions, cookie store", Sessions: true, serve: handler(gorillaCookie)},
		{Name: "fiber-redis", Title: "fiber session, Redis", Store: Redis, Sessions: true, serve: fiberRedis},
		{Name: "express", Title: "Express, no sessions", Unchanged: true, Node: true},
		{Name: "express-redis", Title: "express-session, connect-redis", Store: Redis, Sessions: true, Node: true},
		{Name: "express-memcached", Title: "express-session, connect-memcached", Store: Memcached, Sessions: true, Node: true},
	}
	return all
}

// InStores are the application in each store that this project has, and in other libraries'
// stores on the same PostgreSQL.
func InStores() []Contestant {
	return []Contestant{
		{Name: "store-memory", Title: "memstore", Sessions: true, serve: holdfast(inMemory, false)},
		{Name: "store-memcached", Title: "memcachedstore", Store: Memcached, Sessions: true, serve: holdfast(inMemcached, false)},
		{Name: "store-redis", Title: "redisstore", Store: Redis, Sessions: true, serve: holdfast(inRedis, false)},
		{Name: "store-sqlite", Title: "sqlitestore", Store: SQL, Sessions: true, serve: holdfast(inSQLite(false), false)},
		{Name: "store-sqlite-fast", Title: "sqlitestore, `LosesOnPowerFailure`", Store: SQL, Sessions: true, serve: holdfast(inSQLite(true), false)},
		{Name: "store-mysql", Title: "mysqlstore, MariaDB", Store: SQL, Sessions: true, serve: holdfast(inMariaDB, false)},
		{Name: "store-postgres", Title: "pgstore", Store: SQL, Sessions: true, serve: holdfast(inPostgres("durable_sessions"), false)},
		{Name: "store-postgres-unlogged", Title: "pgstore, `Unlogged`, backup", Store: SQL, Sessions: true, serve: holdfast(inPostgres("fast_sessions", pgstore.Unlogged()), true)},
		{Name: "store-scs-pgxstore", Title: "scs, pgxstore", Store: SQL, Sessions: true, serve: handler(scsPostgres(false))},
		{Name: "store-scs-pgxstore-idle", Title: "scs, pgxstore, idle timeout", Store: SQL, Sessions: true, serve: handler(scsPostgres(true))},
		{Name: "store-gorilla-pgstore", Title: "gorilla/sessions, antonlindstrom/pgstore", Store: SQL, Sessions: true, serve: handler(gorillaPostgres)},
	}
}

// Serve serves the contestant of that name until the listener fails.
func Serve(name string, ln net.Listener, stores Stores) error {
	for _, c := range append(All(), InStores()...) {
		if c.Name == name && c.serve != nil {
			serve, err := c.serve(stores)
			if err != nil {
				return err
			}
			return serve(ln)
		}
	}
	return fmt.Errorf("no contestant of this program has the name %q", name)
}

// handler serves what net/http can.
func handler(of func(Stores) (library, error)) func(Stores) (func(net.Listener) error, error) {
	return func(stores Stores) (func(net.Listener) error, error) {
		l, err := of(stores)
		if err != nil {
			return nil, err
		}
		return (&http.Server{Handler: app(l)}).Serve, nil
	}
}
