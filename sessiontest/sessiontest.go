// Package sessiontest tests handlers that use sessions: it makes visitors who
// have one, sends their requests, and shows what the session holds afterwards.
//
// A test of what an application serves has a Visitor, whose requests go through the
// Manager's Handler. A test of one handler, one middleware or one function has a Context,
// and calls it directly. For an outage in either, see NewOn.
package sessiontest

import (
	"cmp"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// New returns a Manager that keeps sessions in memory, for one test. Nil
// Options are the defaults, of which ReadTimeout and SaveTimeout are 10 s here:
// see [session.Local]. Mistakes in them fail the test.
func New(t testing.TB, o *session.Options) *session.Manager {
	t.Helper()
	return NewOn(t, memstore.New(nil), o)
}

// NewOn is New on a store of the test's own, above all one that can fail, as
// storetest.NewFaulty(memstore.New(nil)). ReadTimeout and SaveTimeout are 10 s too, so that
// a busy machine is no outage, unless the Options say otherwise: a test of a store that
// hangs sets them.
func NewOn(t testing.TB, store session.Store, o *session.Options) *session.Manager {
	t.Helper()
	var options session.Options
	if o != nil {
		options = *o
	}
	const patience = 10 * time.Second
	options.ReadTimeout = cmp.Or(options.ReadTimeout, patience)
	options.SaveTimeout = cmp.Or(options.SaveTimeout, patience)
	m, err := session.New(store, &options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// Visitor is a visitor with a browser: it keeps the cookies that answers set, or the
// token in the header that Options.Header names, and sends them with its requests. It
// does not look at their domain, path or expiry. A Visitor is not safe for concurrent
// use; the handlers it visits may be.
type Visitor struct {
	t       testing.TB
	m       *session.Manager
	cookies map[string]string
	header  http.Header // the token's, where it does not travel in a cookie
}

// NewVisitor returns a visitor of m. Without set there is no session yet; with
// it the visitor has the session that set made, as if after other requests.
func NewVisitor(t testing.TB, m *session.Manager, set ...func(*session.Session)) *Visitor {
	t.Helper()
	v := &Visitor{t: t, m: m, cookies: map[string]string{}, header: http.Header{}}
	for _, set := range set {
		s := v.Session()
		set(s)
		out := http.Header{}
		if err := m.Commit(context.Background(), s, out); err != nil {
			t.Fatalf("sessiontest: saving the visitor's session: %v", err)
		}
		v.keepHeader(out)
		v.Keep(&http.Response{Header: out})
	}
	return v
}

// keepHeader learns the token's header from an answer of Commit, which holds
// nothing else.
func (v *Visitor) keepHeader(out http.Header) {
	for name := range out {
		switch name {
		case "Set-Cookie", "Cache-Control", "Vary":
		default:
			v.header.Set(name, "")
		}
	}
}

// Request returns a request that carries the visitor's session. Like
// httptest.NewRequest it panics on bad arguments.
func (v *Visitor) Request(method, target string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, target, body)
	maps.Copy(r.Header, v.carry())
	return r
}

func (v *Visitor) carry() http.Header {
	r := &http.Request{Header: v.header.Clone()}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r.Header
}

// Do sends r to h, and keeps the cookies of the answer. h is what an
// application serves: it includes the Manager's Handler. When h returns, the
// request's context ends, as with a server.
func (v *Visitor) Do(h http.Handler, r *http.Request) *http.Response {
	v.t.Helper()
	w := httptest.NewRecorder()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	h.ServeHTTP(w, r.WithContext(ctx))
	answer := w.Result()
	v.Keep(answer)
	return answer
}

// Get is Do with a GET request.
func (v *Visitor) Get(h http.Handler, target string) *http.Response {
	v.t.Helper()
	return v.Do(h, v.Request(http.MethodGet, target, nil))
}

// Keep takes the cookies of an answer that did not come through Do, as a
// browser would.
func (v *Visitor) Keep(answer *http.Response) {
	for _, c := range answer.Cookies() {
		if c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		} else {
			v.cookies[c.Name] = c.Value
		}
	}
	for name := range v.header {
		if token, ok := answer.Header[name]; ok {
			v.header[name] = token
		}
	}
}

// Session returns the visitor's session as the store has it now. Changes in it are
// kept by Save only.
func (v *Visitor) Session() *session.Session {
	v.t.Helper()
	s := v.m.Load(context.Background(), v.carry())
	err := s.Err()
	if err != nil {
		v.t.Fatalf("sessiontest: loading the visitor's session: %v", err)
	}
	return s
}
