package redisstore_test

import (
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
)

// Servers of before Redis 6, and those that a service keeps at the old protocol, know no
// HELLO, or refuse the new protocol.
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
			s := redisstore.New(newClient(t, url), redisstore.Prefix(name))
			v := mustSave(t, s, "x", record("a"), session.Absent)
			mustSave(t, s, "x", record("b"), v)
			if got := string(mustLoad(t, s, "x").Data); got != "b" {
				t.Errorf("got %q, want b", got)
			}
			if got, err := s.Probe(t.Context(), s.Shard("x")); err != nil || len(got) < 40 {
				t.Errorf("a probe: got %q, %v, want what INFO tells", got, err)
			}
		})
	}
}
