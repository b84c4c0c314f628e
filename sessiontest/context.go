package sessiontest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"github.com/holdfast-go/session"
)

// Context returns a context with a session, for tests that call a handler, a middleware or
// a function of their own without the Handler of a Manager around it. Without set the
// visitor has no session yet; with it the visitor has the one that set made, as if after
// other requests: set may give values and a user.
//
// session.From(ctx) reads the changes of the code under test at once. End or Saved
// saves them, and the context ends then, or with the test.
//
// Where the test needs options, a route that is read-only or a store that is away, see
// Visitor.Context.
func Context(t testing.TB, set ...func(*session.Session)) context.Context {
	t.Helper()
	return NewVisitor(t, New(t, nil), set...).Context()
}

// Context returns the context that a request of the visitor has behind the Manager's
// Handler, or behind these wrappers of it, such as its ReadOnly, the first outermost. It
// fails the test where a wrapper turns the visitor away.
//
// The context may be given to any request, as by r.WithContext, and be used by many
// goroutines. It is that of a request which has written nothing yet: End writes the header.
// Nothing is saved before, unless the code under test calls Save, and what is written to a
// recorder that has not come through the Manager is not held back where a save fails.
func (v *Visitor) Context(wrap ...func(http.Handler) http.Handler) context.Context {
	v.t.Helper()
	u := &underway{v: v, end: make(chan struct{}), done: make(chan struct{})}
	began := make(chan context.Context, 1)
	var h http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		began <- r.Context()
		<-u.end
	})
	for i := len(wrap) - 1; i >= 0; i-- {
		h = wrap[i](h)
	}
	h = v.m.Handler(h)
	r := v.Request(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), underwayKey{}, u))
	go func() {
		defer close(u.done)
		defer cancel() // as a server does when the handler has returned
		h.ServeHTTP(w, r.WithContext(ctx))
		u.answer = w.Result()
	}()
	v.t.Cleanup(u.finish)
	select {
	case ctx := <-began:
		return ctx
	case <-u.done:
		if u.answer == nil {
			v.t.Fatal("sessiontest: a wrapper has panicked or ended its goroutine")
		}
		v.t.Fatalf("sessiontest: a wrapper has turned the visitor away with %d", u.answer.StatusCode)
	}
	runtime.Goexit() // for a TB whose Fatal returns
	return nil
}

// underway is a request whose handler is the test.
type underway struct {
	v      *Visitor
	once   sync.Once
	end    chan struct{} // closed: the handler returns
	done   chan struct{} // closed: there is an answer
	answer *http.Response
}

type underwayKey struct{}

func (u *underway) finish() {
	u.once.Do(func() { close(u.end) })
	<-u.done
}

// of returns the request that ctx belongs to, finished, with the cookies that it has set.
func of(ctx context.Context) *underway {
	u, ok := ctx.Value(underwayKey{}).(*underway)
	if !ok {
		panic("sessiontest: this context is not one of sessiontest.Context, nor below one")
	}
	u.finish()
	u.v.Keep(u.answer)
	return u
}

// End ends the request of a context that Context has returned, or of one below it, as a
// server does when the handler returns: what was changed is saved, and the visitor keeps
// the cookies. It returns the answer that the visitor gets for it: 200 with what the
// Manager adds to a header, or the answer of Options.Error where the changes cannot be
// saved, as on a route that is read-only. The same answer is returned again afterwards.
// It panics where there is no such request.
func End(ctx context.Context) *http.Response { return of(ctx).answer }

// Saved is End, and returns the session as the store has it then, loaded anew with what
// the visitor has been sent. It fails the test where the store does not answer.
func Saved(ctx context.Context) *session.Session {
	v := of(ctx).v
	v.t.Helper()
	return v.Session()
}
