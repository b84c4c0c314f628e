package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/cmd/holdfast/internal/address"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/mysqlstore"
	"github.com/holdfast-go/session/pgstore"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/sqlitestore"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/rueidis"
)

// opener opens the store at an address.
type opener func(ctx context.Context, text string, log *slog.Logger) (session.Store, func(), error)

// silentError says that a Redis does not answer: its client wants to know what it talks to.
type silentError struct{ error }

func (e silentError) Unwrap() error { return e.error }

// awaitStore opens the store at an address as openStore does, and waits for a Redis that
// does not answer until ctx ends.
func awaitStore(ctx context.Context, text string, log *slog.Logger) (session.Store, func(), error) {
	for told := false; ; told = true {
		store, closeStore, err := openStore(ctx, text, log)
		var silent silentError
		if !errors.As(err, &silent) {
			return store, closeStore, err
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

// openStore opens the store at an address. It makes neither a file nor
// tables. A memcached and a PostgreSQL need not answer.
func openStore(ctx context.Context, text string, log *slog.Logger) (session.Store, func(), error) {
	switch scheme, _, _ := strings.Cut(text, "://"); scheme {
	case "memcached":
		return openMemcached(text)
	case "redis", "rediss":
		return openRedis(text)
	case "postgres", "postgresql":
		return openPostgres(ctx, text, log)
	case "mysql":
		return openMySQL(ctx, text)
	}
	if strings.HasPrefix(text, "sqlite:") {
		return openSQLite(ctx, text)
	}
	return nil, nil, address.ErrStore
}

func openMemcached(text string) (session.Store, func(), error) {
	list := strings.TrimSuffix(strings.TrimPrefix(text, "memcached://"), "/")
	o := &memcached.Options{}
	if i := strings.LastIndexByte(list, '@'); i >= 0 {
		user, password, _ := strings.Cut(list[:i], ":")
		var err1, err2 error
		o.Auth.User, err1 = url.PathUnescape(user)
		o.Auth.Password, err2 = url.PathUnescape(password)
		if err1 != nil || err2 != nil {
			return nil, nil, address.ErrStore
		}
		list = list[i+1:]
	}
	client, err := memcached.New(memcached.Servers(strings.Split(list, ",")...), o)
	if err != nil {
		return nil, nil, err
	}
	return memcachedstore.New(client), func() { _ = client.Close() }, nil
}

func openRedis(text string) (session.Store, func(), error) {
	o, err := redisstore.ClientOption(text)
	if err != nil {
		return nil, nil, err
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		return nil, nil, silentError{err}
	}
	return redisstore.New(client), client.Close, nil
}

func openPostgres(ctx context.Context, text string, log *slog.Logger) (session.Store, func(), error) {
	config, err := pgstore.PoolConfig(text)
	if err != nil {
		return nil, nil, address.ErrStore
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	store := pgstore.New(pool, pgstore.Log(log))
	return store, func() { store.Close(); pool.Close() }, nil
}

func openMySQL(ctx context.Context, text string) (session.Store, func(), error) {
	config, err := address.MySQL(text)
	if err != nil {
		return nil, nil, err
	}
	if err := hasTables(ctx, "mysql", config.FormatDSN(), `SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'sessions_store'`); err != nil {
		return nil, nil, err
	}
	store, err := mysqlstore.Open(ctx, config, &mysqlstore.Options{CleanEvery: -1, Conns: 4})
	if err != nil {
		return nil, nil, err
	}
	return store, func() { _ = store.Close() }, nil
}

func openSQLite(ctx context.Context, text string) (session.Store, func(), error) {
	path, err := address.SQLite(text)
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, nil, err // Open would make the file
	}
	if err := hasTables(ctx, "sqlite", path, `SELECT count(*) FROM sqlite_schema WHERE name = 'sessions_store'`); err != nil {
		return nil, nil, err
	}
	store, err := sqlitestore.Open(ctx, path, &sqlitestore.Options{CleanEvery: -1})
	if err != nil {
		return nil, nil, err
	}
	return store, func() { _ = store.Close() }, nil
}

// hasTables returns an error where a database has not the tables of the store, which its Open
// would make.
func hasTables(ctx context.Context, driver, source, count string) error {
	db, err := sql.Open(driver, source)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var n int
	if err := db.QueryRowContext(ctx, count).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return errors.New("it has no table sessions_store: the program that keeps sessions there makes it at its first start")
	}
	return nil
}
