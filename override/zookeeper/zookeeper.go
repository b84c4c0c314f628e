// Package zookeeper is a source of orders for a whole fleet: a node of ZooKeeper, version
// 3.4 or newer.
//
//	source, err := zookeeper.New([]string{"zk-1:2181", "zk-2:2181"}, "/shop/override", nil)
//	follower, err := override.Follow(source, &override.FollowOptions{Keep: "/var/lib/shop/override"})
//
// An operator gives an order by
//
//	zkCli.sh create /shop/override backup-only
//
// or set, and ends it by deleting the node. The node's data is what [override.Parse] reads;
// it needs no newline.
package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/holdfast-go/session/override"
)

// Options are the options of New. Nil means all defaults.
type Options struct {
	// Session is how long ZooKeeper keeps the session of a client that has fallen
	// silent. The client leaves a server that is silent for two thirds of it. It
	// defaults to 6 s. No order ends with a session.
	Session time.Duration

	// User and Password are a digest for a node with an access list. No error shows
	// them.
	User, Password string
}

// Source is an [override.Source] on one node.
type Source struct {
	servers []string
	path    string
	options Options

	conn  *zk.Conn
	mute  time.Time       // when the Reads began to fail; zero: the last has not
	renew atomic.Bool     // the next call makes another session
	watch <-chan zk.Event // fires once; nil where none is set
	busy  chan struct{}   // holds one while a call is under way
}

var _ override.Source = (*Source)(nil)

// New returns a Source on a node. Servers are the members of one ensemble, as
// "host:port" each. New calls none of them.
func New(servers []string, path string, o *Options) (*Source, error) {
	s := &Source{servers: servers, path: path, busy: make(chan struct{}, 1)}
	if o != nil {
		s.options = *o
	}
	if s.options.Session == 0 {
		s.options.Session = 6 * time.Second
	}
	if len(servers) == 0 {
		return nil, errors.New("zookeeper: no servers; name one, like 127.0.0.1:2181")
	}
	for _, server := range servers {
		host, port, err := net.SplitHostPort(server)
		isAddress := err == nil && host != "" && port != "" && !strings.Contains(server, "@")
		if !isAddress {
			return nil, errors.New("zookeeper: a server is no host:port")
		}
	}
	switch {
	case !isPath(path):
		return nil, fmt.Errorf("zookeeper: path %q; write one like /shop/override", path)
	case s.options.Session < 0:
		return nil, fmt.Errorf("zookeeper: Session is %v; zero is the default", s.options.Session)
	}
	return s, nil
}

// isPath reports whether p is the path of a node other than the root.
func isPath(p string) bool {
	whole := strings.HasPrefix(p, "/") && !strings.HasSuffix(p, "/")
	return whole && !strings.Contains(p, "//") && !strings.Contains(p, "\x00")
}

// String names the node.
func (s *Source) String() string { return "zookeeper node " + s.path }

// Read implements [override.Source]. A member that lags behind the others may answer with
// an older text; then Wait returns as soon as the member has caught up.
func (s *Source) Read(ctx context.Context) (text string, stands bool, err error) {
	type answer struct {
		data  []byte
		watch <-chan zk.Event
	}
	if s.fired() {
		s.watch = nil
	}
	watch := s.watch
	got, err := call(ctx, s, func(conn *zk.Conn) (a answer, err error) {
		// The watch is set before the data is read, so that no change is missed, and only
		// where none is set: the client keeps each until it has fired. Exists sets one on
		// a missing node too.
		if a.watch = watch; watch == nil {
			if _, _, a.watch, err = conn.ExistsW(s.path); err != nil {
				return a, err
			}
		}
		a.data, _, err = conn.Get(s.path)
		return a, err
	})
	if got.watch != nil {
		s.watch = got.watch
	}
	switch {
	case errors.Is(err, zk.ErrNoNode):
		s.mute = time.Time{}
		return "", false, nil
	case err != nil:
		s.silence(time.Now())
		return "", false, fmt.Errorf("zookeeper: %w", err)
	}
	s.mute = time.Time{}
	return string(got.data), true, nil
}

// silence notes a Read that has failed. After two sessions' time of them the next call makes
// another session: a server that has lost its data refuses a client that has seen more than
// the server has, and the client would ask for ever.
func (s *Source) silence(now time.Time) {
	switch {
	case s.mute.IsZero():
		s.mute = now
	case now.Sub(s.mute) > 2*s.options.Session:
		s.mute = time.Time{}
		s.watch = nil
		s.renew.Store(true)
	}
}

// fired reports whether the watch has fired, which it does once.
func (s *Source) fired() bool {
	select {
	case <-s.watch:
		return true
	default:
		return false
	}
}

// Wait implements [override.Source].
func (s *Source) Wait(ctx context.Context) error {
	if s.watch == nil {
		return errors.New("zookeeper: nothing was read yet")
	}
	select {
	case e := <-s.watch:
		s.watch = nil
		return e.Err // that the session has expired, for example
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the session.
func (s *Source) Close() error {
	s.busy <- struct{}{} // waits for a call under way, which connects perhaps
	if s.conn != nil {
		s.conn.Close()
	}
	return nil
}

// call runs do on the connection, and returns when ctx ends though do has not: the client
// knows no contexts. One do runs at a time.
func call[T any](ctx context.Context, s *Source, do func(*zk.Conn) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	select {
	case s.busy <- struct{}{}:
	case <-ctx.Done():
		return none, fmt.Errorf("an earlier call has no answer yet: %w", ctx.Err())
	}
	done := make(chan result, 1)
	go func() {
		var r result
		if r.err = s.connect(); r.err == nil {
			r.value, r.err = do(s.conn)
		}
		<-s.busy
		done <- r
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// connect makes the session, which the client makes anew by itself when it has expired.
func (s *Source) connect() error {
	if s.renew.CompareAndSwap(true, false) && s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
	if s.conn != nil {
		return nil
	}
	conn, _, err := zk.Connect(s.servers, s.options.Session, zk.WithLogger(silent{}), zk.WithLogInfo(false))
	if err != nil {
		return err
	}
	if s.options.User != "" {
		if err := conn.AddAuth("digest", []byte(s.options.User+":"+s.options.Password)); err != nil {
			conn.Close()
			return err
		}
	}
	s.conn = conn
	return nil
}

// silent drops what the client would print: Read returns its errors.
type silent struct{}

func (silent) Printf(string, ...any) {}
