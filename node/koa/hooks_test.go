package koa_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/koa"
)

var (
	user   = session.NewKey[string]("user")
	writes = session.NewKey[int]("writes")
)

func hooked(t *testing.T, hooks koa.Hooks, h http.HandlerFunc) (*httptest.ResponseRecorder, func() *httptest.ResponseRecorder) {
	t.Helper()
	m, err := session.New(memstore.New(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	site := m.Handler(hooks.Handler(h))
	first := httptest.NewRecorder()
	site.ServeHTTP(first, httptest.NewRequest(http.MethodGet, "/", nil))
	return first, func() *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for _, c := range first.Result().Cookies() {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		return w
	}
}

func visit(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	before := user.Or(s, "nobody")
	if s.ID() == "" {
		user.Set(s, "bob")
	}
	fmt.Fprintf(w, "%s %d", before, writes.Or(s, 0))
}

func TestASessionThatIsNotValidEnds(t *testing.T) {
	valid := true
	_, again := hooked(t, koa.Hooks{Valid: func(_ *http.Request, s *session.Session) bool {
		return valid && user.Or(s, "") == "bob"
	}}, func(w http.ResponseWriter, r *http.Request) {
		if s, _ := session.From(r.Context()); valid || s.ID() != "" {
			visit(w, r)
			return
		}
		fmt.Fprint(w, "none")
	})
	if got := again().Body.String(); got != "bob 0" {
		t.Errorf("got %q, want bob", got)
	}
	valid = false
	if got := again().Body.String(); got != "none" {
		t.Errorf("got %q, want no session", got)
	}
	valid = true
	if got := again().Code; got != http.StatusServiceUnavailable {
		t.Errorf("a write under the cookie of the session that has ended: got %d, want 503", got)
	}
}

func TestBeforeSaveIsTheLastToWrite(t *testing.T) {
	first, again := hooked(t, koa.Hooks{BeforeSave: func(_ *http.Request, s *session.Session) error {
		return writes.Update(s, func(n *int) error { *n++; return nil })
	}}, visit)
	if got := first.Body.String(); got != "nobody 0" {
		t.Errorf("got %q", got)
	}
	if got := again().Body.String(); got != "bob 1" { // it ran after the handler had asked
		t.Errorf("got %q, want 1", got)
	}
	if got := again().Body.String(); got != "bob 2" {
		t.Errorf("got %q, want 2", got)
	}
}

func TestAnErrorBeforeTheSaveReplacesTheResponse(t *testing.T) {
	first, _ := hooked(t, koa.Hooks{BeforeSave: func(*http.Request, *session.Session) error {
		return errors.New("not this one")
	}}, visit)
	if got := first.Code; got != http.StatusInternalServerError || len(first.Result().Cookies()) != 0 {
		t.Errorf("got %d and %d cookies, want 500 and none", got, len(first.Result().Cookies()))
	}
}

func TestBeforeSaveDoesNotRunWhereNobodyAsks(t *testing.T) {
	first, _ := hooked(t, koa.Hooks{BeforeSave: func(*http.Request, *session.Session) error {
		t.Error("it ran")
		return nil
	}}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "food") })
	if got := first.Body.String(); got != "food" {
		t.Errorf("got %q", got)
	}
}
