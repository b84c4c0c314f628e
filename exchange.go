package session

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync/atomic"

	"github.com/holdfast-go/session/internal/begun"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/token"
)

// exchange is one request under one Manager. It is at once the context that
// carries the session, the copy of the request that has that context, and the
// writer that commits before the first byte leaves: a route that never asks
// for its session costs this one allocation. It is not reused, since a
// goroutine that outlives the request may still hold it.
type exchange struct {
	context.Context // of the request

	m     *Manager
	asked atomic.Pointer[Session] // nil or one of those below: no code has asked
	req   http.Request
	w     http.ResponseWriter
	outer http.Header // what stood in the header before this handler ran

	err       error // why the handler's response is not sent
	begun     bool  // the header is written, or an error instead of it
	returned  bool  // the handler has, without a panic
	answering bool  // Options.Error runs
	nested    bool  // in another Manager's
}

var (
	// headerSent stands for a session that no code asked for before the response
	// header was written. Later callers can read it.
	headerSent = new(Session)

	// handlerReturned stands for a session that no code asked for before the
	// handler returned, where the header is not written yet.
	handlerReturned = new(Session)

	// allOver stands for a session that no code asked for before both.
	allOver = new(Session)
)

// known returns the request's session if some code has asked for it, else nil.
func (x *exchange) known() *Session {
	switch s := x.asked.Load(); s {
	case headerSent, handlerReturned, allOver:
		return nil
	default:
		return s
	}
}

// session returns the request's session, which may not be loaded yet.
func (x *exchange) session() *Session {
	for {
		if s := x.known(); s != nil {
			return s
		}
		s := x.asked.Load()
		asked := x.m.newSession(x.Context, x.m.transport.Of(&x.req), x.req.Header, x.req.Host)
		asked.visits = s == nil || s == headerSent // otherwise no code reports the end of the request
		asked.sealed = s == headerSent || s == allOver
		asked.returned = s == handlerReturned || s == allOver
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

// String and Format keep the request, with its cookies, out of the output of a
// program that prints a context.
func (x *exchange) String() string { return "session.Handler" }

// Format prints what String returns, with every verb.
func (x *exchange) Format(f fmt.State, _ rune) { io.WriteString(f, x.String()) }

// serve runs next on a request, and commits when it returns.
func (m *Manager) serve(w http.ResponseWriter, r *http.Request, c condition, next http.Handler, nested bool) {
	x := &exchange{Context: r.Context(), m: m, w: w, nested: nested}
	if links := m.transport.Links; links != nil {
		links.Bind(x.Context, x.linked)
	}
	x.copyRequest(r)
	if h := w.Header(); len(h) > 0 {
		x.outer = h.Clone()
	}
	defer x.abandon(r)
	if c == 0 || x.admit(x, &x.req, c) {
		next.ServeHTTP(x, &x.req)
	}
	x.end()
}

// copyRequest makes x.req the request r with x as its context. WithContext is inlined here, so
// that it copies and does not allocate; copyRequest is not, so that a handler which waits does
// not hold a second copy on its stack.
//
//go:noinline
func (x *exchange) copyRequest(r *http.Request) { x.req = *r.WithContext(x) }

// linked returns the token that links of the answer carry, for package inlink. While a
// token can still be sent it saves the session first, because the token of a new session
// is not known before. It ignores the error of that save, which the commit answers.
func (x *exchange) linked() (t token.Token, known bool) {
	s := x.known()
	if s == nil {
		return t, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sealed && !s.idleLocked() {
		s.mu.Unlock()
		_, _ = s.Save(x)
		s.mu.Lock()
	}
	if s.loaded.Phase == lookup.Live && !s.loaded.Unsaved() {
		t = s.held
	}
	return t, s.loaded.Phase != lookup.Unasked && s.loaded.Phase != lookup.Unknown
}

// end commits when the handler has returned. That is not the end of the
// response: where the handler has written nothing, middleware further out may
// still answer through this writer (echo's error handler does), and then the first
// byte commits the changes made meanwhile. Changes that are not saved a second after
// the end of the request are saved then, or reported to Hooks.Dropped.
func (x *exchange) end() {
	x.returned = true
	if !x.begun && begun.Elsewhere(x.w) {
		x.begun = true
		if !x.asked.CompareAndSwap(nil, headerSent) {
			x.known().seal()
		}
	}
	if !x.asked.CompareAndSwap(nil, handlerReturned) && !x.asked.CompareAndSwap(headerSent, allOver) {
		s := x.known()
		switch {
		case s == nil: // an error sent the header, and no code asked for the session
		case !x.begun:
			x.save(s, false)
		case x.err == nil:
			s.late(x)
		}
		if s != nil {
			if x.err != nil {
				s.discard() // the client was told that it is not saved
			}
			s.handOff()
		}
	}
}

// abandon ends the request r. It copies what was written into the request's copy into r,
// because middleware further out reads the pattern that matched, and the server removes the
// files of a form by it. After a panic, where no middleware recovers, the server removes
// none. After a panic abandon drops the changes that are not saved, and the answer still
// carries a token that was saved before.
func (x *exchange) abandon(r *http.Request) {
	*r = *x.req.WithContext(r.Context())
	if !x.returned && r.MultipartForm != nil {
		_ = r.MultipartForm.RemoveAll()
	}
	s := x.known()
	if s == nil {
		return
	}
	if !x.begun && !x.returned {
		x.begun = true
		s.giveUp(x, x.w.Header())
		x.buildHeader(s)
		s.discard()
		s.handOff()
	}
	s.releaseSlot()
}

// commit saves the session, the first time it is called: what follows is the
// response header. It reports whether the handler's response may be sent.
func (x *exchange) commit() bool {
	if x.begun {
		return x.err == nil
	}
	x.begun = true
	if x.asked.CompareAndSwap(nil, headerSent) || x.asked.CompareAndSwap(handlerReturned, allOver) {
		return true
	}
	s := x.known()
	ok := x.save(s, true)
	if x.returned {
		if !ok {
			s.discard() // the client was told that it is not saved
		}
		s.releaseSlot() // a header that is built again takes a slot again
	}
	return ok
}

// save commits s and puts what the client must know into the header. last says
// that the header is about to be written. It reports whether the handler's
// response may be sent; else it has answered the error.
func (x *exchange) save(s *Session, last bool) bool {
	x.err = s.finish(x, x.w.Header(), last)
	if x.err == nil {
		x.buildHeader(s)
		return true
	}
	s.seal()
	h := x.w.Header()
	clear(h)
	maps.Copy(h, x.outer)
	s.sendAgain()
	x.buildHeader(s)
	x.begun = true
	x.answer(x.w, &x.req, x.err)
	return false
}

// buildHeader puts what the visitor must learn about the token into the header.
// Under another Manager it also writes that one's header, which an error may still
// replace.
func (x *exchange) buildHeader(s *Session) {
	s.buildHeader(x.w.Header())
	for o := x; o.nested; {
		o = o.Context.Value(exchangeKey{}).(*exchange)
		if o.outer == nil {
			o.outer = http.Header{}
		}
		s.buildHeader(o.outer)
	}
	if s.headerBuilt() {
		x.m.watch.Sent(x, s.transport, &x.req)
	}
}

// answer lets Options.Error answer the request. Where Options.Error calls Error
// itself, answer writes the default.
func (x *exchange) answer(w http.ResponseWriter, r *http.Request, err error) {
	if x.answering {
		failure.Answer(w, err)
		return
	}
	x.answering = true
	defer func() { x.answering = false }()
	if r.Context().Value(exchangeKey{}) != x {
		r = r.WithContext(x) // under another Manager: session.Error in there means this one
	}
	ew := failure.NewWriter(w)
	x.m.answerError(ew, r, err)
	ew.End()
}
