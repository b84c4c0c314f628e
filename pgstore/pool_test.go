package pgstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestPoolConfigSetsWhatTheURLLeavesOpen(t *testing.T) {
	const url = "postgres://shop:secret@db.test:5433/shop"
	c, err := pgstore.PoolConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	type settings struct {
		isolation, timeout string
		connect            time.Duration
		most, idle         int32
		primary            bool
	}
	of := func(c *pgxpool.Config) settings {
		params := c.ConnConfig.RuntimeParams
		return settings{params["default_transaction_isolation"], params["statement_timeout"], c.ConnConfig.ConnectTimeout,
			c.MaxConns, c.MinIdleConns, c.ConnConfig.ValidateConnect != nil}
	}
	if got, want := of(c), (settings{"read committed", "4000", time.Second, 10, 2, true}); got != want {
		t.Errorf("by default: got %+v, want %+v", got, want)
	}
	if c.ConnConfig.Host != "db.test" || c.ConnConfig.Port != 5433 || c.ConnConfig.Database != "shop" || c.MaxConnLifetimeJitter == 0 {
		t.Errorf("got %s:%d/%s, jitter %v", c.ConnConfig.Host, c.ConnConfig.Port, c.ConnConfig.Database, c.MaxConnLifetimeJitter)
	}
	c, err = pgstore.PoolConfig(url + "?default_transaction_isolation=serializable&statement_timeout=9&connect_timeout=7" +
		"&pool_max_conns=1&target_session_attrs=any&pool_min_idle_conns=0")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := of(c), (settings{"serializable", "9", 7 * time.Second, 1, 0, false}); got != want {
		t.Errorf("where the URL says otherwise: got %+v, want %+v", got, want)
	}
	c, err = pgstore.PoolConfig("host=db.test dbname=shop pool_max_conns=1")
	if err != nil || c.MinIdleConns != 1 {
		t.Errorf("of the other form: got %v, %v, want one idle connection of one", c, err)
	}
}

func TestAnErrorQuotesNoURL(t *testing.T) {
	for _, url := range []string{
		"postgres://shop:secret@host:port/shop", "postgres://shop:sec%ret@host/shop", "secret", "postgres://:secret@h/shop?pool_max_conns=secret",
		"host=h password=secret port=x",
	} {
		if _, err := pgstore.PoolConfig(url); err == nil || strings.Contains(err.Error(), "sec") {
			t.Errorf("of %q: got %v, want an error that does not quote it", url, err)
		}
	}
}

func TestNewNamesWhatIsNil(t *testing.T) {
	defer func() {
		if got, want := recover(), "session: pgstore: the pool is nil"; got != want {
			t.Errorf("it panics with %v, want %q", got, want)
		}
	}()
	pgstore.New(nil)
}
