package pgstore_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/pgstore"
)

// probe waits for an answer.
func probe(t testing.TB, s *pgstore.Store) (incarnation string) {
	t.Helper()
	eventually(t, "an answer to a probe", func() bool {
		var err error
		incarnation, err = s.Probe(t.Context(), s.Shard("x"))
		return err == nil
	})
	return incarnation
}

func TestAnIncarnationChangesWhereDataMayBeLost(t *testing.T) {
	server, pool, s := open(t)
	other := newStore(t, newPool(t, server.URL()))
	last := probe(t, s)
	step := func(what string, do func(), changes bool) {
		t.Helper()
		do()
		got := probe(t, s)
		if (got != last) != changes {
			t.Errorf("%s: got %s after %s, changes: want %v", what, got, last, changes)
		}
		if of := probe(t, other); of != got {
			t.Errorf("%s: another instance has %s, want %s", what, of, got)
		}
		last = got
	}
	step("nothing", func() {}, false)
	step("a clean restart", func() { server.Stop(); server.Restart() }, false)
	step("a crash of the server", server.Restart, true)
	step("a crash of one of its processes", func() {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pid := int(conn.Conn().PgConn().PID())
		conn.Release()
		server.CrashBackend(pid)
	}, true)
	pool.Reset()
	step("a table that was made anew", func() {
		eventually(t, "the server", func() bool { return pool.Ping(t.Context()) == nil })
		exec(t, pool, `DROP TABLE web_sessions; DROP TABLE IF EXISTS kept; ALTER TABLE web_sessions_state RENAME TO kept`)
		if err := pgstore.Migrate(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
		exec(t, pool, `DROP TABLE web_sessions_state; ALTER TABLE kept RENAME TO web_sessions_state`)
	}, true)
	if !strings.HasPrefix(last, ask[string](t, pool, `SELECT system_identifier::text || '/00000001/' FROM pg_control_system()`)) {
		t.Errorf("got %s, want the system identifier and the timeline in front", last)
	}
}

// What a crash empties is empty, and noticed.
func TestACrashEmptiesAnUnloggedTableAndIsNoticed(t *testing.T) {
	server, _, s := open(t, pgstore.Unlogged())
	mustSave(t, s, "x", record("a"), session.Absent)
	before := probe(t, s)
	server.Stop()
	server.Restart()
	if after := probe(t, s); after != before {
		t.Errorf("a clean restart: got %s after %s", after, before)
	}
	mustLoad(t, s, "x")
	server.Restart()
	if after := probe(t, s); after == before {
		t.Errorf("a crash: got %s before and after", after)
	}
	if _, err := s.Load(t.Context(), "x"); err != session.ErrNotFound {
		t.Errorf("after a crash: got %v, want ErrNotFound", err)
	}
}

func TestWithoutTheRightToTellTheClusterACrashIsNoticed(t *testing.T) {
	server, pool, _ := open(t)
	exec(t, pool, `REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public; CREATE ROLE shop LOGIN; GRANT ALL ON web_sessions, web_sessions_state TO shop`)
	var log bytes.Buffer
	s := newStore(t, newPool(t, server.URL(), as("shop")), pgstore.Log(slog.New(slog.NewTextHandler(&log, nil))))
	before := probe(t, s)
	if probe(t, s) != before {
		t.Error("an incarnation changes where nothing happened")
	}
	if n := strings.Count(log.String(), "permission denied for function pg_control_system"); n != 1 {
		t.Errorf("got the log %q, want the reason in one line", log.String())
	}
	server.Restart()
	if after := probe(t, s); after == before {
		t.Errorf("got %s before and after a crash", after)
	}
}

func TestAProbeSaysWhichRightIsMissing(t *testing.T) {
	server, pool, _ := open(t)
	exec(t, pool, `CREATE ROLE shop LOGIN; GRANT SELECT ON web_sessions TO shop`)
	s := newStore(t, newPool(t, server.URL(), as("shop")))
	const grant = `run GRANT SELECT, INSERT, UPDATE, DELETE ON "web_sessions", "web_sessions_state"`
	if _, err := s.Probe(t.Context(), s.Shard("x")); err == nil || !strings.Contains(err.Error(), grant) {
		t.Errorf("Probe: got %v, want %q in it", err, grant)
	}
	if _, err := s.Save(t.Context(), "x", record("a"), session.Any); err == nil || !strings.Contains(err.Error(), grant) {
		t.Errorf("Save: got %v, want %q in it", err, grant)
	}
	if _, err := s.Load(t.Context(), "x"); err != session.ErrNotFound {
		t.Errorf("Load, which the user may: got %v", err)
	}
	exec(t, pool, `DROP TABLE web_sessions`)
	if _, err := s.Load(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "run pgstore.Migrate") {
		t.Errorf("Load without a table: got %v, want what to run", err)
	}
	if _, err := s.Probe(t.Context(), s.Shard("x")); err == nil || !strings.Contains(err.Error(), "run pgstore.Migrate") {
		t.Errorf("Probe without a table: got %v, want what to run", err)
	}
}

func TestAReadOnlyServerIsReadAndRefusesSaves(t *testing.T) {
	_, pool, s := open(t)
	v := mustSave(t, s, "x", record("a"), session.Absent)
	before := probe(t, s)
	exec(t, pool, `ALTER SYSTEM SET default_transaction_read_only = on`)
	exec(t, pool, `SELECT pg_reload_conf()`)
	eventually(t, "a refused save", func() bool {
		var err error
		v, err = s.Save(t.Context(), "x", record("a"), v)
		return err != nil && strings.Contains(err.Error(), "the server takes no writes")
	})
	mustLoad(t, s, "x")
	if after := probe(t, s); after != before {
		t.Errorf("got the incarnation %s after %s", after, before)
	}
}
