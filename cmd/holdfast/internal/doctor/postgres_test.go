//go:build unix

package doctor

import (
	"context"
	"maps"
	"os"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/mariadbtest"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestMain(m *testing.M) {
	code := postgrestest.Main(m)
	mariadbtest.RemoveTemplate()
	os.Exit(code)
}

func TestPostgres(t *testing.T) {
	s := postgrestest.Start(t, "max_connections=20", "fsync=on")
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	run := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	o := Options{Stores: []string{s.URL()}}
	examine(t, o).finds(t, "postgres-check") // there is no table
	if err := pgstore.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	examine(t, o).finds(t)
	run(`ALTER TABLE web_sessions SET (autovacuum_enabled = false)`)
	examine(t, o).finds(t, "postgres-autovacuum")
	run(`ALTER TABLE web_sessions RESET (autovacuum_enabled)`)
	run(`ALTER TABLE web_sessions SET UNLOGGED`)
	examine(t, o).finds(t, "postgres-unlogged")
	run(`ALTER TABLE web_sessions SET LOGGED`)
	run(`INSERT INTO web_sessions (id, data, version, expires) SELECT 'old' || i, '', decode(lpad(to_hex(i), 32, '0'), 'hex'), now() - interval '2 hours' FROM generate_series(1, 2000) i`)
	examine(t, o).finds(t, "postgres-expired")
	run(`TRUNCATE web_sessions`)
	for _, test := range []struct{ plant, mend, finds string }{
		{"ALTER SYSTEM SET synchronous_standby_names = 'ghost'", "ALTER SYSTEM RESET synchronous_standby_names", "postgres-standby"},
		{"ALTER SYSTEM SET full_page_writes = off", "ALTER SYSTEM RESET full_page_writes", "postgres-durable"},
		{"ALTER SYSTEM SET synchronous_commit = off", "ALTER SYSTEM RESET synchronous_commit", "postgres-asynchronous"},
		{"ALTER SYSTEM SET idle_session_timeout = '1min'", "ALTER SYSTEM RESET idle_session_timeout", "postgres-timeout"},
		{"SELECT pg_create_physical_replication_slot('gone', true)", "SELECT pg_drop_replication_slot('gone')", "postgres-slot"},
	} {
		run(`SET synchronous_commit = local`) // or this connection would wait for the ghost
		run(test.plant)
		run(`SELECT pg_reload_conf()`)
		until(t, func() bool { return examine(t, o).has(test.finds) })
		examine(t, o).finds(t, test.finds)
		run(test.mend)
		run(`SELECT pg_reload_conf()`)
		until(t, func() bool { return len(examine(t, o).Findings) == 0 })
	}
	oldTransaction(t, s, run)
	standby := s.Standby(t)
	until(t, func() bool { return examine(t, Options{Stores: []string{standby.URL()}}).has("postgres-check") })
	for range 16 {
		more, err := pgx.Connect(t.Context(), s.URL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { more.Close(context.WithoutCancel(t.Context())) })
	}
	until(t, func() bool { return examine(t, o).has("postgres-connections") })
	run(`ALTER SYSTEM SET autovacuum = off`)
	run(`SELECT pg_reload_conf()`)
	until(t, func() bool { return examine(t, o).has("postgres-autovacuum") })
}

// A transaction that does not end, and what it holds back.
func oldTransaction(t *testing.T, s *postgrestest.Server, run func(string)) {
	t.Helper()
	old, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM web_sessions"} {
		if _, err := old.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	run(`INSERT INTO web_sessions (id, data, version, expires) SELECT 'used' || i, '', decode(lpad(to_hex(i), 32, '0'), 'hex'), now() + interval '2 hours' FROM generate_series(1, 2000) i`)
	for range 6 {
		run(`UPDATE web_sessions SET data = data || 'x'`)
	}
	o := Options{Stores: []string{s.URL()}}
	until(t, func() bool { return examine(t, o).has("postgres-bloat") })
	examine(t, o).finds(t, "postgres-bloat")
	pool, err := pgxpool.New(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	facts, err := askPostgres(t.Context(), pool, "web_sessions")
	if err != nil {
		t.Fatal(err)
	}
	facts.oldest *= 100_000 // some milliseconds are ten minutes
	facts.dead, facts.local = 0, true
	var r Report
	judge(&r, "postgres", postgresRules, facts)
	r.finds(t, "postgres-transaction")
	if err := old.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(`TRUNCATE web_sessions`)
}

// No server of a test shows this, so the rules get the facts directly.
func TestRulesOfAPostgresThatIsNotHere(t *testing.T) {
	facts := postgresFacts{most: 100, autovacuum: true, tableVacuum: true, local: true, settings: map[string]string{"synchronous_standby_names": "", "idle_session_timeout": "0"}}
	for want, change := range map[string]func(*postgresFacts){
		"":                   func(f *postgresFacts) { f.settings["synchronous_standby_names"], f.standbys = "one", 1 },
		"postgres-open":      func(f *postgresFacts) { f.local = false },
		"postgres-clock":     func(f *postgresFacts) { f.skew = -30 * time.Second },
		"postgres-clock-far": func(f *postgresFacts) { f.skew = time.Hour },
	} {
		f := facts
		f.settings = maps.Clone(facts.settings)
		change(&f)
		var r Report
		judge(&r, "postgres", postgresRules, f)
		if want == "" {
			r.finds(t)
			continue
		}
		r.finds(t, want)
	}
}
