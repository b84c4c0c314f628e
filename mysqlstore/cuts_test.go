package mysqlstore_test

import (
	"context"
	"net"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/holdfast-go/session/internal/test/cuts"
	"github.com/holdfast-go/session/internal/test/mariadbtest"
)

func TestConnectionsThatAreCut(t *testing.T) {
	server, p := mariadbtest.Start(t), cuts.NewProxy(t)
	address := p.Before(server.Addr)
	cuts.Run(t, p, newStore(t, server, newTable(), func(c *mysql.Config) {
		c.DialFunc = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	}))
}
