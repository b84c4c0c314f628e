package memcachedstore_test

import (
	"testing"

	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/internal/test/writes"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
)

// start starts a server that tests of writes reach over lines of theirs.
func start(t testing.TB) writes.Server {
	server := memcachedtest.Start(t)
	open := func(t testing.TB, dial writes.Dial, patient bool) writes.Store {
		o := &memcached.Options{Dial: dial}
		if patient {
			o.Timeout = timeleft.Patience
		}
		client, err := memcached.New(memcached.Servers(server.Addr), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		return memcachedstore.New(client)
	}
	return writes.Server{
		Place:  writes.Place{Address: server.Addr, Open: open},
		Freeze: server.Freeze,
		Thaw:   server.Thaw,
	}
}

func TestParallelUpdatesOverASlowLine(t *testing.T) { writes.Updates(t, start(t).Place) }

func TestParallelUpdatesInAnOutage(t *testing.T) { writes.UpdatesInAnOutage(t, start) }

// The server is frozen: killed, it would lose what it holds.
func TestTabsInAnOutage(t *testing.T) {
	writes.Tabs(t, map[string]writes.Faulty{"frozen": writes.Frozen(start)})
}
