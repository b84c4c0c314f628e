package sqlitestore_test

import (
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/acceptance"
	"github.com/holdfast-go/session/sqlitestore"
	"github.com/holdfast-go/session/storetest"
)

var (
	_ session.Store  = (*sqlitestore.Store)(nil)
	_ session.Lister = (*sqlitestore.Store)(nil)
	_ session.Prober = (*sqlitestore.Store)(nil)
)

func TestItKeepsTheContract(t *testing.T) {
	var p *place
	open := func(t testing.TB) session.Store { return p.open(t) }
	h := storetest.Harness{
		New: func(t testing.TB) session.Store {
			p = newPlace(t)
			return open(t)
		},
		Again:   open,
		Restart: func(t testing.TB) { p.empty(t) },
		Freeze:  func(t testing.TB) { p.freeze(t) },
		Thaw:    func(t testing.TB) { p.thaw(t) },
		Down:    func(t testing.TB) { p.down(t) },
		Up:      func(t testing.TB) { p.up(t) },
	}
	if raceEnabled {
		// The whole of SQLite is Go code, which the detector makes forty times slower: a
		// hundred loads want most of the tenth of a second that they have after a thaw.
		h.Freeze, h.Thaw = nil, nil
	}
	storetest.Run(t, h)
}

func TestPromisesOnSQLite(t *testing.T) {
	acceptance.Run(t, func(t testing.TB) session.Store { return newPlace(t).open(t) })
}
