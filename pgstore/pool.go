package pgstore

import (
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// budget is how long a statement may take, whatever its caller's context says. After
	// it the driver closes the connection.
	budget = 5 * time.Second

	// statementTimeout ends a statement at the server, which keeps the connection.
	statementTimeout = "4000" // milliseconds

	// conns is the size of a pool that a few slow statements do not exhaust.
	conns = 10
)

// PoolConfig returns the options of a pool for [New]: those that url names, and those that
// a session store wants. url is postgres://user:password@host:port/database, or the form
// "host=… dbname=…". Change what you like before pgxpool.NewWithConfig. The options that
// are set where url does not say otherwise, and why:
//
//   - default_transaction_isolation, read committed, whatever the database's or the user's
//     default is: a save that waited for another one compares with what stands then. At
//     the higher levels PostgreSQL ends it with an error.
//   - statement_timeout, 4 s: a statement that waits for a lock or a disk ends at the
//     server. A second later the driver would close its connection.
//   - connect_timeout, 1 s: the driver's default is two minutes.
//   - target_session_attrs, primary: a standby lacks what was just saved. With several
//     hosts in url the driver finds the primary among them after a failover.
//   - pool_max_conns, 10: statements take well below a millisecond, so few connections
//     serve thousands a second, and the server has a process for each.
//   - pool_max_conn_lifetime_jitter, 6 minutes, so that not all are made anew at once.
//   - MinIdleConns, 2, so that the first requests find a connection.
//
// A pooler in front that gives each transaction another connection (PgBouncer) refuses the
// first two as parameters of a connection: delete them from ConnConfig.RuntimeParams, and
// set them by ALTER ROLE. A pooler that knows no prepared statements needs
// default_query_exec_mode=exec in url as well.
//
// An error says what is wrong with the URL without quoting it, because there may be a
// password in it.
func PoolConfig(url string) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil || c.ConnConfig.Host == "" {
		return nil, errURL
	}
	params := c.ConnConfig.RuntimeParams
	if params["default_transaction_isolation"] == "" {
		params["default_transaction_isolation"] = "read committed"
	}
	if params["statement_timeout"] == "" {
		params["statement_timeout"] = statementTimeout
	}
	says := func(name string) bool { return strings.Contains(url, name) }
	if !says("connect_timeout") {
		c.ConnConfig.ConnectTimeout = time.Second
	}
	if c.ConnConfig.ValidateConnect == nil && !says("target_session_attrs") {
		c.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	if !says("pool_max_conns") {
		c.MaxConns = conns
	}
	if !says("pool_max_conn_lifetime_jitter") {
		c.MaxConnLifetimeJitter = 6 * time.Minute
	}
	if !says("pool_min_idle_conns") {
		c.MinIdleConns = min(2, c.MaxConns)
	}
	return c, nil
}

var errURL = errors.New("session: postgres URL: want postgres://user:password@host:port/database, and behind a question mark parameters with values that pgx knows; write what is special in a password as %XX")
