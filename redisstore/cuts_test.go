package redisstore_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-go/session/internal/test/cuts"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// cutOff makes a client's connections go through p, whatever address a server says it has.
func cutOff(p *cuts.Proxy, addresses ...string) func(*rueidis.ClientOption) {
	through := map[string]string{}
	for _, address := range addresses {
		through[address] = p.Before(address)
	}
	return func(o *rueidis.ClientOption) {
		dial := o.DialCtxFn
		o.DialCtxFn = func(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
			return dial(ctx, through[address], d, c)
		}
	}
}

func TestConnectionsThatAreCut(t *testing.T) {
	t.Run("one server", func(t *testing.T) {
		server, p := redistest.Start(t), cuts.NewProxy(t)
		cuts.Run(t, p, redisstore.New(newClient(t, server.URL(), cutOff(p, server.Addr()))))
	})
	t.Run("one server, cached", func(t *testing.T) {
		server, p := redistest.Start(t), cuts.NewProxy(t)
		cache := redisstore.ClientCache(1)
		client := newClient(t, server.URL(), func(o *rueidis.ClientOption) {
			*o, _ = redisstore.ClientOption(server.URL(), cache)
			cutOff(p, server.Addr())(o)
		})
		cuts.Run(t, p, redisstore.New(client, cache))
	})
	t.Run("behind a sentinel", func(t *testing.T) {
		primary, p := redistest.Start(t), cuts.NewProxy(t)
		host, port, _ := net.SplitHostPort(primary.Addr())
		config := filepath.Join(t.TempDir(), "sentinel.conf")
		if err := os.WriteFile(config, fmt.Appendf(nil, "sentinel monitor shop %s %s 1\n", host, port), 0o600); err != nil {
			t.Fatal(err)
		}
		sentinel := redistest.Sentinel(t, config)
		cuts.Run(t, p, redisstore.New(newClient(t, sentinel.URL()+"?master_set=shop", cutOff(p, primary.Addr(), sentinel.Addr()))))
	})
	t.Run("a cluster", func(t *testing.T) {
		p := cuts.NewProxy(t)
		nodes := startCluster(t)
		var addresses []string
		for _, n := range nodes {
			addresses = append(addresses, n.Addr())
		}
		cuts.Run(t, p, redisstore.New(newClient(t, nodes[0].URL()+"?cluster=true", cutOff(p, addresses...))))
	})
}
