package memcached_test

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/daemon"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memcached"
)

// addr is a memcached for the examples.
var addr string

func TestMain(m *testing.M) {
	var main daemon.Main
	addr = memcachedtest.Start(&main).Addr
	code := m.Run()
	main.Close()
	os.Exit(code)
}

func newClient(t testing.TB, o *memcached.Options, servers ...*memcachedtest.Server) *memcached.Client {
	t.Helper()
	var list []memcached.Server
	for _, s := range servers {
		list = append(list, memcached.Server{Addr: s.Addr})
	}
	c, err := memcached.New(list, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var eventually = timeleft.Poll

// within is a context that no test is meant to exhaust.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// noneLeft fails the test if goroutines or file descriptors that were not
// there before it stay after it.
func noneLeft(t testing.TB) {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	t.Cleanup(func() {
		for end := time.Now().Add(timeleft.Within(t, 20*time.Second)); runtime.NumGoroutine() > goroutines || openFiles(t) > files; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				stacks = stacks[:runtime.Stack(stacks, true)]
				t.Errorf("left behind: %d goroutines, %d files\n%s", runtime.NumGoroutine()-goroutines, openFiles(t)-files, stacks)
				return
			}
		}
	})
}

func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
