package inlink

import (
	"io"
	"net/http"

	"github.com/holdfast-go/session/internal/headers"
)

// answer puts what the links of an answer need into its header, before that is written.
type answer struct {
	http.ResponseWriter
	visit *visit
	done  bool
}

func (a *answer) prepare() {
	if a.done {
		return
	}
	a.done = true
	h, v := a.Header(), a.visit
	setReferrerPolicy(h)
	if to := h.Get("Location"); v.use && ours(to, v.links.Path) {
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
	const policy, strictest = "same-origin", "no-referrer"
	if lines := h["Referrer-Policy"]; len(lines) != 1 || lines[0] != strictest {
		h["Referrer-Policy"] = []string{policy}
	}
}

func (a *answer) WriteHeader(status int) {
	if informational := status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols; !informational {
		a.prepare()
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.prepare()
	return a.ResponseWriter.Write(p)
}

func (a *answer) WriteString(s string) (int, error) {
	a.prepare()
	return io.WriteString(a.ResponseWriter, s)
}

// ReadFrom keeps sendfile working.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	a.prepare()
	return io.Copy(a.ResponseWriter, r)
}

func (a *answer) FlushError() error {
	a.prepare()
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
