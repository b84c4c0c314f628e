package memcached_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/memcached"
)

// A proxy swallows one reply and leaves the connection open. From then on each reply that
// comes is the one before the one that is waited for. The client notices with the next
// reply, whatever was asked, and dials anew. It does not wait for Options.Timeout: that is
// the limit for a server that sends no reply at all.
func TestAReplyThatIsLostOnAnOpenConnectionEndsIt(t *testing.T) {
	noneLeft(t)
	server := memcachedtest.Start(t)
	type operation = func(ctx context.Context, c *memcached.Client) error
	item := memcached.Item{Value: []byte("right")}
	for _, test := range []struct {
		name string
		do   operation
	}{
		{"probe", func(ctx context.Context, c *memcached.Client) error {
			_, err := c.Probe(ctx, c.Nodes()[0])
			return err
		}},
		{"get", func(ctx context.Context, c *memcached.Client) error {
			got, err := c.Get(ctx, "stands")
			if err == nil && string(got.Value) != "right" {
				t.Errorf("got %q", got.Value)
			}
			return err
		}},
		{"get and touch", func(ctx context.Context, c *memcached.Client) error {
			_, err := c.GetAndTouch(ctx, "stands", time.Time{})
			return err
		}},
		{"a get that misses", func(ctx context.Context, c *memcached.Client) error {
			_, err := c.Get(ctx, "nothing")
			return but(err, memcached.ErrMiss)
		}},
		{"touch", func(ctx context.Context, c *memcached.Client) error { return c.Touch(ctx, "stands", time.Time{}) }},
		{"set", func(ctx context.Context, c *memcached.Client) error {
			_, err := c.Set(ctx, "stands", item)
			return err
		}},
		{"add", func(ctx context.Context, c *memcached.Client) error {
			_, err := c.Add(ctx, "stands", item)
			return but(err, memcached.ErrNotStored)
		}},
		{"delete", func(ctx context.Context, c *memcached.Client) error {
			return but(c.Delete(ctx, "nothing"), memcached.ErrMiss)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var swallow atomic.Bool
			var connections atomic.Int32
			addr := relay.Relay{
				Accepted: func() { connections.Add(1) },
				Down: func(b []byte) []byte {
					if swallow.CompareAndSwap(true, false) {
						return []byte{}
					}
					return b
				},
			}.Start(t, server.Addr)
			c, err := memcached.New(memcached.Servers(addr), &memcached.Options{Timeout: timeleft.Patience})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Set(within(t, time.Minute), "stands", item); err != nil {
				t.Fatal(err)
			}
			swallow.Store(true)
			if err := soon(t, c, test.do); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("the reply that is lost: got %v, want context.DeadlineExceeded", err)
			}
			var errs []error
			eventually(t, "an answer again", func() bool {
				err := soon(t, c, test.do)
				errs = append(errs, err)
				return err == nil
			})
			if n := connections.Load(); n != 2 {
				t.Errorf("%d connections, want 2; the errors in between: %v", n, errs)
			}
		})
	}
}

// but returns the error of an operation, but for one.
func but(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// soon does something whose caller leaves soon.
func soon(t *testing.T, c *memcached.Client, do func(context.Context, *memcached.Client) error) error {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	return do(ctx, c)
}

// A server that is full answers with an error, which does not name the request.
func TestAnErrorThatIsLostIsNoticedByTheNextOne(t *testing.T) {
	noneLeft(t)
	var asked atomic.Int32
	addr := fake(t, func(nc net.Conn, br *bufio.Reader) {
		for {
			line, _, err := readRequest(br)
			if err != nil {
				return
			}
			if !strings.HasPrefix(line, "ms ") {
				continue // the value
			}
			if asked.Add(1) != 1 {
				fmt.Fprint(nc, "SERVER_ERROR out of memory storing object\r\n")
			}
		}
	})
	c, err := memcached.New(memcached.Servers(addr), &memcached.Options{Timeout: timeleft.Patience})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	set := func(ctx context.Context, c *memcached.Client) error {
		_, err := c.Set(ctx, "k", memcached.Item{Value: []byte("value")})
		return err
	}
	if err := soon(t, c, set); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the error that is lost: got %v, want context.DeadlineExceeded", err)
	}
	eventually(t, "the server's error", func() bool {
		full := new(memcached.ServerError)
		return errors.As(soon(t, c, set), &full)
	})
}

// A caller who has left a server that was slow costs no connection, also where the answer
// is an error then: as many answers have come as there were requests.
func TestAnErrorForACallerWhoHasLeftCostsNoConnection(t *testing.T) {
	noneLeft(t)
	var connections atomic.Int32
	answer := make(chan struct{})
	addr := fake(t, func(nc net.Conn, br *bufio.Reader) {
		connections.Add(1)
		for {
			line, opaque, err := readRequest(br)
			if err != nil {
				return
			}
			switch {
			case strings.HasPrefix(line, "ms "):
				<-answer
				fmt.Fprint(nc, "SERVER_ERROR out of memory storing object\r\n")
			case strings.HasPrefix(line, "mg "):
				fmt.Fprintf(nc, "EN O%s\r\n", opaque)
			}
		}
	})
	// With Queue no request is sent before the one is answered whose caller has left.
	c, err := memcached.New(memcached.Servers(addr), &memcached.Options{Timeout: timeleft.Patience, Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := soon(t, c, func(ctx context.Context, c *memcached.Client) error {
		_, err := c.Set(ctx, "k", memcached.Item{Value: []byte("value")})
		return err
	}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a slow server: got %v, want context.DeadlineExceeded", err)
	}
	close(answer)
	eventually(t, "an answer again", func() bool {
		_, err := c.Get(within(t, time.Minute), "k")
		return errors.Is(err, memcached.ErrMiss)
	})
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}
