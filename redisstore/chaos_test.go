package redisstore_test

import (
	"context"
	"crypto/tls"
	"flag"
	"net"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/chaos"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

var faultFor = flag.Duration("chaos", time.Second, "how long each fault lasts")

// Three instances: the server is killed, frozen, flushed, restarted, and one
// instance is cut off from it.
func TestVisitorsInChaos(t *testing.T) {
	server := redistest.Start(t)
	do := func(f func()) func([]*chaos.Wire) { return func([]*chaos.Wire) { f() } }
	chaos.Run(t, chaos.Place{
		Instances: 3,
		Visitors:  50,
		For:       *faultFor,
		Open: func(t testing.TB, wire *chaos.Wire) session.Store {
			client := newClient(t, server.URL(), func(o *rueidis.ClientOption) {
				o.DialCtxFn = func(ctx context.Context, address string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
					return wire.Dial(ctx, "tcp", address)
				}
			})
			return redisstore.New(client)
		},
		Faults: []chaos.Fault{
			{Name: "killed" + chaos.Forgets, Begin: do(server.Kill), End: do(server.Restart)},
			{Name: "frozen", Begin: do(server.Freeze), End: do(server.Thaw)},
			{Name: "flushed", Begin: do(server.Flush), End: func([]*chaos.Wire) {}},
			{Name: "one instance is cut off", Begin: func(w []*chaos.Wire) { w[1].Cut() }, End: func(w []*chaos.Wire) { w[1].Mend() }},
		},
	})
}
