package pgstore_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/internal/test/writes"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5/pgxpool"
)

// placeOn is a server that tests of writes reach over lines of theirs.
func placeOn(t testing.TB, server *postgrestest.Server) writes.Place {
	t.Helper()
	if err := pgstore.Migrate(t.Context(), newPool(t, server.URL())); err != nil {
		t.Fatal(err)
	}
	return writes.Place{
		Address: server.Addr(),
		Open: func(t testing.TB, dial writes.Dial, patient bool) writes.Store {
			return newStore(t, newPool(t, server.URL(), func(c *pgxpool.Config) {
				c.ConnConfig.DialFunc = dial
				c.MaxConns, c.MinIdleConns = 4, 0 // they are made over the slow line, too
				if patient {
					c.ConnConfig.ConnectTimeout = time.Minute
				}
			}))
		},
	}
}

func start(t testing.TB) writes.Server {
	server := postgrestest.Start(t)
	return writes.Server{Place: placeOn(t, server), Freeze: server.Freeze, Thaw: server.Thaw}
}

func TestParallelUpdatesInAnOutage(t *testing.T) {
	counts := []int{8}
	if *long {
		counts = nil // all of them
	}
	writes.UpdatesInAnOutage(t, start, counts...)
}

func TestTabsInAnOutage(t *testing.T) {
	killed := func(t *testing.T) (writes.Place, writes.Outage) {
		server := postgrestest.Start(t)
		return placeOn(t, server), writes.Outage{Begin: server.Kill, End: server.Restart}
	}
	servers := map[string]writes.Faulty{"killed": killed}
	if *long {
		servers["frozen"] = writes.Frozen(start)
	}
	writes.Tabs(t, servers)
}
