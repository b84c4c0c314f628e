package session

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"sync/atomic"
)

// exchange is one request under one Manager. It is at once the context that
// carries the session, the copy of the request that has that context, and the
// writer that commits before the first byte leaves: a route that never asks
// for its session costs this one allocation. It is not reused, since a
// goroutine that outlives the request may still hold it.
type exchange struct {
	context.Context // of the request

	m     *Manager
	asked atomic.Pointer[Session] // nil or headerSent: nobody has asked
	req   http.Request
	w     http.ResponseWriter
	outer http.Header // what stood in the header before this handler ran

	begun bool  // the header is written, or an error instead of it
	err   error // why the handler's response is not sent
}

// headerSent stands for the session nobody asked for before the response
// header was written. Who asks later can read it.
var headerSent = new(Session)

// session returns the request's session, which nobody may have loaded yet.
func (x *exchange) session() *Session {
	for {
		s := x.asked.Load()
		if s != nil && s != headerSent {
			return s
		}
		asked := &Session{m: x.m, in: x.req.Header, ctx: x.Context, sealed: s == headerSent}
		if x.asked.CompareAndSwap(s, asked) {
			return asked
		}
	}
}

type exchangeKey struct{}

// Value finds the exchange itself: the innermost under exchangeKey, that of
// one Manager under the Manager.
func (x *exchange) Value(key any) any {
	switch key := key.(type) {
	case exchangeKey:
		return x
	case *Manager:
		if key == x.m {
			return x
		}
	}
	return x.Context.Value(key)
}

// String and Format keep the request, with its cookies, out of what is printed
// where somebody prints a context.
func (x *exchange) String() string { return "session.Handler" }

// Format prints what String returns, with every verb.
func (x *exchange) Format(f fmt.State, _ rune) { io.WriteString(f, x.String()) }

// serve runs next on a request, and commits when it returns.
func (m *Manager) serve(w http.ResponseWriter, r *http.Request, c condition, next http.Handler) {
	x := &exchange{Context: r.Context(), m: m, w: w}
	x.req = *r.WithContext(x) // inlined, so this copies and does not allocate
	if h := w.Header(); len(h) > 0 {
		x.outer = h.Clone()
	}
	if c == 0 || x.admit(x, &x.req, c) {
		next.ServeHTTP(x, &x.req)
	}
	if x.commit() {
		if s := x.asked.Load(); s != headerSent {
			s.late(x)
		}
	}
	if r.MultipartForm == nil {
		r.MultipartForm = x.req.MultipartForm // so that the server removes its files
	}
}

// commit saves the session, the first time it is called: what follows is the
// response header. It reports whether the handler's response may be sent.
func (x *exchange) commit() bool {
	if x.begun {
		return x.err == nil
	}
	x.begun = true
	if x.asked.CompareAndSwap(nil, headerSent) {
		return true
	}
	s := x.asked.Load()
	x.err = s.finish(x)
	h := x.w.Header()
	if x.err == nil {
		s.announce(h)
		return true
	}
	clear(h)
	maps.Copy(h, x.outer)
	s.announce(h)
	w := &errorWriter{ResponseWriter: x.w}
	if x.m.options.Error(w, &x.req, x.err); !w.wrote {
		w.WriteHeader(http.StatusInternalServerError) // or it would be a 200
	}
	return false
}

// errorWriter notices whether Options.Error has answered.
type errorWriter struct {
	http.ResponseWriter
	wrote bool
}

func (w *errorWriter) WriteHeader(status int) {
	w.wrote = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *errorWriter) Write(p []byte) (int, error) {
	w.wrote = true
	return w.ResponseWriter.Write(p)
}

func (w *errorWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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

// Hijack commits too: what the handler then writes by hand should carry the
// header as it stands.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if !x.commit() {
		return nil, nil, x.err
	}
	return http.NewResponseController(x.w).Hijack()
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

// Unwrap is for http.ResponseController: deadlines and full duplex.
func (x *exchange) Unwrap() http.ResponseWriter { return x.w }
