package redisstore_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

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

func start(t testing.TB) writes.Server {
	server := redistest.Start(t)
	return writes.Server{Place: placeOn(server), Freeze: server.Freeze, Thaw: server.Thaw}
}

func TestParallelUpdatesOverASlowLine(t *testing.T) { writes.Updates(t, start(t).Place) }

func TestParallelUpdatesInAnOutage(t *testing.T) { writes.UpdatesInAnOutage(t, start) }

// The server is frozen, or it is killed and comes back with what it had on disk.
func TestTabsInAnOutage(t *testing.T) {
	killed := func(t *testing.T) (writes.Place, writes.Outage) {
		server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
		return placeOn(server), writes.Outage{Begin: server.Kill, End: server.Restart}
	}
	writes.Tabs(t, map[string]writes.Faulty{"frozen": writes.Frozen(start), "killed": killed})
}
