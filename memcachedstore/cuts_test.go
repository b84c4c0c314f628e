package memcachedstore_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-go/session/internal/test/cuts"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
)

func TestConnectionsThatAreCut(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n, " servers"), func(t *testing.T) {
			p := cuts.NewProxy(t)
			var addresses []string
			for range n {
				addresses = append(addresses, p.Before(memcachedtest.Start(t).Addr))
			}
			client, err := memcached.New(memcached.Servers(addresses...), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = client.Close() })
			cuts.Run(t, p, memcachedstore.New(client))
		})
	}
}
