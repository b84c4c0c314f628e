package koa

import (
	"errors"
	"net/http"

	"github.com/holdfast-go/session"
)

// Hooks are the options valid and beforeSave of Koa's session packages, for a
// Go service that takes their place. Put [Hooks.Handler] into that of the
// Manager.
type Hooks struct {
	// Valid is asked for each session that a visitor brings. A session that is not
	// valid ends, and the handler has an empty one.
	Valid func(*http.Request, *session.Session) bool

	// BeforeSave runs before the response header is written, where the handler
	// has asked for the session: the last moment at which what is set is saved
	// with the rest. An error replaces the response.
	BeforeSave func(*http.Request, *session.Session) error
}

// Handler runs the hooks around next. It must be inside a Handler of a Manager.
// With Valid every request loads its session.
func (h Hooks) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.Valid != nil {
			s, err := session.From(r.Context())
			if err == nil && s.ID() != "" && !h.Valid(r, s) {
				_, err = s.Destroy(r.Context()) // a Pending one is over here too, and nobody is told of it
			}
			if err != nil && !errors.Is(err, session.ErrUnavailable) {
				session.Error(w, r, err)
				return
			}
		}
		if h.BeforeSave == nil {
			next.ServeHTTP(w, r)
			return
		}
		b := &beforeSave{ResponseWriter: w, request: r, run: h.BeforeSave}
		next.ServeHTTP(b, r)
		b.once()
	})
}

// beforeSave is a response writer that runs a hook before it is first used.
type beforeSave struct {
	http.ResponseWriter
	request *http.Request
	run     func(*http.Request, *session.Session) error
	done    bool
	err     error
}

// once reports whether the handler's response may be sent.
func (b *beforeSave) once() bool {
	if !b.done {
		b.done = true
		if s, ok := session.Loaded(b.request.Context()); ok {
			if b.err = b.run(b.request, s); b.err != nil {
				session.Error(b.ResponseWriter, b.request, b.err)
			}
		}
	}
	return b.err == nil
}

func (b *beforeSave) WriteHeader(status int) {
	isInformational := status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols
	if isInformational || b.once() {
		b.ResponseWriter.WriteHeader(status)
	}
}

func (b *beforeSave) Write(p []byte) (int, error) {
	if !b.once() {
		return 0, b.err
	}
	return b.ResponseWriter.Write(p)
}

// FlushError is for http.ResponseController.
func (b *beforeSave) FlushError() error {
	if !b.once() {
		return b.err
	}
	return http.NewResponseController(b.ResponseWriter).Flush()
}

// Flush sends what is written so far.
func (b *beforeSave) Flush() { _ = b.FlushError() }

// Unwrap is for http.ResponseController: hijacking and deadlines.
func (b *beforeSave) Unwrap() http.ResponseWriter { return b.ResponseWriter }
