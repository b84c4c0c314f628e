package mysqlstore_test

import (
	"context"
	"flag"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/chaos"
	"github.com/holdfast-go/session/internal/test/mariadbtest"
	"github.com/holdfast-go/session/internal/test/writes"
	"github.com/holdfast-go/session/mysqlstore"
)

var (
	faultFor = flag.Duration("chaos", time.Second, "how long each fault lasts")
)

// backUp copies the tables of a store inside of the server.
func backUp(t testing.TB, s *mariadbtest.Server, table string) {
	t.Helper()
	for _, name := range []string{table, table + "_marks", table + "_store"} {
		admin(t, s, "DROP TABLE IF EXISTS old_"+name, "CREATE TABLE old_"+name+" AS SELECT * FROM "+name)
	}
}

// restore puts back what backUp copied.
func restore(t testing.TB, s *mariadbtest.Server, table string) {
	t.Helper()
	statements := []string{"BEGIN"}
	for _, name := range []string{table, table + "_marks", table + "_store"} {
		statements = append(statements, "DELETE FROM "+name, "INSERT INTO "+name+" SELECT * FROM old_"+name)
	}
	admin(t, s, append(statements, "COMMIT")...)
}

func TestVisitorsInChaos(t *testing.T) {
	notShort(t)
	server := mariadbtest.Start(t, "--innodb-flush-log-at-trx-commit=1") // a crash loses nothing
	do := func(f func()) func([]*chaos.Wire) { return func([]*chaos.Wire) { f() } }
	nothing := func([]*chaos.Wire) {}
	chaos.Run(t, chaos.Place{
		Instances: 3,
		Visitors:  50,
		For:       *faultFor,
		Open: func(t testing.TB, wire *chaos.Wire) session.Store {
			return newStore(t, server, mysqlstore.Options{}, func(c *mysql.Config) {
				c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
					return wire.Dial(ctx, network, address)
				}
			})
		},
		Faults: []chaos.Fault{
			{Name: "emptied", Begin: do(func() {
				admin(t, server, "TRUNCATE sessions", "TRUNCATE sessions_marks")
			}), End: nothing},
			{Name: "one instance is cut off", Begin: func(w []*chaos.Wire) {
				backUp(t, server, "sessions")
				w[1].Cut()
			}, End: func(w []*chaos.Wire) { w[1].Mend() }},
			{Name: "set back to an older state", Begin: do(func() { restore(t, server, "sessions") }), End: nothing},
			{Name: "frozen", Begin: do(server.Freeze), End: do(server.Thaw)},
			{Name: "killed", Begin: do(server.Kill), End: do(server.Restart)},
			{Name: "shut down", Begin: do(func() { server.Stop(syscall.SIGTERM) }), End: do(server.Restart)},
		},
	})
}

// placeOn is a server that tests of writes reach over lines of theirs.
func placeOn(server *mariadbtest.Server) writes.Place {
	return writes.Place{
		Address: server.Addr,
		Open: func(t testing.TB, dial writes.Dial, patient bool) writes.Store {
			o := mysqlstore.Options{Conns: 8}
			if patient {
				o.StatementTimeout = patience
			}
			return newStore(t, server, o, func(c *mysql.Config) {
				c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
					return dial(ctx, network, address)
				}
			})
		},
	}
}

func TestParallelUpdatesOverASlowLine(t *testing.T) {
	writes.Updates(t, placeOn(mariadbtest.Start(t)))
}

func start(t testing.TB) writes.Server {
	server := mariadbtest.Start(t)
	return writes.Server{Place: placeOn(server), Freeze: server.Freeze, Thaw: server.Thaw}
}

func TestParallelUpdatesInAnOutage(t *testing.T) { writes.UpdatesInAnOutage(t, start) }

// The server is frozen, or it is killed and comes back with what it has on disk.
func TestTabsInAnOutage(t *testing.T) {
	killed := func(t *testing.T) (writes.Place, writes.Outage) {
		server := mariadbtest.Start(t)
		return placeOn(server), writes.Outage{Begin: server.Kill, End: server.Restart}
	}
	writes.Tabs(t, map[string]writes.Faulty{"frozen": writes.Frozen(start), "killed": killed})
}
