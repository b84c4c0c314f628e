package redisstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/storetest"
)

func TestItKeepsTheContract(t *testing.T) { keepsTheContract(t, plain) }

func TestItKeepsTheContractWithTheClientCache(t *testing.T) {
	keepsTheContract(t, plain, redisstore.ClientCache(time.Minute))
}

func plain(s *redisstore.Store) session.Store { return s }

// keepsTheContract runs the suite against what wrap makes of the store.
func keepsTheContract(t *testing.T, wrap func(*redisstore.Store) session.Store, o ...redisstore.Option) {
	t.Helper()
	var srv *redistest.Server
	asked := map[*redistest.Server]int{}
	newOne := func(t testing.TB) session.Store { return wrap(newStore(t, srv, o...)) }
	storetest.Run(t, storetest.Harness{
		New: func(t testing.TB) session.Store {
			srv = redistest.Start(t)
			return newOne(t)
		},
		Again:   newOne,
		Restart: func(testing.TB) { srv.Restart() },
		Freeze:  func(testing.TB) { srv.Freeze() },
		Thaw:    func(testing.TB) { srv.Thaw() },
		Connections: func(t testing.TB) int {
			asked[srv]++ // over a connection of its own each
			var n int
			_, stats, _ := strings.Cut(srv.Command("INFO", "stats"), "total_connections_received:")
			if _, err := fmt.Sscan(stats, &n); err != nil {
				t.Fatal(err)
			}
			return n - asked[srv]
		},
		Down: func(testing.TB) { srv.Kill() },
		Up:   func(testing.TB) { srv.Restart() },
	})
}
