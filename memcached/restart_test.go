package memcached_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/memcached"
)

// memcached counts CAS values from 1 again after a restart.
func TestACASReadBeforeARestartIsNotAcceptedAfterIt(t *testing.T) {
	server := memcachedtest.Start(t)
	c := newClient(t, nil, server)
	ctx := within(t, time.Minute)
	if _, err := c.Set(ctx, "k", memcached.Item{Value: []byte("before")}); err != nil {
		t.Fatal(err)
	}
	before, err := c.Get(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}

	server.Restart()
	other := newClient(t, nil, server)
	var after memcached.Token
	for after.CAS < before.Token.CAS {
		if after, err = other.Set(ctx, "k", memcached.Item{Value: []byte("tombstone")}); err != nil {
			t.Fatal(err)
		}
	}
	if after.CAS != before.Token.CAS || after == before.Token {
		t.Fatalf("got %v after the restart and %v before, want the same CAS in another incarnation", after, before.Token)
	}

	eventually(t, "the old client is connected again", func() bool {
		_, err := c.CompareAndSet(ctx, "k", memcached.Item{Value: []byte("revived")}, before.Token)
		if err == nil {
			t.Fatal("a CAS of before the restart was accepted")
		}
		return err == memcached.ErrConflict
	})
	if err := c.CompareAndDelete(ctx, "k", before.Token); err != memcached.ErrConflict {
		t.Errorf("CompareAndDelete: got %v, want ErrConflict", err)
	}
	if got, err := c.Get(ctx, "k"); err != nil || string(got.Value) != "tombstone" {
		t.Errorf("got %q, %v, want the value untouched", got.Value, err)
	}
	// The trap is there: the server itself would have taken the number.
	if got := server.Command(fmt.Sprintf("ms k 1 C%d\r\nx\r\n", before.Token.CAS)); got != "HD" {
		t.Errorf("the bare CAS: the server answered %q, want HD", got)
	}
}

func TestATokenOutlivesItsConnectionButNotItsServer(t *testing.T) {
	server := memcachedtest.Start(t)
	ctx := within(t, time.Minute)
	compareAndSet := func(over memcached.Token) error {
		_, err := newClient(t, nil, server).CompareAndSet(ctx, "k", memcached.Item{}, over)
		return err
	}

	// A server that was just started cannot be told from one that is started
	// anew within the same second. memcached begins to count at 2.
	young, err := newClient(t, nil, server).Set(ctx, "k", memcached.Item{})
	if err != nil {
		t.Fatal(err)
	}
	if uptime(t, server) < 4 {
		if err := compareAndSet(young); err != memcached.ErrConflict {
			t.Errorf("a Token of a young server, on another connection: got %v, want ErrConflict", err)
		}
	}

	eventually(t, "the server is over a second old", func() bool { return uptime(t, server) >= 4 })
	old, err := newClient(t, nil, server).Set(ctx, "k", memcached.Item{})
	if err != nil {
		t.Fatal(err)
	}
	if err := compareAndSet(old); err != nil {
		t.Errorf("on another connection: got %v, want it accepted", err)
	}
}

func uptime(t *testing.T, server *memcachedtest.Server) (seconds int) {
	t.Helper()
	stats := server.CommandUntil("stats\r\n", "END\r\n")
	_, rest, _ := strings.Cut(stats, "STAT uptime ")
	if _, err := fmt.Sscan(rest, &seconds); err != nil {
		t.Fatal(err)
	}
	return seconds
}
