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

// server is what the tests of your store start, on a free port.
type server interface {
	Dial() session.Store // a client of the server's

	Start()
	Kill()
	Freeze() // SIGSTOP
	Thaw()   // SIGCONT
	Accepted() int
}

// The test of a store on a server. With all of the Harness it leaves out no clause of the
// contract.
func ExampleHarness() {
	var start func(t testing.TB) server // yours

	_ = func(t *testing.T) { // func TestContract(t *testing.T) {
		var s server
		storetest.Run(t, storetest.Harness{
			New: func(t testing.TB) session.Store {
				s = start(t)
				return s.Dial()
			},
			Again:       func(testing.TB) session.Store { return s.Dial() },
			Restart:     func(testing.TB) { s.Kill(); s.Start() },
			Freeze:      func(testing.TB) { s.Freeze() },
			Thaw:        func(testing.TB) { s.Thaw() },
			Connections: func(testing.TB) int { return s.Accepted() },
			Down:        func(testing.TB) { s.Kill() },
			Up:          func(testing.TB) { s.Start() },
			MaxRecord:   512 << 10,
		})
	}
}

// Faults that a test needs beside an outage: of one session, of an answer that got lost
// after the write, and of a store that is slow.
func ExampleFaulty_Before() {
	ctx := context.Background()
	store := storetest.NewFaulty(memstore.New(nil))
	r := session.Record{Data: []byte("alice"), Expires: time.Now().Add(time.Hour)}

	store.Before(func(op string, id session.ID) error {
		if op == "save" && id == "full" {
			return errors.New("out of memory")
		}
		return nil
	})
	_, err := store.Save(ctx, "full", r, session.Absent)
	fmt.Println(err)
	store.Before(nil)

	store.LoseAcks()
	_, err = store.Save(ctx, "1", r, session.Absent)
	fmt.Println(errors.Is(err, storetest.ErrLostAck), "after", store.Saves(), "saves")
	store.Heal()

	store.Delay(time.Hour)
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err = store.Load(ctx, "1")
	fmt.Println(err)
	// Output:
	// out of memory
	// true after 2 saves
	// context deadline exceeded
}
