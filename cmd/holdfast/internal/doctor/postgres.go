package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresFacts is what a PostgreSQL says of itself and of the sessions' table.
type postgresFacts struct {
	used, most    int // connections
	autovacuum    bool
	tableVacuum   bool
	unlogged      bool
	rows, expired int64
	skew          time.Duration
}

// postgresTable is the table's name where nothing else is said, as in pgstore.
const postgresTable = "web_sessions"

func (r *Report) postgres(ctx context.Context, address, table string) {
	name := withoutPassword(address)
	table = cmp.Or(table, postgresTable)
	config, err := pgstore.PoolConfig(address)
	if err != nil {
		r.blind(name, errors.New("the address makes no sense: want postgres://user:password@host:port/database"))
		return
	}
	config.MaxConns, config.MinIdleConns = 2, 0
	config.ConnConfig.ValidateConnect = nil // so that a standby is found, and not passed over
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		r.blind(name, err)
		return
	}
	defer pool.Close()
	if err := pool.Ping(ctx); err != nil {
		r.blind(name, fmt.Errorf("it does not answer, or refuses the user: %w", err))
		return
	}
	r.Looked = append(r.Looked, name)
	store := pgstore.New(pool, pgstore.Table(table), pgstore.CleanEvery(24*time.Hour))
	defer store.Close()
	if err := store.Check(ctx); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			found, change, ok := strings.Cut(strings.TrimPrefix(line, "session: postgres check: "), "; ")
			if !ok {
				change = "pgstore.Migrate, which shows its statements by pgstore.Schema"
			}
			r.Findings = append(r.Findings, Finding{
				"postgres-check", name, Error, found,
				"503 on every page with a session, or a site that slows down by the day", change,
			})
		}
		return
	}
	facts, err := askPostgres(ctx, pool, table)
	if err != nil {
		r.blind(name, err)
		return
	}
	judge(r, name, postgresRules, facts)
}

func askPostgres(ctx context.Context, pool *pgxpool.Pool, table string) (postgresFacts, error) {
	var f postgresFacts
	var now time.Time
	before := time.Now()
	if err := pool.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now); err != nil {
		return f, err
	}
	f.skew = skewOf(now, before, time.Now())
	err := pool.QueryRow(ctx, `SELECT current_setting('autovacuum') = 'on', current_setting('max_connections')::int,
		(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
		relpersistence = 'u', NOT coalesce('autovacuum_enabled=false' = ANY (reloptions), false)
		FROM pg_class WHERE oid = to_regclass($1)`, table).Scan(&f.autovacuum, &f.most, &f.used, &f.unlogged, &f.tableVacuum)
	if err != nil {
		return f, err
	}
	quoted := pgx.Identifier(strings.Split(table, ".")).Sanitize()
	err = pool.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE expires < now() - interval '1 hour') FROM `+quoted).Scan(&f.rows, &f.expired)
	return f, err
}

var postgresRules = []rule[postgresFacts]{
	{
		"postgres-autovacuum", Error,
		"the table grows by every refresh of every session: the site slows down by the day",
		"autovacuum = on, and ALTER TABLE … RESET (autovacuum_enabled)",
		func(f postgresFacts) string {
			return sayIf(!f.autovacuum || !f.tableVacuum, "the table is not vacuumed")
		},
	},
	{
		"postgres-unlogged", Warning,
		"a crash of the server empties the table: without Options.Backup everybody is logged out",
		"Options.Backup, or ALTER TABLE … SET LOGGED",
		func(f postgresFacts) string { return sayIf(f.unlogged, "the table is UNLOGGED") },
	},
	{
		"postgres-expired", Warning,
		"pages get slower: the table holds what nobody cleans up",
		"let one instance run with pgstore.CleanEvery; look into its log",
		func(f postgresFacts) string {
			return sayIf(f.rows > 1000 && 2*f.expired > f.rows, "%d of its %d rows expired more than an hour ago", f.expired, f.rows)
		},
	},
	{
		"postgres-connections", Error,
		"instances that start get no connection: 503, or sessions from backups",
		"max_connections, or MaxConns of the pools",
		func(f postgresFacts) string {
			return sayIf(5*f.used > 4*f.most, "%d of %d connections are in use", f.used, f.most)
		},
	},
	{
		"postgres-clock", Warning, "sessions expire too early or too late", "NTP, on both machines",
		func(f postgresFacts) string { return skewed(f.skew, someSkew, muchSkew) },
	},
	{
		"postgres-clock-far", Error, "sessions expire at once, or long after their time", "NTP, on both machines",
		func(f postgresFacts) string { return skewed(f.skew, muchSkew, 0) },
	},
}
