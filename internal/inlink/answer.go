package inlink

import (
	"io"
	"net/http"
	"strings"

	"github.com/holdfast-go/session/internal/headers"
)

// answer puts what the links of an answer need into its header, before that is written.
type answer struct {
	http.ResponseWriter
	visit    *visit
	returned bool // the handler has, without a panic
	done     bool // the header is written
}

// begin is called before the header is written.
func (a *answer) begin() {
	if !a.done {
		a.done = true
		a.prepare()
	}
}

// end is called when the handler has returned, which is not the end of the answer: middleware
// further out may still write it, through this writer, or after a panic past it.
func (a *answer) end() {
	switch {
	case a.done:
	case a.returned:
		a.prepare()
	default:
		setReferrerPolicy(a.Header())
		headers.NoStore(a.Header()) // what the links have is not known
	}
}

func (a *answer) prepare() {
	h, v := a.Header(), a.visit
	setReferrerPolicy(h)
	if to := h.Get("Location"); v.leads(to) {
		h.Set("Location", v.link(to))
	}
	if v.mayCarry() {
		headers.NoStore(h)
	}
}

// setReferrerPolicy keeps the token from other sites. Of the two policies that do, this one
// leaves requests of the site's own pages a Referer and an Origin, by which they are told
// from others. A handler may choose the other.
func setReferrerPolicy(h http.Header) {
	const field, policy, strictest = "Referrer-Policy", "same-origin", "no-referrer"
	for name := range h {
		if name != field && strings.EqualFold(name, field) {
			delete(h, name) // the last line of several counts
		}
	}
	if lines := h[field]; len(lines) != 1 || lines[0] != strictest {
		h[field] = []string{policy}
	}
}

func (a *answer) WriteHeader(status int) {
	if informational := status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols; !informational {
		a.begin()
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(p)
}

func (a *answer) WriteString(s string) (int, error) {
	a.begin()
	return io.WriteString(a.ResponseWriter, s)
}

// ReadFrom keeps sendfile working.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	a.begin()
	return io.Copy(a.ResponseWriter, r)
}

func (a *answer) FlushError() error {
	a.begin()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

func (a *answer) Flush() { _ = a.FlushError() }

// Written is asked for by the Manager: see begun.Elsewhere.
func (a *answer) Written() bool {
	t, ok := a.ResponseWriter.(interface{ Written() bool })
	return ok && t.Written()
}

func (a *answer) Push(target string, o *http.PushOptions) error {
	if p, ok := a.ResponseWriter.(http.Pusher); ok {
		return p.Push(target, o)
	}
	return http.ErrNotSupported
}

// Unwrap is for http.ResponseController: deadlines, full duplex, and to hijack.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
