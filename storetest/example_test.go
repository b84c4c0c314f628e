package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

// The test of a store that lives in the process. One on a server leaves Each
// out, starts the server, and kills, freezes and restarts that.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestContract(t *testing.T) {
		var f *storetest.Faulty
		storetest.Run(t, storetest.Harness{
			New: func(testing.TB) session.Store {
				f = storetest.NewFaulty(memstore.New(nil))
				return f
			},
			Restart: func(testing.TB) { f.Replace(memstore.New(nil)) },
			Freeze:  func(testing.TB) { f.Hang() },
			Thaw:    func(testing.TB) { f.Heal() },
			Each:    synctest.Test,
		})
	}
}

func ExampleBench() {
	_ = func(b *testing.B) { // func BenchmarkStore(b *testing.B) {
		storetest.Bench(b, storetest.Harness{
			New: func(testing.TB) session.Store { return memstore.New(nil) },
		})
	}
}

func ExampleFaulty() {
	ctx := context.Background()
	store := storetest.NewFaulty(memstore.New(nil))
	r := session.Record{Data: []byte("alice"), Expires: time.Now().Add(time.Hour)}

	store.LoseAcks()
	_, err := store.Save(ctx, "1", r, session.Absent)
	fmt.Println(err)

	store.Heal()
	r, err = store.Load(ctx, "1")
	fmt.Println(string(r.Data), err)

	store.Fail(errors.New("connection refused"))
	_, err = store.Load(ctx, "1")
	fmt.Println(err)

	store.Heal()
	store.Replace(memstore.New(nil)) // it restarted, and is empty
	_, err = store.Load(ctx, "1")
	fmt.Println(err, store.Loads())
	// Output:
	// storetest: acknowledgement lost
	// alice <nil>
	// connection refused
	// session: record not found 3
}
