package redisstore_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/storetest"
)

func TestItKeepsTheContract(t *testing.T) { keepsTheContract(t) }

func TestItKeepsTheContractWithTheClientCache(t *testing.T) {
	keepsTheContract(t, redisstore.ClientCache(time.Minute))
}

func keepsTheContract(t *testing.T, o ...redisstore.Option) {
	var srv *redistest.Server
	newOne := func(t testing.TB) session.Store { return newStore(t, srv, o...) }
	storetest.Run(t, storetest.Harness{
		New: func(t testing.TB) session.Store {
			srv = redistest.Start(t)
			return newOne(t)
		},
		Again:   newOne,
		Restart: func(testing.TB) { srv.Restart() },
		Freeze:  func(testing.TB) { srv.Freeze() },
		Thaw:    func(testing.TB) { srv.Thaw() },
		Down:    func(testing.TB) { srv.Kill() },
		Up:      func(testing.TB) { srv.Restart() },
	})
}
