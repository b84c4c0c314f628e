package pgstore_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	_ session.Store  = (*pgstore.Store)(nil)
	_ session.Lister = (*pgstore.Store)(nil)
	_ session.Prober = (*pgstore.Store)(nil)
)

// counter counts what a pool sends, BEGIN and COMMIT too.
type counter struct{ n atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestEachOperationIsOneStatement(t *testing.T) {
	server, _, _ := open(t)
	sent := new(counter)
	s := newStore(t, newPool(t, server.URL(), func(c *pgxpool.Config) { c.ConnConfig.Tracer = sent }))
	past := session.Record{Expires: time.Now().Add(-time.Second)}
	version := mustSave(t, s, "x", record("a"), session.Absent)
	save := func(id session.ID, r session.Record, over *session.Version) func() error {
		return func() (err error) {
			version, err = s.Save(t.Context(), id, r, *over)
			return err
		}
	}
	absent, whatever := session.Absent, session.Any
	probe(t, s)
	for _, test := range []struct {
		name string
		do   func() error
	}{
		{"a load", func() error { _, err := s.Load(t.Context(), "x"); return err }},
		{"a save over a version", save("x", record("b"), &version)},
		{"a save over Any", save("x", record("c"), &whatever)},
		{"a save past its expiry over a version", save("x", past, &version)},
		{"a save over Absent", save("x", record("d"), &absent)},
		{"a save past its expiry over Any", save("x", past, &whatever)},
		{"a probe", func() error { _, err := s.Probe(t.Context(), s.Shard("x")); return err }},
		{"a part of a clean-up", func() error { _, err := s.CleanFrom(t.Context(), 0); return err }},
	} {
		before := sent.n.Load()
		if err := test.do(); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if n := sent.n.Load() - before; n != 1 {
			t.Errorf("%s: %d statements, want one", test.name, n)
		}
	}
}

func TestASavePastItsExpiryLeavesNothing(t *testing.T) {
	_, pool, s := open(t)
	const day = 24 * time.Hour
	now := time.Now()
	for _, expires := range []time.Time{
		now.Add(-30 * 365 * day), now.Add(-time.Hour), now.Add(-1), now.Add(time.Minute), now.Add(40 * 365 * day),
		now.AddDate(300, 0, 0), now.AddDate(250_000, 0, 0), time.Unix(1<<40, 0), time.Unix(1<<60, 0), time.Unix(-1<<60, 0),
	} {
		for _, over := range []string{"Any", "Absent", "a version"} {
			exec(t, pool, `DELETE FROM web_sessions`)
			version := map[string]session.Version{"Any": session.Any, "Absent": session.Absent}[over]
			if over == "a version" {
				version = mustSave(t, s, "x", record("old"), session.Absent)
			}
			mustSave(t, s, "x", session.Record{Data: []byte("new"), Expires: expires}, version)
			r, err := s.Load(t.Context(), "x")
			if expires.After(now) && string(r.Data) != "new" {
				t.Errorf("until %v over %s: got %q, %v, want what was saved", expires, over, r.Data, err)
			}
			if !expires.After(now) && !errors.Is(err, session.ErrNotFound) {
				t.Errorf("until %v over %s: got %q, %v, want ErrNotFound", expires, over, r.Data, err)
			}
		}
	}
}

// The clocks of the program and of the server may differ: an expiry is sent as the time
// that is left.
func TestAnExpiryIsByTheServersClock(t *testing.T) {
	_, pool, s := open(t)
	mustSave(t, s, "x", record("a"), session.Absent) // for an hour
	left := ask[float64](t, pool, `SELECT extract(epoch FROM expires - clock_timestamp())::float8 FROM web_sessions`)
	if left < 3500 || left > 3600 {
		t.Errorf("got %v s until the expiry, want an hour", left)
	}
}

func TestWhatIsTooLargeIsNotSent(t *testing.T) {
	server, _, s := open(t)
	server.Kill()
	large := session.Record{Data: make([]byte, 16<<20+1), Expires: time.Now().Add(time.Hour)}
	if _, err := s.Save(t.Context(), "x", large, session.Any); !errors.Is(err, session.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func TestAVersionOfAnotherProgramIsAnError(t *testing.T) {
	_, pool, s := open(t)
	exec(t, pool, `INSERT INTO web_sessions VALUES ('x', 'short', 'infinity', 'data')`)
	if _, err := s.Load(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "another program writes to") {
		t.Errorf("got %v, want an error", err)
	}
}

// Also without prepared statements, as poolers need, and whatever the isolation of
// somebody's own pool is: one that waits for another's row is then ended by an error.
func TestOneOfManySavesWinsInEveryMode(t *testing.T) {
	server := postgrestest.Start(t)
	admin := newPool(t, server.URL())
	for name, change := range map[string]func(*pgxpool.Config){
		"as PoolConfig has it":     func(*pgxpool.Config) {},
		"described each time":      func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec },
		"without preparing":        func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec },
		"by the simple protocol":   func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol },
		"under REPEATABLE READ":    isolation("repeatable read"),
		"under SERIALIZABLE":       isolation("serializable"),
		"under READ UNCOMMITTED":   isolation("read uncommitted"),
		"with a single connection": func(c *pgxpool.Config) { c.MaxConns = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, newPool(t, server.URL(), change), emptyTable(t, admin))
			whatever := []byte{0, '\'', '\\', 255, '$', '1'}
			v := mustSave(t, s, "x", session.Record{Data: whatever, Expires: time.Now().Add(time.Hour)}, session.Absent)
			if r := mustLoad(t, s, "x"); !bytes.Equal(r.Data, whatever) || r.Version != v {
				t.Errorf("got %q of %x, want %q of %x", r.Data, r.Version, whatever, v)
			}
			if _, err := s.Probe(t.Context(), s.Shard("x")); err != nil {
				t.Error(err)
			}
			for range 5 {
				won, versions := saveAtOnce(t, s, v)
				if won != 1 {
					t.Fatalf("of 20 saves over one version at once %d succeed", won)
				}
				if v = mustLoad(t, s, "x").Version; !versions[v] {
					t.Fatalf("version %x stands, which no save returned", v)
				}
			}
			mustSave(t, s, "x", session.Record{Expires: time.Now().Add(-time.Hour)}, v)
			if won, _ := saveAtOnce(t, s, session.Absent); won != 1 {
				t.Errorf("of 20 first saves at once %d succeed", won)
			}
		})
	}
}

func isolation(level string) func(*pgxpool.Config) {
	return func(c *pgxpool.Config) { c.ConnConfig.RuntimeParams["default_transaction_isolation"] = level }
}

// saveAtOnce returns how many of 20 saves succeed, and their versions.
func saveAtOnce(t *testing.T, s session.Store, over session.Version) (won int64, versions map[session.Version]bool) {
	t.Helper()
	var succeeded atomic.Int64
	var mu sync.Mutex
	versions = map[session.Version]bool{}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			v, err := s.Save(t.Context(), "x", record("b"), over)
			switch {
			case err == nil:
				succeeded.Add(1)
				mu.Lock()
				versions[v] = true
				mu.Unlock()
			case !errors.Is(err, session.ErrConflict):
				t.Errorf("got %v, want ErrConflict", err)
			}
		})
	}
	all.Wait()
	return succeeded.Load(), versions
}

// A connection that the server has closed costs no read: the driver finds out only when
// it is used.
func TestAReadSurvivesClosedConnections(t *testing.T) {
	server, admin, _ := open(t)
	pool := newPool(t, server.URL(), func(c *pgxpool.Config) {
		c.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return false } // of those that were idle for a second
	})
	s := newStore(t, pool)
	mustSave(t, s, "x", record("a"), session.Absent)
	for range 3 {
		openConnections(t, pool, 4)
		exec(t, admin, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'test'`)
		for range 10 {
			if _, err := s.Load(t.Context(), "x"); err != nil {
				t.Fatalf("a load after connections were closed: %v", err)
			}
			if _, err := s.Probe(t.Context(), s.Shard("x")); err != nil {
				t.Fatalf("a probe after connections were closed: %v", err)
			}
		}
	}
}

// openConnections leaves n idle connections in the pool: it takes all of them out of it
// before it gives the first one back.
func openConnections(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	var taken []*pgxpool.Conn
	for tries := 0; len(taken) < n && tries < 3*n; tries++ {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Ping(t.Context()); err != nil { // the server closed it in the round before
			conn.Release()
			continue
		}
		taken = append(taken, conn)
	}
	for _, conn := range taken {
		conn.Release()
	}
	if len(taken) < n {
		t.Fatalf("the pool gave %d connections of %d", len(taken), n)
	}
}

// A statement that waits for a lock ends at the server, and the connection stays.
func TestAStatementThatWaitsEndsAtTheServer(t *testing.T) {
	_, pool, _ := open(t)
	server2 := newPool(t, pool.Config().ConnString(), func(c *pgxpool.Config) {
		c.ConnConfig.RuntimeParams["statement_timeout"] = "100"
		c.MaxConns = 1
	})
	s := newStore(t, server2)
	mustSave(t, s, "x", record("a"), session.Absent)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `LOCK TABLE web_sessions`); err != nil {
		t.Fatal(err)
	}
	before := server2.Stat().NewConnsCount()
	_, err = s.Load(t.Context(), "x")
	if err == nil || !strings.Contains(err.Error(), "longer than statement_timeout") {
		t.Errorf("got %v, want the timeout", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, s, "x")
	if made := server2.Stat().NewConnsCount() - before; made != 0 {
		t.Errorf("%d connections were made, want none", made)
	}
}

func TestAfterCloseNothingIsAsked(t *testing.T) {
	_, pool, _ := open(t)
	s := pgstore.New(pool)
	s.Close()
	if _, err := s.Load(t.Context(), "x"); err == nil || errors.Is(err, session.ErrNotFound) {
		t.Errorf("got %v, want an error", err)
	}
	s.Close()
}
