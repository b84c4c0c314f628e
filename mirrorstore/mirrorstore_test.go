package mirrorstore_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/records"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/mirrorstore"
	"github.com/holdfast-go/session/storetest"
)

var (
	record   = records.New
	mustSave = records.MustSave
	mustLoad = records.MustLoad
	errDied  = errors.New("died")
)

// A mirror keeps the contract of a store.
func TestContract(t *testing.T) {
	empty := func() session.Store { return memstore.New(&memstore.Options{MaxBytes: 3 << 19}) }
	var first, second *storetest.Faulty
	again := func(testing.TB) session.Store { return mirrorstore.New(first, second, nil) }
	storetest.Run(t, storetest.Harness{
		New: func(t testing.TB) session.Store {
			first, second = storetest.NewFaulty(empty()), storetest.NewFaulty(empty())
			return again(t)
		},
		Again:   again,
		Restart: func(testing.TB) { first.Replace(empty()); second.Replace(empty()) },
		Freeze:  func(testing.TB) { first.Hang(); second.Hang() },
		Thaw:    func(testing.TB) { first.Heal(); second.Heal() },
		Down:    func(testing.TB) { first.Fail(errDied); second.Fail(errDied) },
		Up:      func(testing.TB) { first.Heal(); second.Heal() },
		Each:    synctest.Test,

		MaxRecord: 1 << 20,
	})
}
