package redisstore_test

import (
	"context"
	"crypto/tls"
	"flag"
	"net"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/writes"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// placeOn is a server that tests of writes reach over lines of theirs.
func placeOn(server *redistest.Server) writes.Place {
	return writes.Place{
		Address: server.Addr(),
		Open: func(t testing.TB, dial writes.Dial, patient bool) writes.Store {
			client := newClient(t, server.URL(), func(o *rueidis.ClientOption) {
				o.DialCtxFn = func(ctx context.Context, address string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
					return dial(ctx, "tcp", address)
				}
				if patient {
					o.ConnWriteTimeout, o.Dialer.KeepAlive = patience, patience
				}
			})
			return redisstore.New(client)
		},
	}
}

func TestParallelUpdatesOverASlowLine(t *testing.T) {
	writes.Updates(t, placeOn(redistest.Start(t)))
}

func TestParallelUpdatesInAnOutage(t *testing.T) {
	notShort(t)
	t.Parallel()
	writes.UpdatesInAnOutage(t, placeOn(redistest.Start(t)))
}

var outageFor = flag.Duration("outage", 3*time.Second, "how long the outages last in which tabs are open")

// The server is frozen, or it is killed and comes back with what it had on disk.
func TestTabsInAnOutage(t *testing.T) {
	notShort(t)
	t.Parallel()
	frozen := func(t *testing.T) (writes.Place, writes.Outage) {
		server := redistest.Start(t)
		return placeOn(server), writes.Outage{Begin: server.Freeze, End: server.Thaw, For: *outageFor}
	}
	killed := func(t *testing.T) (writes.Place, writes.Outage) {
		server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
		return placeOn(server), writes.Outage{Begin: server.Kill, End: server.Restart, For: *outageFor}
	}
	writes.Tabs(t, map[string]writes.Faulty{"frozen": frozen, "killed": killed})
}

func notShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("outages are not short")
	}
}
