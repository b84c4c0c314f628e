package contestant

import (
	"context"
	"path/filepath"

	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/v2"
	gorillapgstore "github.com/antonlindstrom/pgstore"
	"github.com/go-sql-driver/mysql"
	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/mysqlstore"
	"github.com/holdfast-go/session/pgstore"
	"github.com/holdfast-go/session/sqlitestore"
	"github.com/jackc/pgx/v5/pgxpool"
)

// sqlConns is how many connections to a database each library gets: as many as pgstore
// has by default.
const sqlConns = 10

func inSQLite(fast bool) func(Stores) (session.Store, error) {
	return func(stores Stores) (session.Store, error) {
		name := "durable.db"
		if fast {
			name = "fast.db"
		}
		return sqlitestore.Open(context.Background(), filepath.Join(stores.Dir, name), &sqlitestore.Options{LosesOnPowerFailure: fast})
	}
}

func inMariaDB(stores Stores) (session.Store, error) {
	c := mysql.NewConfig()
	c.User = "root"
	c.Net = "tcp"
	c.Addr = stores.MariaDB
	c.DBName = "test"
	return mysqlstore.Open(context.Background(), c, &mysqlstore.Options{Conns: sqlConns})
}

func inPostgres(table string, options ...pgstore.Option) func(Stores) (session.Store, error) {
	return func(stores Stores) (session.Store, error) {
		ctx := context.Background()
		pool, err := newPool(ctx, stores)
		if err != nil {
			return nil, err
		}
		options := append([]pgstore.Option{pgstore.Table(table)}, options...)
		if err := pgstore.Migrate(ctx, pool, options...); err != nil {
			return nil, err
		}
		return pgstore.New(pool, options...), nil
	}
}

func newPool(ctx context.Context, stores Stores) (*pgxpool.Pool, error) {
	config, err := pgstore.PoolConfig(stores.Postgres)
	if err != nil {
		return nil, err
	}
	config.MaxConns = sqlConns
	return pgxpool.NewWithConfig(ctx, config)
}

// scsSchema is the schema that pgxstore's documentation asks for.
const scsSchema = `CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL);
CREATE INDEX IF NOT EXISTS sessions_expiry_idx ON sessions (expiry)`

func scsPostgres(idle bool) func(Stores) (library, error) {
	return func(stores Stores) (library, error) {
		ctx := context.Background()
		config, err := pgxpool.ParseConfig(stores.Postgres)
		if err != nil {
			return library{}, err
		}
		config.MaxConns = sqlConns
		pool, err := pgxpool.NewWithConfig(ctx, config)
		if err != nil {
			return library{}, err
		}
		if _, err := pool.Exec(ctx, scsSchema); err != nil {
			return library{}, err
		}
		sessions := scs.New()
		sessions.Store = pgxstore.New(pool)
		return onSCS(sessions, idle), nil
	}
}

// gorillaPostgres lifts the limit of 4096 bytes, and lets as many connections stay open as
// there may be.
func gorillaPostgres(stores Stores) (library, error) {
	store, err := gorillapgstore.NewPGStore(stores.Postgres, gorillaKey)
	if err != nil {
		return library{}, err
	}
	store.MaxLength(0)
	store.DbPool.SetMaxOpenConns(sqlConns)
	store.DbPool.SetMaxIdleConns(sqlConns)
	return onGorilla(store), nil
}
