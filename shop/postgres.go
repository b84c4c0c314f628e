package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	postgresScheme   = "postgres://"
	postgresqlScheme = "postgresql://"
)

// openPostgres returns once the PostgreSQL has answered, or ctx ends. It makes the shop's
// table where there is none.
func openPostgres(ctx context.Context, address string, log *slog.Logger) (backend, error) {
	b := backend{name: postgresName(address)}
	config, err := pgstore.PoolConfig(address)
	if err != nil {
		return b, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return b, err
	}
	options := []pgstore.Option{pgstore.Table("shop_sessions"), pgstore.Log(log)}
	if err := pgstore.Migrate(ctx, pool, options...); err != nil {
		pool.Close()
		if ctx.Err() != nil {
			return b, fmt.Errorf("the server does not answer within %v", patienceAtStart)
		}
		return b, err
	}
	store := pgstore.New(pool, options...)
	if err := store.Check(ctx); err != nil {
		log.WarnContext(ctx, "the sessions' table is not as it should be", "error", err)
	}
	b.store, b.close = store, func() { store.Close(); pool.Close() }
	return b, nil
}

// postgresName is an address without user, password and query.
func postgresName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		scheme, _, _ := strings.Cut(address, ":")
		return scheme + ":"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
