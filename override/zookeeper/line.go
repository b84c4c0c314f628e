package zookeeper

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/holdfast-go/session/internal/hosts"
)

// line is one session over one connection.
//
// The client would take a session up again over another connection, and set its watches
// again there. Version 1.0.4 has a data race then, where a call waits meanwhile; and a
// server that was restored without its data refuses for ever a client that has seen more than
// it has. So a session that has lost its connection is given up, and forgotten by ZooKeeper
// after [Options].Session.
type line struct {
	conn *zk.Conn

	stood atomic.Bool // there was a session
	lost  chan struct{}
	once  sync.Once // closes lost

	watch <-chan zk.Event // the last that was set; the goroutine of a call uses it
}

var errLost = errors.New("zookeeper: the connection was lost")

func newLine(servers []string, o Options) (*line, error) {
	l := &line{lost: make(chan struct{})}
	inTime := max(2*o.Session, leastToBegin)
	dial := func(network, address string, timeout time.Duration) (net.Conn, error) {
		if l.isLost() {
			return nil, errLost
		}
		return l.dial(network, address, timeout, inTime)
	}
	conn, _, err := zk.Connect(servers, o.Session, zk.WithLogger(silent{}), zk.WithLogInfo(false),
		zk.WithHostProvider(new(hosts.Ring)), zk.WithDialer(dial), zk.WithEventCallback(l.hear))
	if err != nil {
		return nil, err
	}
	if o.User != "" {
		if err := conn.AddAuth("digest", []byte(o.User+":"+o.Password)); err != nil {
			conn.Close()
			return nil, err
		}
	}
	l.conn = conn
	return l, nil
}

// leastToBegin is how long a session may take to begin, however short it is.
const leastToBegin = 5 * time.Second

// dial ends a connection over which there is no session in time: the client would wait for a
// server that is frozen for seven times [Options].Session, and asks no other one meanwhile.
func (l *line) dial(network, address string, timeout, inTime time.Duration) (net.Conn, error) {
	conn, err := hosts.Dial(network, address, timeout)
	if err != nil {
		return nil, err
	}
	time.AfterFunc(inTime, func() {
		if !l.stood.Load() {
			_ = conn.Close() // the client may have closed it already
		}
	})
	return conn, nil
}

// hear takes an event from the client's goroutines.
func (l *line) hear(e zk.Event) {
	switch {
	case e.Type != zk.EventSession:
	case e.State == zk.StateHasSession:
		l.stood.Store(true)
	case e.State == zk.StateDisconnected && l.stood.Load():
		l.once.Do(func() { close(l.lost) })
	}
}

func (l *line) isLost() bool {
	select {
	case <-l.lost:
		return true
	default:
		return false
	}
}

// look sets a watch on a node that may be missing, and returns it. A watch that has not fired
// stays: the client keeps each until it has. With the first of a line the member catches up
// with the others, so that it is not behind the member of the line before.
func (l *line) look(path string) (<-chan zk.Event, error) {
	if l.watch != nil && !fired(l.watch) {
		return l.watch, nil
	}
	if l.watch == nil {
		if _, err := l.conn.Sync(path); err != nil {
			return nil, err
		}
	}
	_, _, watch, err := l.conn.ExistsW(path)
	if err == nil {
		l.watch = watch
	}
	return watch, err
}

// fired reports whether a watch has fired, after which it is closed.
func fired(watch <-chan zk.Event) bool {
	select {
	case <-watch:
		return true
	default:
		return false
	}
}

// silent drops what the client would print: Read returns its errors.
type silent struct{}

func (silent) Printf(string, ...any) {}
