package memcachedstore_test

import (
	"flag"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/chaos"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
)

var faultFor = flag.Duration("chaos", time.Second, "how long each fault lasts")

// Three instances, three servers: killed, frozen, flushed, restarted, cut off.
func TestVisitorsInChaos(t *testing.T) {
	var servers []*memcachedtest.Server
	var addresses []string
	for range 3 {
		s := memcachedtest.Start(t)
		servers, addresses = append(servers, s), append(addresses, s.Addr)
	}
	all := func(f func(*memcachedtest.Server)) func([]*chaos.Wire) {
		return func([]*chaos.Wire) {
			for _, s := range servers {
				f(s)
			}
		}
	}
	one := func(f func(*memcachedtest.Server)) func([]*chaos.Wire) { return func([]*chaos.Wire) { f(servers[0]) } }
	nothing := func([]*chaos.Wire) {}
	chaos.Run(t, chaos.Place{
		Instances: 3,
		Visitors:  50,
		For:       *faultFor,
		Open: func(t testing.TB, wire *chaos.Wire) session.Store {
			client, err := memcached.New(memcached.Servers(addresses...), &memcached.Options{Dial: wire.Dial})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { client.Close() })
			return memcachedstore.New(client)
		},
		Faults: []chaos.Fault{
			{Name: "one server is killed" + chaos.Forgets, Begin: one((*memcachedtest.Server).Kill), End: one((*memcachedtest.Server).Restart)},
			{Name: "all are killed" + chaos.Forgets, Begin: all((*memcachedtest.Server).Kill), End: all((*memcachedtest.Server).Restart)},
			{Name: "all are frozen", Begin: all((*memcachedtest.Server).Freeze), End: all((*memcachedtest.Server).Thaw)},
			{Name: "all are flushed", Begin: all((*memcachedtest.Server).Flush), End: nothing},
			{Name: "one instance is cut off", Begin: func(w []*chaos.Wire) { w[1].Cut() }, End: func(w []*chaos.Wire) { w[1].Mend() }},
			{Name: "one server is frozen", Begin: one((*memcachedtest.Server).Freeze), End: one((*memcachedtest.Server).Thaw)},
		},
	})
}
