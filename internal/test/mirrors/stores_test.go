package mirrors_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/rueidis"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/chaos"
	"github.com/holdfast-go/session/internal/test/mariadbtest"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/mysqlstore"
	"github.com/holdfast-go/session/pgstore"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/sqlitestore"
)

func TestMain(m *testing.M) {
	_ = mysql.SetLogger(&mysql.NopLogger{}) // it would tell of each server that is killed
	code := postgrestest.Main(m)
	mariadbtest.RemoveTemplate()
	os.Exit(code)
}

// server is one of the two of a mirror.
type server struct {
	// open opens a store in the n-th place, as one instance does by a wire of its own.
	open func(t testing.TB, n int, wire *chaos.Wire) session.Store

	down, up     func()
	freeze, thaw func() // nil: there is no server that could stand still
	empty        func()
	forgets      bool // what it has, when it is down
}

var servers = map[string]func(testing.TB) server{
	"memcached":       func(t testing.TB) server { return startMemcached(t) },
	"large memcached": func(t testing.TB) server { return startMemcached(t, "-I", "2m") }, // takes a record of a megabyte
	"Redis":           startRedis,
	"PostgreSQL":      startPostgreSQL,
	"MariaDB":         startMariaDB,
	"SQLite":          startSQLite,
}

func startMemcached(t testing.TB, args ...string) server {
	s := memcachedtest.Start(t, args...)
	uptime := regexp.MustCompile(`STAT uptime ([0-9]+)`)
	return server{
		open: func(t testing.TB, n int, wire *chaos.Wire) session.Store {
			// A Version of a young memcached is good on one connection alone: see memcachedstore's
			// tests.
			timeleft.Poll(t, "memcached's coming of age", func() bool {
				found := uptime.FindStringSubmatch(s.CommandUntil("stats\r\n", "END\r\n"))
				return found != nil && (len(found[1]) > 1 || found[1] >= "5")
			})
			client, err := memcached.New(memcached.Servers(s.Addr), &memcached.Options{Dial: wire.Dial})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			return memcachedstore.New(client, memcachedstore.Prefix(fmt.Sprintf("%d:", n)))
		},
		down: s.Kill, up: s.Restart, freeze: s.Freeze, thaw: s.Thaw, empty: s.Flush, forgets: true,
	}
}

func startRedis(t testing.TB) server {
	s := redistest.Start(t)
	return server{
		open: func(t testing.TB, n int, wire *chaos.Wire) session.Store {
			prefix := redisstore.Prefix(fmt.Sprintf("%d:", n))
			o, err := redisstore.ClientOption(s.URL(), prefix)
			if err != nil {
				t.Fatal(err)
			}
			o.DialCtxFn = func(ctx context.Context, address string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
				return wire.Dial(ctx, "tcp", address)
			}
			client, err := rueidis.NewClient(o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			return redisstore.New(client, prefix)
		},
		down: s.Kill, up: s.Restart, freeze: s.Freeze, thaw: s.Thaw, empty: s.Flush, forgets: true,
	}
}

func startPostgreSQL(t testing.TB) server {
	s := postgrestest.Start(t)
	var made []int
	pool := func(t testing.TB, wire *chaos.Wire) *pgxpool.Pool {
		c, err := pgstore.PoolConfig(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		c.ConnConfig.DialFunc = wire.Dial
		p, err := pgxpool.NewWithConfig(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	name := func(n int) string { return fmt.Sprintf("sessions%d", n) }
	return server{
		open: func(t testing.TB, n int, wire *chaos.Wire) session.Store {
			p, table := pool(t, wire), pgstore.Table(name(n))
			if len(made) == 0 || made[len(made)-1] != n {
				if err := pgstore.Migrate(t.Context(), p, table); err != nil {
					t.Fatal(err)
				}
				made = append(made, n)
			}
			store := pgstore.New(p, table)
			t.Cleanup(store.Close)
			return store
		},
		down: s.Kill, up: s.Restart, freeze: s.Freeze, thaw: s.Thaw,
		empty: func() {
			p := pool(t, new(chaos.Wire))
			for _, n := range made {
				if _, err := p.Exec(context.Background(), "TRUNCATE "+name(n)); err != nil {
					t.Error(err)
				}
			}
		},
	}
}

func startMariaDB(t testing.TB) server {
	s := mariadbtest.Start(t, "--innodb-flush-log-at-trx-commit=1") // a crash loses nothing
	config := func() *mysql.Config {
		c := mysql.NewConfig()
		c.Net, c.Addr = "tcp", s.Addr
		c.User, c.DBName = "root", "test"
		return c
	}
	last := 0
	name := func(n int) string { return fmt.Sprintf("sessions%d", n) }
	return server{
		open: func(t testing.TB, n int, wire *chaos.Wire) session.Store {
			c := config()
			c.DialFunc = wire.Dial
			store, err := mysqlstore.Open(t.Context(), c, &mysqlstore.Options{Table: name(n)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close() })
			last = n
			return store
		},
		down: s.Kill, up: s.Restart, freeze: s.Freeze, thaw: s.Thaw,
		empty: func() {
			db, err := sql.Open("mysql", config().FormatDSN())
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			for _, table := range []string{name(last), name(last) + "_marks"} {
				if _, err := db.ExecContext(context.Background(), "TRUNCATE "+table); err != nil {
					t.Error(err)
				}
			}
		},
	}
}

// A file is away when its directory is.
func startSQLite(t testing.TB) server {
	dir, last := filepath.Join(t.TempDir(), "data"), ""
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	rename := func(from, to string) func() {
		return func() {
			if err := os.Rename(from, to); err != nil {
				t.Error(err)
			}
		}
	}
	open := func(t testing.TB, path string) *sqlitestore.Store {
		store, err := sqlitestore.Open(t.Context(), path, &sqlitestore.Options{LosesOnPowerFailure: true})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	return server{
		open: func(t testing.TB, n int, _ *chaos.Wire) session.Store {
			last = filepath.Join(dir, fmt.Sprintf("%d.db", n))
			store := open(t, last)
			t.Cleanup(func() { _ = store.Close() })
			return store
		},
		down: rename(dir, dir+".away"), up: rename(dir+".away", dir),
		empty: func() {
			path := filepath.Join(t.TempDir(), "new.db")
			if err := open(t, path).Close(); err != nil { // the log is in the file now
				t.Error(err)
			}
			rename(path, last)()
		},
	}
}
