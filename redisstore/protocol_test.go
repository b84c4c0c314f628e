package redisstore_test

import (
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// Servers of before Redis 6 know no HELLO, and a service may keep its servers at the old
// protocol.
func TestAServerOfTheOldProtocolServes(t *testing.T) {
	srv := redistest.Start(t)
	for name, hello := range map[string]string{
		"that has no HELLO":   "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n",
		"that a URL asks for": "",
	} {
		t.Run(name, func(t *testing.T) {
			url := srv.URL() + "?protocol=2"
			if hello != "" {
				p := startProxy(t, srv)
				p.answer("HELLO", hello)
				url = p.url()
			}
			wantServes(t, url, name)
		})
	}
}

// Before Redis Enterprise 7.2 there is a HELLO, but no RESP3.
func TestAServerWithoutRESP3ServesWhereTheURLSaysSo(t *testing.T) {
	p := startProxy(t, redistest.Start(t))
	p.answer("HELLO 3", "-NOPROTO unsupported protocol version\r\n")
	o, err := redisstore.ClientOption(p.url())
	if err != nil {
		t.Fatal(err)
	}
	if client, err := rueidis.NewClient(o); err == nil {
		client.Close()
		t.Error("a client has connected: docs/STORES.md says that it does not")
	} else if !strings.Contains(err.Error(), "NOPROTO") {
		t.Errorf("got %v, want the server's NOPROTO", err)
	}
	wantServes(t, p.url()+"?protocol=2", "x")
}

func wantServes(t *testing.T, url, prefix string) {
	t.Helper()
	s := redisstore.New(newClient(t, url), redisstore.Prefix(prefix))
	v := mustSave(t, s, "x", record("a"), session.Absent)
	mustSave(t, s, "x", record("b"), v)
	if got := string(mustLoad(t, s, "x").Data); got != "b" {
		t.Errorf("got %q, want b", got)
	}
	if got, err := s.Probe(t.Context(), s.Shard("x")); err != nil || len(got) < 40 {
		t.Errorf("a probe: got %q, %v, want what INFO tells", got, err)
	}
}
