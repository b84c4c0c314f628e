package pgstore_test

import (
	"context"
	"flag"
	"net"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/chaos"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	faultFor = flag.Duration("chaos", time.Second, "how long each fault lasts")
	long     = flag.Bool("long", false, "run all rows and faults, on logged and unlogged tables, of tests that else run some")
)

// Three instances: the server is killed, frozen, shut down, loses one of its processes,
// and one instance is cut off from it. A table that is UNLOGGED is empty after each crash,
// and no visitor notices.
func TestVisitorsInChaos(t *testing.T) { visitorsInChaos(t, chaos.Forgets, 5, pgstore.Unlogged()) }

// No fault empties a logged table. The first is the one that differs most.
func TestVisitorsInChaosOnALoggedTable(t *testing.T) {
	faults := 1
	if *long {
		faults = 5
	}
	visitorsInChaos(t, "", faults)
}

// visitorsInChaos runs the first of five faults, as many as it is told.
func visitorsInChaos(t *testing.T, afterACrash string, faults int, options ...pgstore.Option) {
	t.Helper()
	server := postgrestest.Start(t)
	if err := pgstore.Migrate(t.Context(), newPool(t, server.URL()), options...); err != nil {
		t.Fatal(err)
	}
	do := func(f func()) func([]*chaos.Wire) { return func([]*chaos.Wire) { f() } }
	nothing := func([]*chaos.Wire) {}
	crash := func() {
		pool, err := pgxpool.NewWithConfig(t.Context(), config(t, server.URL()))
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		server.CrashBackend(ask[int](t, pool, `SELECT pg_backend_pid()`))
	}
	chaos.Run(t, chaos.Place{
		Instances: 3,
		Visitors:  50,
		For:       *faultFor,
		Open: func(t testing.TB, wire *chaos.Wire) session.Store {
			pool := newPool(t, server.URL(), func(c *pgxpool.Config) {
				c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
					return wire.Dial(ctx, network, address)
				}
			})
			return newStore(t, pool, pgstore.CleanEvery(100*time.Millisecond))
		},
		Faults: []chaos.Fault{
			{Name: "killed" + afterACrash, Begin: do(server.Kill), End: do(server.Restart)},
			{Name: "frozen", Begin: do(server.Freeze), End: do(server.Thaw)},
			{Name: "one of its processes crashes" + afterACrash, Begin: do(crash), End: nothing},
			{Name: "shut down", Begin: do(server.Stop), End: do(server.Restart)},
			{Name: "one instance is cut off", Begin: func(w []*chaos.Wire) { w[1].Cut() }, End: func(w []*chaos.Wire) { w[1].Mend() }},
		}[:faults],
	})
}
