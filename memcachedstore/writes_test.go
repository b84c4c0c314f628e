package memcachedstore_test

import (
	"flag"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/internal/test/writes"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
)

// placeOn is a server that tests of writes reach over lines of theirs.
func placeOn(server *memcachedtest.Server) writes.Place {
	return writes.Place{
		Address: server.Addr,
		Open: func(t testing.TB, dial writes.Dial, patient bool) writes.Store {
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
		},
	}
}

func TestParallelUpdatesOverASlowLine(t *testing.T) {
	writes.Updates(t, placeOn(memcachedtest.Start(t)))
}

func TestParallelUpdatesInAnOutage(t *testing.T) {
	notShort(t)
	t.Parallel()
	writes.UpdatesInAnOutage(t, placeOn(memcachedtest.Start(t)))
}

var outageFor = flag.Duration("outage", 3*time.Second, "how long the outages last in which tabs are open")

// The server is frozen: killed, it would lose what it holds.
func TestTabsInAnOutage(t *testing.T) {
	notShort(t)
	t.Parallel()
	frozen := func(t *testing.T) (writes.Place, writes.Outage) {
		server := memcachedtest.Start(t)
		return placeOn(server), writes.Outage{Begin: server.Freeze, End: server.Thaw, For: *outageFor}
	}
	writes.Tabs(t, map[string]writes.Faulty{"frozen": frozen})
}

func notShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("outages are not short")
	}
}
