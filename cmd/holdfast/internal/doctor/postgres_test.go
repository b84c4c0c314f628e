//go:build unix

package doctor

import (
	"context"
	"os"
	"testing"

	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

func TestPostgres(t *testing.T) {
	s := postgrestest.Start(t, "max_connections=20")
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
