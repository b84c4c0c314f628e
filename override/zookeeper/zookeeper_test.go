//go:build unix

package zookeeper

import (
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/internal/test/sourcetest"
	"github.com/holdfast-go/session/internal/test/zookeepertest"
	"github.com/holdfast-go/session/override"
)

// patience decides nothing in a test that passes.
const patience = 60 * time.Second

// folder has the nodes of all tests.
const folder = "/switch/"

// operator is a client that writes orders.
type operator struct {
	t    *testing.T
	conn *zk.Conn
}

func newOperator(t *testing.T, addr string) operator {
	t.Helper()
	conn, _, err := zk.Connect([]string{addr}, 20*time.Second, zk.WithLogger(silent{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	o := operator{t, conn}
	o.do("create the folder", func() error { return o.create("/switch", "") })
	return o
}

// do tries until it is done: the server may have started again a moment ago.
func (o operator) do(what string, try func() error) {
	o.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	o.t.Fatalf("%s: %v", what, err)
}

func (o operator) create(path, text string) error {
	_, err := o.conn.Create(path, []byte(text), 0, zk.WorldACL(zk.PermAll))
	if errors.Is(err, zk.ErrNodeExists) {
		return nil
	}
	return err
}

func (o operator) put(name, text string) {
	o.t.Helper()
	o.do("put "+name, func() error {
		_, err := o.conn.Set(folder+name, []byte(text), -1)
		if errors.Is(err, zk.ErrNoNode) {
			_, err = o.conn.Create(folder+name, []byte(text), 0, zk.WorldACL(zk.PermAll))
		}
		return err
	})
}

func (o operator) delete(name string) {
	o.t.Helper()
	o.do("delete "+name, func() error { return o.conn.Delete(folder+name, -1) })
}

func newSource(t *testing.T, name string, o *Options, servers ...string) *Source {
	t.Helper()
	s, err := New(servers, folder+name, o)
	if err != nil {
		t.Error(err)
	}
	return s
}

func place(t *testing.T, server *zookeepertest.Server) sourcetest.Place {
	o := newOperator(t, server.Addr())
	return sourcetest.Place{
		Server: server.Server,
		New:    func(name string) override.Source { return newSource(t, name, nil, server.Addr()) },
		Put:    o.put,
		Delete: o.delete,
	}
}

func TestANodeOfZooKeeperIsASource(t *testing.T) {
	server := zookeepertest.Start(t)
	p := place(t, server)
	sourcetest.Run(t, p)
	t.Run("a session that expires costs no change", func(t *testing.T) { expires(t, server, p) })
	t.Run("a connection that is lost", func(t *testing.T) { lost(t, server, p) })
	t.Run("a server that says nothing", func(t *testing.T) { mute(t, server, p) })
	t.Run("another server is asked where one does not answer", func(t *testing.T) {
		p.Put("second", "backup-only")
		p.New = func(name string) override.Source { return newSource(t, name, nil, "127.0.0.1:1", server.Addr()) }
		p.Follow(t, "second", "", sourcetest.Soon).Becomes("at the start", backupOnly)
	})
	t.Run("a name that leads nowhere", func(t *testing.T) {
		p.Put("unresolved", "backup-only")
		p.New = func(name string) override.Source { return newSource(t, name, nil, "zk.invalid:2181", server.Addr()) }
		p.Follow(t, "unresolved", "", sourcetest.Soon).Becomes("at the start", backupOnly)
	})
	t.Run("a node with an access list", func(t *testing.T) { listed(t, server) })
}

var backupOnly = session.Override{Mode: session.BackupOnly}

// expires cuts a client off for longer than its session lives, and changes the order
// meanwhile.
func expires(t *testing.T, server *zookeepertest.Server, p sourcetest.Place) {
	var cut atomic.Bool
	line := relay.Relay{Up: func(b []byte) []byte {
		if cut.Load() {
			return nil
		}
		return b
	}}.Start(t, server.Addr())
	var s *Source
	p.New = func(name string) override.Source {
		s = newSource(t, name, &Options{Session: 4 * time.Second}, line)
		return s
	}
	i := p.Follow(t, "expires", "", sourcetest.OnlyWatches)
	i.Notices("at the start", false)
	var id int64
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // a busy machine loses one before
		if id = s.line.conn.SessionID(); server.HasSession(id) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("session 0x%x: the server does not have it", id)
		}
	}
	cut.Store(true)
	for end := time.Now().Add(patience); server.HasSession(id); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the session does not expire")
		}
	}
	p.Put("expires", "backup-only")
	cut.Store(false)
	i.Becomes("a new session", backupOnly)
	if s.line.conn.SessionID() == id {
		t.Error("got the session of before, want a new one")
	}
	p.Delete("expires")
	i.Becomes("a change in the new session", session.Override{})
}

// lost breaks the connection. The client's own way back, which takes up the session, has a
// data race; another session's first call has its member catch up.
func lost(t *testing.T, server *zookeepertest.Server, p sourcetest.Place) {
	var cut atomic.Bool
	var calls callsOf
	line := relay.Relay{Accepted: calls.forget, Up: func(b []byte) []byte {
		if cut.CompareAndSwap(true, false) {
			return nil
		}
		calls.note(b)
		return b
	}}.Start(t, server.Addr())
	p.New = func(name string) override.Source { return newSource(t, name, &Options{Session: 3 * time.Second}, line) }
	i := p.Follow(t, "cut", "", sourcetest.OnlyWatches)
	for _, step := range []struct {
		text string
		want session.Override
	}{{"backup-only", backupOnly}, {"store-only", session.Override{Mode: session.StoreOnly}}} {
		cut.Store(true) // with the client's next ping
		for end := time.Now().Add(patience); cut.Load(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the client sends nothing")
			}
		}
		p.Put("cut", step.text)
		i.Becomes("another connection", step.want)
		session, made := calls.made()
		if session != 0 {
			t.Error("the session of the connection that was lost is taken up again, want a new one")
		}
		if len(made) < 2 || made[0] != syncing || made[1] != exists {
			t.Errorf("the first calls over the connection are %d, want sync and exists", made)
		}
	}
	p.Put("cut", "auto")
	i.Becomes("a change that is told of", session.Override{})
}

// The client's numbers of what it calls.
const (
	exists  = 3
	syncing = 9
	ping    = 11
)

// callsOf are the calls that went over the last connection.
type callsOf struct {
	mu      sync.Mutex
	begun   bool  // the session was asked for
	session int64 // that was taken up again; zero: a new one
	numbers []int32
}

func (c *callsOf) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.numbers, c.begun = nil, false
}

// note takes one packet: its length, the call's own number, and what it is.
func (c *callsOf) note(packet []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun {
		c.begun = true
		c.session = int64(binary.BigEndian.Uint64(packet[20:])) // after the protocol, what was seen, and the timeout
		return
	}
	if what := int32(binary.BigEndian.Uint32(packet[8:])); what != ping {
		c.numbers = append(c.numbers, what)
	}
}

func (c *callsOf) made() (session int64, numbers []int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session, slices.Clone(c.numbers)
}

// mute has a server first that takes connections and never answers.
func mute(t *testing.T, server *zookeepertest.Server, p sourcetest.Place) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p.Put("mute", "backup-only")
	var sources sync.WaitGroup
	for range 4 { // the client begins with any of them
		sources.Go(func() {
			s := newSource(t, "mute", nil, l.Addr().String(), server.Addr())
			text, _, err := s.Read(t.Context())
			if text != "backup-only" || err != nil {
				t.Errorf("got %q, %v, want the order at the other server", text, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	sources.Wait()
	conn, err := new(line).dial("tcp", l.Addr().String(), patience, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want a connection that is closed because no session came in time", err)
	}
}

func listed(t *testing.T, server *zookeepertest.Server) {
	o := newOperator(t, server.Addr())
	o.do("create", func() error {
		_, err := o.conn.Create(folder+"listed", []byte("backup-only"), 0, zk.DigestACL(zk.PermAll, "alice", "secret"))
		return err
	})
	for _, tt := range []struct {
		options *Options
		want    string
	}{
		{&Options{User: "alice", Password: "secret"}, "backup-only"},
		{&Options{User: "alice", Password: "terces"}, ""},
		{nil, ""},
	} {
		s := newSource(t, "listed", tt.options, server.Addr())
		defer s.Close()
		text, _, err := s.Read(t.Context())
		if text != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%+v: got %q, %v, want %q", tt.options, text, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "terces") {
			t.Errorf("the error %v has the password", err)
		}
	}
}

func TestNewRefusesWhatCannotBeMeant(t *testing.T) {
	here := []string{"127.0.0.1:2181"}
	for _, tt := range []struct {
		is, path string
		servers  []string
		options  *Options
	}{
		{"no path", "", here, nil},
		{"the root", "/", here, nil},
		{"a path without a beginning", "shop", here, nil},
		{"a path that ends in a slash", "/shop/", here, nil},
		{"an empty part", "/shop//override", here, nil},
		{"no servers", "/shop", nil, nil},
		{"a server without a port", "/shop", []string{"zk"}, nil},
		{"a password", "/shop", []string{"alice:secret@zk:2181"}, nil},
		{"a negative session", "/shop", here, &Options{Session: -1}},
	} {
		_, err := New(tt.servers, tt.path, tt.options)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want an error without the password", tt.is, err)
		}
	}
}

// A server that was restored without its data refuses clients that have seen more than it
// has: the client must forget what it has seen.
func TestTheServerLosesItsData(t *testing.T) {
	server := zookeepertest.Start(t)
	o := newOperator(t, server.Addr())
	for range 50 {
		o.put("lost", "backup-only") // what the client sees is far ahead
	}
	s := newSource(t, "lost", nil, server.Addr())
	f, err := override.Follow(s, &override.FollowOptions{Every: time.Second, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if f.Override().Mode != session.BackupOnly {
		t.Fatalf("got %+v, want backup only", f.Stats())
	}
	o.conn.Close() // its own client has seen as much
	server.Kill()
	server.Empty(t)
	server.Restart()
	newOperator(t, server.Addr()).put("lost", "store-only")
	for end := time.Now().Add(patience); f.Override().Mode != session.StoreOnly; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("got %+v, want the order of the new server", f.Stats())
		}
	}
}
