package pgstore_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/internal/test/records"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	record     = records.New
	mustSave   = records.MustSave
	mustLoad   = records.MustLoad
	eventually = timeleft.Poll
)

func config(t testing.TB, url string, change ...func(*pgxpool.Config)) *pgxpool.Config {
	t.Helper()
	c, err := pgstore.PoolConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func newPool(t testing.TB, url string, change ...func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.NewWithConfig(context.Background(), config(t, url, change...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func newStore(t testing.TB, pool *pgxpool.Pool, all ...pgstore.Option) *pgstore.Store {
	t.Helper()
	s := pgstore.New(pool, all...)
	t.Cleanup(s.Close)
	return s
}

var tables atomic.Int64

// emptyTable makes a table that no other store has, and returns the option that names it.
func emptyTable(t testing.TB, pool *pgxpool.Pool, all ...pgstore.Option) pgstore.Option {
	t.Helper()
	table := pgstore.Table(fmt.Sprintf("sessions%d", tables.Add(1)))
	if err := pgstore.Migrate(t.Context(), pool, append(all, table)...); err != nil {
		t.Fatal(err)
	}
	return table
}

// open starts a server and returns a store on it.
func open(t testing.TB, all ...pgstore.Option) (*postgrestest.Server, *pgxpool.Pool, *pgstore.Store) {
	t.Helper()
	server := postgrestest.Start(t)
	pool := newPool(t, server.URL())
	if err := pgstore.Migrate(t.Context(), pool, all...); err != nil {
		t.Fatal(err)
	}
	return server, pool, newStore(t, pool, all...)
}

func exec(t testing.TB, pool *pgxpool.Pool, query string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// ask returns the one value of a query.
func ask[T any](t testing.TB, pool *pgxpool.Pool, query string, args ...any) (value T) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}
