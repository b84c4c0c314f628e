package redisstore

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// connection is a connection that the registry knows until it is closed. It compares the
// server's answers with the commands, and ends where an answer makes no sense (decision
// 77). The client would panic in a goroutine of its own, which ends the process.
type connection struct {
	net.Conn
	address string
	made    time.Time

	asked    frames // of Write
	answered frames // of Read
	broken   error  // what Read met

	questions  atomic.Int64
	answers    int64       // that Read has met
	subscribed atomic.Bool // to channels, or to MONITOR: their messages answer no command

	mu        sync.Mutex // guards all below
	due       int64      // how many answers there must be so that nothing but a PING is under way
	dueBefore int64      // the same without the last question
	given     int64      // answers that Read has returned
	abandoned bool
	idle      bool // nothing but a PING was under way when it was abandoned
}

var (
	// errUnsent is of a command for a connection that was abandoned, which the client has
	// not noticed yet. The command was not sent.
	errUnsent = errors.New("session: redis: the connection was given up before the command was sent")

	errUnasked   = errors.New("an answer that nobody asked for")
	errUnordered = errors.New("a subscription that nobody asked for")
)

func newConnection(conn net.Conn, address string) *connection {
	c := &connection{Conn: conn, address: address, made: time.Now()}
	c.asked.began = func() {
		c.dueBefore, c.due = c.due, c.questions.Add(1)
	}
	c.asked.message = func(_ byte, word []byte) error {
		switch string(upper(word)) {
		case "PING":
			c.due = c.dueBefore
		case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR":
			c.subscribed.Store(true)
		}
		return nil
	}
	c.answered.message = c.hear
	return c
}

// Write counts a command before its last byte leaves, and so before it is answered.
func (c *connection) Write(b []byte) (int, error) {
	if err := c.count(b); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *connection) count(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle {
		return errUnsent
	}
	if err := c.asked.take(b); err != nil {
		return fmt.Errorf("session: redis: a command with %w", err)
	}
	return nil
}

// Read returns no bytes of a piece in which an answer makes no sense.
func (c *connection) Read(b []byte) (int, error) {
	if c.broken != nil {
		return 0, c.broken
	}
	n, err := c.Conn.Read(b)
	if garbage := c.answered.take(b[:n]); garbage != nil {
		c.broken = fmt.Errorf("session: redis: the server, or a proxy before it, sent %w", garbage)
		return 0, c.broken
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.given = c.answers
	if err != nil && c.idle {
		err = errUnsent
	}
	return n, err
}

// abandon closes the connection. The client goes on with it until it notices; where nothing
// was under way, nothing that it still gives to it can have been sent.
func (c *connection) abandon() {
	c.mu.Lock()
	if !c.abandoned {
		c.abandoned = true
		c.idle = c.given >= c.due
	}
	c.mu.Unlock()
	_ = c.Close() // it may be closed already
}

// hear takes a message of the server's.
func (c *connection) hear(kind byte, word []byte) error {
	if c.subscribed.Load() {
		return nil
	}
	if kind == '>' {
		switch string(word) {
		case "subscribe", "psubscribe", "ssubscribe":
			return errUnordered
		}
		return nil
	}
	c.answers++
	if c.answers > c.questions.Load() {
		return errUnasked
	}
	return nil
}

// upper makes a word of ASCII upper case, in place.
func upper(word []byte) []byte {
	for i, b := range word {
		if 'a' <= b && b <= 'z' {
			word[i] = b - 'a' + 'A'
		}
	}
	return word
}

func (c *connection) Close() error {
	connections.forget(c)
	return c.Conn.Close()
}
