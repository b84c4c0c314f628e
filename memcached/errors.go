package memcached

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// The errors of an operation. ErrTooLarge and ErrBusy arrive wrapped: compare
// with errors.Is.
var (
	// ErrMiss: nothing stands under the key.
	ErrMiss = errors.New("memcached: no such item")

	// ErrConflict: the item of the key is not the one that the Token names.
	// Nothing was changed.
	ErrConflict = errors.New("memcached: item has another CAS")

	// ErrNotStored: Add found an item under the key. Nothing was changed.
	ErrNotStored = errors.New("memcached: item exists")

	// ErrTooLarge: the item is larger than the server's item_size_max, which
	// memcached's option -I raises. Nothing was sent, so that what stood
	// under the key still stands. Where the error wraps a *ServerError too,
	// only the server knew, and it has deleted what stood under the key.
	ErrTooLarge = errors.New("memcached: item too large")

	// ErrBusy: Options.Queue requests are in flight to the server already.
	// Nothing was sent.
	ErrBusy = errors.New("memcached: queue full")

	// ErrClosed: the Client was closed.
	ErrClosed = errors.New("memcached: client closed")

	// ErrNotMeta: what answers is no memcached that this package can talk
	// to: older than 1.6.13, a proxy, or no memcached at all.
	ErrNotMeta = errors.New("memcached: server does not speak the meta protocol of memcached 1.6.13 or later")
)

// Causes of a lost connection. All reach callers inside a *NodeError.
var (
	errOverdue = errors.New("no reply within Options.Timeout")
	errHungUp  = errors.New("server closed the connection")
	errRetired = errors.New("server was removed from the list")
	errLost    = errors.New("connection is closed")
	errCASOff  = errors.New("server runs without CAS (-C)")
)

// NodeError is an operation that a server did not answer, or answered with an
// error. It never holds a key or a value.
type NodeError struct {
	Node string // as it stands in Server.Addr
	Sent bool   // the request may have reached the server: a write may have happened
	Err  error  // the cause: of the network, the context's, ErrBusy, ErrNotMeta, a *ServerError

	// Broken: Sent, and the connection ended before the reply, by the server, a proxy or the
	// network. Another connection may answer.
	Broken bool
}

func (e *NodeError) Error() string {
	return "memcached: " + e.Node + ": " + strings.TrimPrefix(e.Err.Error(), "memcached: ")
}

func (e *NodeError) Unwrap() error { return e.Err }

// isBroken reports whether a connection ended by itself.
func isBroken(err error) bool {
	op := new(net.OpError)
	failed := errors.As(err, &op) && !op.Timeout()
	return failed || errors.Is(err, errHungUp) || errors.Is(err, io.ErrUnexpectedEOF)
}

// ServerError is an error line of the server's.
type ServerError struct {
	Line string // such as "SERVER_ERROR out of memory storing object"
}

func (e *ServerError) Error() string { return "server answered " + e.Line }

// protocolError is a reply that breaks the protocol or belongs to another
// request. It ends the connection, and quotes none of the reply, which may be a
// value.
type protocolError string

func (e protocolError) Error() string { return "broken reply: " + string(e) }

// serverError makes an error of a line. An error about an item's size is ErrTooLarge
// as well.
func serverError(line string) error {
	err := &ServerError{Line: line}
	if strings.HasPrefix(line, "SERVER_ERROR object too large") {
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return err
}
