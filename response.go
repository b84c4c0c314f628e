package session

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"

	"github.com/holdfast-go/session/internal/handshake"
)

// The methods of http.ResponseWriter and of all that handlers look for in
// one. Where the handler's response is replaced, they send nothing and return
// the reason.

func (x *exchange) Header() http.Header { return x.w.Header() }

func (x *exchange) WriteHeader(status int) {
	if informational := status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols; informational {
		if x.err == nil {
			x.w.WriteHeader(status)
		}
		return
	}
	if x.commit() {
		x.w.WriteHeader(status)
	}
}

func (x *exchange) Write(p []byte) (int, error) {
	if !x.commit() {
		return 0, x.err
	}
	return x.w.Write(p)
}

func (x *exchange) WriteString(s string) (int, error) {
	if !x.commit() {
		return 0, x.err
	}
	return io.WriteString(x.w, s)
}

// ReadFrom keeps sendfile working.
func (x *exchange) ReadFrom(r io.Reader) (int64, error) {
	if !x.commit() {
		return 0, x.err
	}
	return io.Copy(x.w, r)
}

func (x *exchange) Flush() { _ = x.FlushError() }

func (x *exchange) FlushError() error {
	if !x.commit() {
		return x.err
	}
	return http.NewResponseController(x.w).Flush()
}

// Hijack commits too, and adds the session's cookies to the head that the handler
// writes to the connection, as libraries for websockets do. Where the handler
// writes none, Hooks.Dropped gets ErrTooLate.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	sent := x.begun
	if !x.commit() {
		return nil, nil, x.err
	}
	c, rw, err := http.NewResponseController(x.w).Hijack()
	if err == nil && !sent {
		c, rw = handshake.Carry(c, rw, x.m.transport.Lines(x.w.Header()), x.lostCookies)
	}
	return c, rw, err
}

func (x *exchange) lostCookies() {
	if s := x.known(); s != nil && x.m.hooks.Dropped != nil {
		x.m.hooks.Dropped(x, s.name(), ErrTooLate)
	}
}

func (x *exchange) Push(target string, o *http.PushOptions) error {
	p, ok := x.w.(http.Pusher)
	if !ok {
		return http.ErrNotSupported
	}
	if !x.commit() {
		return x.err
	}
	return p.Push(target, o)
}

// CloseNotify is for gin's Stream, which panics where the writer does not have the
// method.
func (x *exchange) CloseNotify() <-chan bool {
	gone := make(chan bool, 1)
	context.AfterFunc(x.Context, func() { gone <- true })
	return gone
}

// Unwrap is for http.ResponseController: deadlines and full duplex.
func (x *exchange) Unwrap() http.ResponseWriter { return x.w }
