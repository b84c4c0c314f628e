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

	busy chan struct{} // holds one while a call is under way
	line *line         // whoever holds busy uses it

	read  *line           // of the last Read that had an answer
	watch <-chan zk.Event // of that Read; fires once
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
// an older text, but none older than any Read had before; then Wait returns as soon as the
// member has caught up.
func (s *Source) Read(ctx context.Context) (text string, stands bool, err error) {
	type answer struct {
		data  []byte
		line  *line
		watch <-chan zk.Event
	}
	got, err := call(ctx, s, func(l *line) (a answer, err error) {
		a.line = l
		if a.watch, err = l.look(s.path); err == nil {
			a.data, _, err = l.conn.Get(s.path)
		}
		return a, err
	})
	missing := errors.Is(err, zk.ErrNoNode)
	if err != nil && !missing {
		return "", false, fmt.Errorf("zookeeper: %w", err)
	}
	s.read, s.watch = got.line, got.watch
	return string(got.data), !missing, nil
}

// Wait implements [override.Source].
func (s *Source) Wait(ctx context.Context) error {
	if s.read == nil {
		return errors.New("zookeeper: nothing was read yet")
	}
	select {
	case e := <-s.watch:
		return e.Err
	case <-s.read.lost:
		return errLost
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the session.
func (s *Source) Close() error {
	s.busy <- struct{}{} // waits for a call under way, which connects perhaps
	if s.line != nil {
		s.line.conn.Close()
	}
	return nil
}

// call runs do on the connection, and returns when ctx ends though do has not: the client
// knows no contexts. One do runs at a time.
func call[T any](ctx context.Context, s *Source, do func(*line) (T, error)) (T, error) {
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
			r.value, r.err = do(s.line)
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

// connect makes a line where none stands.
func (s *Source) connect() error {
	if s.line != nil && !s.line.isLost() {
		return nil
	}
	if s.line != nil {
		go s.line.conn.Close() // it takes a second, where no server answers
		s.line = nil
	}
	l, err := newLine(s.servers, s.options)
	s.line = l
	return err
}
