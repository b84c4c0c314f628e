package sqlitestore_test

import (
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sqlitestore"
	"github.com/holdfast-go/session/storetest"
)

func BenchmarkStore(b *testing.B) {
	for name, o := range map[string]sqlitestore.Options{"synced": {}, "loses on power failure": {LosesOnPowerFailure: true}} {
		b.Run(name, func(b *testing.B) {
			storetest.Bench(b, storetest.Harness{New: func(t testing.TB) session.Store { return newPlace(t).openWith(t, o) }})
		})
	}
}
