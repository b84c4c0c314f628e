package pgstore_test

import (
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/acceptance"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/pgstore"
	"github.com/holdfast-go/session/storetest"
)

func TestItKeepsTheContract(t *testing.T) {
	t.Run("logged", func(t *testing.T) { keepsTheContract(t, true) })
	t.Run("unlogged", func(t *testing.T) { keepsTheContract(t, *long, pgstore.Unlogged()) })
}

// keepsTheContract runs the suite on one server, with a table for each case, through a
// proxy that counts connections; without outages it runs the cases that need none.
func keepsTheContract(t *testing.T, outages bool, options ...pgstore.Option) {
	server := postgrestest.Start(t)
	var accepted atomic.Int64
	url := server.URLAt(relay.Relay{Accepted: func() { accepted.Add(1) }}.Start(t, server.Addr()))
	admin := newPool(t, server.URL())
	var table pgstore.Option
	again := func(t testing.TB) session.Store { return newStore(t, newPool(t, url), table) }
	h := storetest.Harness{
		New: func(t testing.TB) session.Store {
			admin.Reset() // the case before may have restarted the server
			table = emptyTable(t, admin, options...)
			return again(t)
		},
		Again:       again,
		Connections: func(testing.TB) int { return int(accepted.Load()) },
		MaxRecord:   16 << 20,
		Restart:     func(testing.TB) { server.Restart() },
		Freeze:      func(testing.TB) { server.Freeze() },
		Thaw:        func(testing.TB) { server.Thaw() },
		Down:        func(testing.TB) { server.Kill() },
		Up:          func(testing.TB) { server.Restart() },
	}
	if !outages {
		h.Restart = nil
		h.Freeze, h.Thaw = nil, nil
		h.Down, h.Up = nil, nil
	}
	storetest.Run(t, h)
}

func TestPromisesOnPostgreSQL(t *testing.T) {
	server := postgrestest.Start(t)
	pool := newPool(t, server.URL())
	acceptance.Run(t, func(t testing.TB) session.Store { return newStore(t, pool, emptyTable(t, pool)) })
}
