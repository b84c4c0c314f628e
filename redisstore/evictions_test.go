package redisstore_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
)

var _ session.EvictionCounter = (*redisstore.Store)(nil)

// evicts fills a server until it evicts, and returns what it says.
func evicts(t *testing.T, server *redistest.Server, key func(n int) string) uint64 {
	t.Helper()
	server.Command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	server.Command("CONFIG", "SET", "maxmemory", "4mb")
	value := strings.Repeat("x", 100_000)
	for n := range 100 {
		server.Command("SET", key(n), value)
	}
	_, after, _ := strings.Cut(server.Command("INFO", "stats"), "evicted_keys:")
	text, _, _ := strings.Cut(after, "\r\n")
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		t.Fatalf("the server has evicted %q, %v: the test shows nothing", text, err)
	}
	return n
}

func TestEvictionsAreThoseOfTheServer(t *testing.T) {
	server := redistest.Start(t)
	s := newStore(t, server)
	if got, err := s.Evictions(t.Context(), s.Shard("x")); got != 0 || err != nil {
		t.Errorf("before: got %d, %v, want 0", got, err)
	}
	want := evicts(t, server, func(n int) string { return fmt.Sprint("key ", n) })
	if got, err := s.Evictions(t.Context(), s.Shard("x")); got != want || err != nil {
		t.Errorf("got %d, %v, want %d", got, err, want)
	}
	if _, err := s.Evictions(t.Context(), "elsewhere"); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("another shard: got %v, want an error that names it", err)
	}
	server.Command("ACL", "SETUSER", "shop", "on", ">secret", "~*", "+@all", "-info")
	refused := redisstore.New(newClient(t, "redis://shop:secret@"+server.Addr()))
	if got, err := refused.Evictions(t.Context(), refused.Shard("x")); err == nil {
		t.Errorf("a user without INFO: got %d, want an error", got)
	}
}

// A shard of a cluster tells what the primaries have evicted that serve it.
func TestEvictionsOfAShardOfACluster(t *testing.T) {
	nodes := startCluster(t)
	s := redisstore.New(newClient(t, nodes[0].URL()))
	want := evicts(t, nodes[0], func(n int) string { return fmt.Sprint("{b}", n) }) // slot 3300
	for shard, want := range map[string]uint64{
		"3072-4095":   want,
		"5120-6143":   want, // of the first and the second
		"15360-16383": 0,
	} {
		if got, err := s.Evictions(t.Context(), shard); got != want || err != nil {
			t.Errorf("%s: got %d, %v, want %d", shard, got, err, want)
		}
	}
	if _, err := s.Evictions(t.Context(), "3000-4095"); err == nil {
		t.Error("no shard: got no error")
	}
}
