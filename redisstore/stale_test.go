package redisstore_test

import (
	"bytes"
	"context"
	"crypto/tls"
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

// moves has second take the place of first behind the address; first is its replica from then on.
func (a *address) moves(t *testing.T, first, second *redistest.Server) {
	t.Helper()
	server := second.Addr()
	a.server.Store(&server)
	host, port, _ := net.SplitHostPort(server)
	if got := first.Command("REPLICAOF", host, port); got != "OK" {
		t.Fatal(got)
	}
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
			a.moves(t, first, second)
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

// unaware is a connection whose end its client notices when it writes, and not before.
type unaware struct {
	net.Conn
	failed chan struct{}
	once   sync.Once
}

func (c *unaware) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil {
		c.once.Do(func() { close(c.failed) })
	}
	return n, err
}

func (c *unaware) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil {
		<-c.failed
	}
	return n, err
}

func (c *unaware) Close() error {
	c.once.Do(func() { close(c.failed) }) // the client has noticed, or ends
	return c.Conn.Close()
}

// The store closes connections that lead to a replica. The client may choose one of them for
// the next command before it has noticed: none of these fails.
func TestACommandMayMeetAConnectionThatWasGivenUp(t *testing.T) {
	for name, save := range map[string]func(*redisstore.Store, context.Context, string) error{
		"a write": func(s *redisstore.Store, ctx context.Context, key string) error {
			_, err := s.Save(ctx, session.ID(key), record("y"), session.Absent)
			return err
		},
		"a read": func(s *redisstore.Store, ctx context.Context, key string) error {
			_, err := s.Load(ctx, session.ID(key))
			if errors.Is(err, session.ErrNotFound) {
				err = nil
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := redistest.Start(t), redistest.Start(t)
			a := newAddress(t, first.Addr())
			client := newClient(t, "redis://"+a.Addr().String(), func(o *rueidis.ClientOption) {
				dial := o.DialCtxFn
				o.DialCtxFn = func(ctx context.Context, address string, d *net.Dialer, c *tls.Config) (net.Conn, error) {
					conn, err := dial(ctx, address, d, c)
					if err != nil {
						return nil, err
					}
					return &unaware{Conn: conn, failed: make(chan struct{})}, nil
				}
			})
			store := redisstore.New(client)
			for n := range 20 {
				mustSave(t, store, session.ID("b"+strconv.Itoa(n)), record("x"), session.Absent)
			}
			a.moves(t, first, second)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, err := store.Save(ctx, "c", record("y"), session.Absent); err != nil {
				t.Errorf("the write that learns of it: %v", err)
			}
			for n := range 20 {
				if err := save(store, ctx, "d"+strconv.Itoa(n)); err != nil {
					t.Errorf("%s %d after it: %v", name, n, err)
				}
			}
		})
	}
}

// What was under way on a connection that is given up may have been done: it is an error, and
// is not sent again.
func TestACommandThatWasUnderWayIsNotSentAgain(t *testing.T) {
	server := redistest.Start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var sent atomic.Int64 // times that the key "held" went by
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", server.Addr())
			if err != nil {
				client.Close()
				continue
			}
			go pass(client, there)
			go func() {
				swallowing := false
				b := make([]byte, 64<<10)
				for {
					n, err := client.Read(b)
					if err != nil {
						there.Close()
						return
					}
					if bytes.Contains(b[:n], []byte("held")) {
						sent.Add(1)
						swallowing = true
					}
					if !swallowing {
						_, _ = there.Write(b[:n])
					}
				}
			}()
		}
	}()
	store := redisstore.New(newClient(t, "redis://"+l.Addr().String(), func(o *rueidis.ClientOption) { o.PipelineMultiplex = 2 }))
	for n := range 20 { // over each of the client's connections
		mustSave(t, store, session.ID("b"+strconv.Itoa(n)), record("x"), session.Absent)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var saves sync.WaitGroup
	saves.Go(func() {
		if _, err := store.Save(ctx, "held", record("y"), session.Absent); err == nil {
			t.Error("a write without an answer passes for one that is done")
		}
	})
	eventually(t, "the write is under way", func() bool { return sent.Load() > 0 })
	if got := server.Command("REPLICAOF", "127.0.0.1", "1"); got != "OK" {
		t.Fatal(got)
	}
	for n := range 20 { // those over the other connections learn that it is a replica
		saves.Go(func() {
			if _, err := store.Save(ctx, session.ID("c"+strconv.Itoa(n)), record("y"), session.Absent); err == nil {
				t.Error("a replica took a write")
			}
		})
	}
	saves.Wait()
	if n := sent.Load(); n != 1 {
		t.Errorf("the write under way was sent %d times", n)
	}
}
