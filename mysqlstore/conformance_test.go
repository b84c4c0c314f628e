package mysqlstore_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/acceptance"
	"github.com/holdfast-go/session/internal/test/mariadbtest"
	"github.com/holdfast-go/session/mysqlstore"
	"github.com/holdfast-go/session/storetest"
)

var (
	_ session.Store  = (*mysqlstore.Store)(nil)
	_ session.Lister = (*mysqlstore.Store)(nil)
	_ session.Prober = (*mysqlstore.Store)(nil)
)

func TestItKeepsTheContract(t *testing.T) {
	server := mariadbtest.Start(t)
	var o mysqlstore.Options
	asked := 0
	open := func(t testing.TB) session.Store { return newStore(t, server, o) }
	storetest.Run(t, storetest.Harness{
		New: func(t testing.TB) session.Store {
			o = newTable()
			o.MaxRecord = 2 << 20
			return open(t)
		},
		Again:   open,
		Restart: func(testing.TB) { server.Restart() },
		Freeze:  func(testing.TB) { server.Freeze() },
		Thaw:    func(testing.TB) { server.Thaw() },
		Down:    func(testing.TB) { server.Kill() },
		Up:      func(testing.TB) { server.Restart() },
		Connections: func(t testing.TB) int {
			asked++ // over a connection of its own each
			var n int
			if _, err := fmt.Sscan(admin(t, server, "SHOW GLOBAL STATUS LIKE 'Connections'"), &n); err != nil {
				t.Fatal(err)
			}
			return n - asked
		},
		MaxRecord: 2 << 20,
	})
}

func TestPromisesOnMariaDB(t *testing.T) {
	server := mariadbtest.Start(t)
	acceptance.Run(t, func(t testing.TB) session.Store { return newStore(t, server, newTable()) })
}
