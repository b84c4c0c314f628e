package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresFacts are the settings and figures that a PostgreSQL reports, with those of the
// sessions' table.
type postgresFacts struct {
	used, most    int // connections
	autovacuum    bool
	tableVacuum   bool
	unlogged      bool
	rows, expired int64
	dead          int64 // rows that no transaction needs, and VACUUM has not removed
	oldest        time.Duration
	slots         string // replication slots that no client reads
	standbys      int    // for which a commit may wait
	settings      map[string]string
	skew          time.Duration
	local         bool // on this machine
	password      bool
}

// postgresTable is the table's name where nothing else is said, as in pgstore.
const postgresTable = "web_sessions"

func (r *Report) postgres(ctx context.Context, address, table string) {
	name := nameOf(address)
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
	host := config.ConnConfig.Host
	ip := net.ParseIP(host)
	facts.local = strings.HasPrefix(host, "/") || host == "localhost" || ip != nil && ip.IsLoopback()
	facts.password = config.ConnConfig.Password != ""
	r.skews[name] = facts.skew
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
	named := pgx.Identifier(strings.Split(table, ".")).Sanitize()
	if err := pool.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE expires < now() - interval '1 hour') FROM `+named).Scan(&f.rows, &f.expired); err != nil {
		return f, err
	}
	return f, f.askServer(ctx, pool, table)
}

// askServer asks for what slows all tables down, or loses what they have. Of other users'
// transactions only a member of pg_read_all_stats hears.
func (f *postgresFacts) askServer(ctx context.Context, pool *pgxpool.Pool, table string) error {
	var seconds float64
	err := pool.QueryRow(ctx, `SELECT coalesce(extract(epoch FROM greatest(
			(SELECT max(clock_timestamp() - xact_start) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
			(SELECT max(clock_timestamp() - prepared) FROM pg_prepared_xacts))), 0)::float8,
		coalesce((SELECT string_agg(slot_name, ', ' ORDER BY slot_name) FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL), ''),
		(SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),
		coalesce((SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = to_regclass($1)), 0)`, table).
		Scan(&seconds, &f.slots, &f.standbys, &f.dead)
	if err != nil {
		return err
	}
	f.oldest = time.Duration(seconds * float64(time.Second))
	rows, err := pool.Query(ctx, `SELECT name, setting FROM pg_settings
		WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', 'idle_session_timeout')`)
	if err != nil {
		return err
	}
	f.settings = map[string]string{}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error { f.settings[name] = value; return nil })
	return err
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
		"postgres-bloat", Warning,
		"pages get slower by the hour: the table grows, and VACUUM does not get on",
		"what holds VACUUM back: an old transaction, a replication slot, or autovacuum_vacuum_cost_limit",
		func(f postgresFacts) string {
			return sayIf(f.dead > 10_000 && f.dead > 4*f.rows, "the table has %d rows, and %d that are dead", f.rows, f.dead)
		},
	},
	{
		"postgres-transaction", Warning,
		"pages get slower by the hour: nothing that was replaced since then can be removed",
		"the program that has it open (pg_stat_activity), or ROLLBACK PREPARED (pg_prepared_xacts); idle_in_transaction_session_timeout",
		func(f postgresFacts) string {
			return sayIf(f.oldest > longTransaction, "a transaction has been open for %v", f.oldest.Round(time.Second))
		},
	},
	{
		"postgres-slot", Warning,
		"nothing is saved when the disk is full: the server keeps its log for a reader that does not come",
		"pg_drop_replication_slot, or the replica; max_slot_wal_keep_size",
		func(f postgresFacts) string {
			return sayIf(f.slots != "", "nobody reads from the replication slot %s", f.slots)
		},
	},
	{
		"postgres-standby", Error,
		"nothing is saved: every commit waits for a standby that is not there",
		"start the standby, or synchronous_standby_names",
		func(f postgresFacts) string {
			names := f.settings["synchronous_standby_names"]
			waits := names != "" && f.settings["synchronous_commit"] != "off" && f.settings["synchronous_commit"] != "local"
			return sayIf(waits && f.standbys == 0, "no standby of %s is connected", names)
		},
	},
	{
		"postgres-durable", Error,
		"a crash of the machine damages the tables: 503, or everybody is logged out",
		"fsync = on, full_page_writes = on",
		func(f postgresFacts) string {
			off := f.settings["fsync"] == "off" || f.settings["full_page_writes"] == "off"
			return sayIf(off, "fsync is %s, and full_page_writes %s", f.settings["fsync"], f.settings["full_page_writes"])
		},
	},
	{
		"postgres-asynchronous", Warning,
		"a crash of the server takes back the changes and the logouts of the last second",
		"synchronous_commit = on, for the user of the sessions at least",
		func(f postgresFacts) string {
			return sayIf(f.settings["synchronous_commit"] == "off" && !f.unlogged, "synchronous_commit is off")
		},
	},
	{
		"postgres-timeout", Warning,
		"a page now and then waits for a new connection",
		"idle_session_timeout = 0, for the user of the sessions at least",
		func(f postgresFacts) string {
			ms, err := strconv.Atoi(f.settings["idle_session_timeout"])
			return sayIf(err == nil && ms > 0 && ms < 300_000, "it closes connections that are idle for %d ms", ms)
		},
	},
	{
		"postgres-open", Error,
		"whoever reaches the server reads and makes sessions of everybody",
		"pg_hba.conf: scram-sha-256 in the place of trust; listen_addresses and a firewall",
		func(f postgresFacts) string {
			return sayIf(!f.local && !f.password, "it lets the user in without a password")
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
