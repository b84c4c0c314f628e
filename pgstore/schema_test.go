package pgstore_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5/pgxpool"
)

// as changes the user of a pool.
func as(user string) func(*pgxpool.Config) {
	return func(c *pgxpool.Config) { c.ConnConfig.User = user }
}

func TestManyInstancesMigrateAtOnce(t *testing.T) {
	server := postgrestest.Start(t)
	pool := newPool(t, server.URL())
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := pgstore.Migrate(t.Context(), pool); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s := newStore(t, pool)
	mustSave(t, s, "x", record("a"), session.Absent)
	if err := pgstore.Migrate(t.Context(), pool); err != nil {
		t.Error(err)
	}
	mustLoad(t, s, "x")
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMigrateTouchesNoTableOfAnotherProgram(t *testing.T) {
	server := postgrestest.Start(t)
	pool := newPool(t, server.URL())
	exec(t, pool, `CREATE TABLE web_sessions (token text PRIMARY KEY, data bytea, expiry timestamptz)`)
	err := pgstore.Migrate(t.Context(), pool)
	if err == nil || !strings.Contains(err.Error(), "give the store its own by the option Table") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
	exec(t, pool, `SELECT token, data, expiry FROM web_sessions`)
	if there := ask[bool](t, pool, `SELECT to_regclass('web_sessions_state') IS NOT NULL`); there {
		t.Error("half of the schema is there")
	}
	exec(t, pool, `DROP TABLE web_sessions`)
	if err := pgstore.Migrate(t.Context(), pool); err != nil {
		t.Error(err)
	}
	exec(t, pool, `COMMENT ON TABLE web_sessions IS 'sessions, schema version 7'`)
	if err := pgstore.Migrate(t.Context(), pool); err == nil || !strings.Contains(err.Error(), "version 7") {
		t.Errorf("of a newer schema: got %v, want an error", err)
	}
}

func TestATableMayHaveAnyName(t *testing.T) {
	server := postgrestest.Start(t)
	pool := newPool(t, server.URL())
	exec(t, pool, `CREATE SCHEMA "of the shop"`)
	for _, name := range []string{"of the shop.sessions", `it's "quoted"`, "CamelCase"} {
		table := pgstore.Table(name)
		if err := pgstore.Migrate(t.Context(), pool, table); err != nil {
			t.Fatal(err)
		}
		s := newStore(t, pool, table)
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
		mustSave(t, s, "x", record(name), session.Absent)
		if got := string(mustLoad(t, s, "x").Data); got != name {
			t.Errorf("got %q, want %q", got, name)
		}
		if _, err := s.Probe(t.Context(), s.Shard("x")); err != nil {
			t.Error(err)
		}
	}
}

func TestUnloggedIsForTheTable(t *testing.T) {
	server := postgrestest.Start(t)
	pool := newPool(t, server.URL())
	persistence := func(all ...pgstore.Option) string {
		t.Helper()
		table := pgstore.Table("unlogged")
		exec(t, pool, `DROP TABLE IF EXISTS unlogged, unlogged_state`)
		if err := pgstore.Migrate(t.Context(), pool, append(all, table)...); err != nil {
			t.Fatal(err)
		}
		return ask[string](t, pool, `SELECT string_agg(relpersistence::text, '' ORDER BY relname) FROM pg_class WHERE relname IN ('unlogged', 'unlogged_state')`)
	}
	if got := persistence(); got != "pu" {
		t.Errorf("by default: got %q, want a permanent table and an unlogged one beside it", got)
	}
	if got := persistence(pgstore.Unlogged()); got != "uu" {
		t.Errorf("with Unlogged: got %q, want two that are unlogged", got)
	}
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	server := postgrestest.Start(t)
	admin := newPool(t, server.URL())
	exec(t, admin, `CREATE ROLE shop LOGIN`)
	for _, test := range []struct {
		name   string
		change string // of a schema that is whole
		pool   func(*pgxpool.Config)
		want   []string
	}{
		{"nothing", ``, nil, nil},
		{"no table", `DROP TABLE web_sessions`, nil, []string{`no table "web_sessions"; run pgstore.Migrate`}},
		{"no state", `DROP TABLE web_sessions_state`, nil, []string{`no table "web_sessions_state"`}},
		{"no column", `ALTER TABLE web_sessions DROP version`, nil, []string{`the column version of "web_sessions" is "", want "bytea"`}},
		{"another type", `ALTER TABLE web_sessions ALTER data TYPE text USING ''`, nil, []string{`the column data of "web_sessions" is "text"`}},
		{"another collation", `ALTER TABLE web_sessions ALTER id TYPE text COLLATE "POSIX"`, nil, []string{`the column id of "web_sessions" is "text POSIX", want "text C"`}},
		{"no comment", `COMMENT ON TABLE web_sessions IS NULL`, nil, []string{`version 0 of the schema, want 1`}},
		{"an index", `CREATE INDEX old ON web_sessions (expires)`, nil, []string{`DROP INDEX old`}},
		{"a partial index", `CREATE INDEX part ON web_sessions (id) WHERE length(data) > 100`, nil, []string{`DROP INDEX part`}},
		{"an index of an expression", `CREATE INDEX long ON web_sessions (length(data))`, nil, []string{`DROP INDEX long`}},
		{"an index of the ID, which never changes", `CREATE INDEX more ON web_sessions (upper(id))`, nil, nil},
		{"full pages", `ALTER TABLE web_sessions RESET (fillfactor)`, nil, []string{`ALTER TABLE "web_sessions" SET (fillfactor = `}},
		{"no rights", ``, as("shop"), []string{`the user may not SELECT on "web_sessions", INSERT`, `GRANT SELECT, INSERT, UPDATE, DELETE ON "web_sessions", "web_sessions_state"`}},
		{"some rights", `GRANT SELECT, INSERT, UPDATE ON web_sessions TO shop; GRANT ALL ON web_sessions_state TO shop`, as("shop"),
			[]string{`the user may not DELETE on "web_sessions"; run`}},
		{"another isolation", ``, func(c *pgxpool.Config) {
			c.ConnConfig.RuntimeParams["default_transaction_isolation"] = "serializable"
		}, []string{`the isolation "serializable"`}},
		{"read-only", ``, func(c *pgxpool.Config) {
			c.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
		}, []string{`connections are read-only`}},
		{"three things", `DROP TABLE web_sessions_state; ALTER TABLE web_sessions DROP data`, func(c *pgxpool.Config) {
			c.ConnConfig.RuntimeParams["default_transaction_isolation"] = "repeatable read"
		}, []string{`no table "web_sessions_state"`, `the column data`, `the isolation "repeatable read"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			exec(t, admin, `DROP TABLE IF EXISTS web_sessions, web_sessions_state`)
			if err := pgstore.Migrate(t.Context(), admin); err != nil {
				t.Fatal(err)
			}
			exec(t, admin, test.change)
			if test.pool == nil {
				test.pool = func(*pgxpool.Config) {}
			}
			err := newStore(t, newPool(t, server.URL(), test.pool)).Check(t.Context())
			if test.want == nil {
				if err != nil {
					t.Errorf("got %v, want nothing", err)
				}
				return
			}
			lines := 0
			if err != nil {
				lines = strings.Count(err.Error(), "session: postgres check: ")
			}
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if most := len(test.want); lines > most {
				t.Errorf("got %d lines, want at most %d: %v", lines, most, err)
			}
		})
	}
}

func TestCheckSaysThatTheServerIsAway(t *testing.T) {
	server, _, s := open(t)
	server.Kill()
	if err := s.Check(t.Context()); err == nil {
		t.Error("got no error of a server that is away")
	}
}
