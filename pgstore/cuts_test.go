package pgstore_test

import (
	"context"
	"net"
	"strconv"
	"testing"

	"github.com/holdfast-go/session/internal/test/cuts"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestConnectionsThatAreCut(t *testing.T) {
	server, _, _ := open(t)
	p := cuts.NewProxy(t)
	pool := newPool(t, server.URL(), func(c *pgxpool.Config) {
		address := p.Before(net.JoinHostPort(c.ConnConfig.Host, strconv.Itoa(int(c.ConnConfig.Port))))
		c.ConnConfig.DialFunc = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}
	})
	cuts.Run(t, p, newStore(t, pool))
}
