package redisstore_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// A server, or a proxy that is loaded anew, hangs up on all clients again and again, and
// answers the next connection at once.
func TestAReadWhoseConnectionIsClosedIsSentAgain(t *testing.T) {
	for name, options := range map[string][]redisstore.Option{"plain": nil, "cached": {redisstore.ClientCache(time.Millisecond)}} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			client := newClient(t, server.URL(), func(o *rueidis.ClientOption) { *o, _ = redisstore.ClientOption(server.URL(), options...) })
			store := redisstore.New(client, options...)
			mustSave(t, store, "a", record("x"), session.Absent)
			stop := make(chan bool)
			var readers sync.WaitGroup
			var reads atomic.Int64
			for range 8 {
				readers.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						ctx, cancel := context.WithTimeout(t.Context(), patience)
						if _, err := store.Load(ctx, "a"); err != nil {
							t.Errorf("after %d reads: %v", reads.Load(), err)
						}
						cancel()
						reads.Add(1)
					}
				})
			}
			for range 15 {
				before := reads.Load()
				eventually(t, "more reads", func() bool { return reads.Load() > before+50 })
				server.Command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			}
			close(stop)
			readers.Wait()
			t.Logf("%d reads over 15 times that all connections were closed", reads.Load())
		})
	}
}

// address is one behind which another server takes over; connections that stand stay.
type address struct {
	net.Listener
	server atomic.Pointer[string]
}

func newAddress(t *testing.T, server string) *address {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	a := &address{Listener: l}
	a.server.Store(&server)
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", *a.server.Load())
			if err != nil {
				client.Close()
				continue
			}
			go pass(there, client)
			go pass(client, there)
		}
	}()
	return a
}

func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}

// A primary is replaced behind one address, as by a managed service or a virtual
// address: the old one is a replica from then on and keeps its connections.
func TestAPrimaryThatIsReplacedBehindItsAddressIsNoticed(t *testing.T) {
	for _, by := range []string{"a write", "a compare-and-set", "a probe"} {
		t.Run(by, func(t *testing.T) {
			first, second := redistest.Start(t), redistest.Start(t)
			a := newAddress(t, first.Addr())
			store := redisstore.New(newClient(t, "redis://"+a.Addr().String()))
			old := mustSave(t, store, "a", record("x"), session.Absent)
			for n := range 20 { // over each of the client's connections
				mustSave(t, store, session.ID("b"+strconv.Itoa(n)), record("x"), session.Absent)
			}
			server := second.Addr()
			a.server.Store(&server)
			host, port, _ := net.SplitHostPort(second.Addr())
			if got := first.Command("REPLICAOF", host, port); got != "OK" {
				t.Fatal(got)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			switch by {
			case "a write":
				if _, err := store.Save(ctx, "c", record("y"), session.Absent); err != nil {
					t.Errorf("the first write after it: %v", err)
				}
			case "a compare-and-set":
				if _, err := store.Save(ctx, "a", record("y"), old); !errors.Is(err, session.ErrConflict) {
					t.Errorf("the first write after it: %v, want ErrConflict of the new primary, which is empty", err)
				}
			case "a probe":
				shard := store.Shard("a")
				if _, err := store.Probe(ctx, shard); err == nil {
					t.Error("a replica passes the probe")
				}
				if _, err := store.Probe(ctx, shard); err != nil {
					t.Errorf("the second probe: %v", err)
				}
			}
			for n := range 20 {
				if _, err := store.Save(ctx, session.ID("d"+strconv.Itoa(n)), record("y"), session.Absent); err != nil {
					t.Errorf("write %d after it: %v", n, err)
				}
			}
		})
	}
}

// A replica that stays one is an error, after one more try.
func TestAReplicaIsAnErrorOfTheWrite(t *testing.T) {
	first, second := redistest.Start(t), redistest.Start(t)
	store := redisstore.New(newClient(t, first.URL()))
	mustSave(t, store, "a", record("x"), session.Absent)
	host, port, _ := net.SplitHostPort(second.Addr())
	if got := first.Command("REPLICAOF", host, port); got != "OK" {
		t.Fatal(got)
	}
	first.Reset()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := store.Save(ctx, "b", record("y"), session.Absent); err == nil {
		t.Error("a replica took a write")
	}
	if n := first.Calls(t)["set"]; n > 4 {
		t.Errorf("the write was sent %d times", n)
	}
}
