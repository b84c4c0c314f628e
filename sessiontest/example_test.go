package sessiontest_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

var visits = session.NewKey[int]("visits")

// count is the handler under test.
func count(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	visits.Update(s, func(n *int) error { *n++; return nil })
	w.WriteHeader(http.StatusNoContent)
}

// A visitor who comes with a session of given values, and what it holds after
// a request.
func ExampleVisitor() {
	t := &testing.T{} // what the test function is given
	sessions := sessiontest.New(t, nil)
	app := sessions.Handler(http.HandlerFunc(count))

	v := sessiontest.NewVisitor(t, sessions, func(s *session.Session) { visits.Set(s, 41) })
	answer := v.Get(app, "/")
	fmt.Println(answer.StatusCode, visits.Or(v.Session(), 0))
	// Output: 204 42
}

// A handler that is called directly, in a context of its own: what it reads and writes, and
// what is saved when the request ends.
func ExampleContext() {
	t := &testing.T{} // what the test function is given
	ctx := sessiontest.Context(t, func(s *session.Session) {
		s.SetUser("ada")
		visits.Set(s, 41)
	})
	w := httptest.NewRecorder()
	count(w, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))

	s, err := session.From(ctx)
	fmt.Println(w.Code, visits.Or(s, 0), err)

	saved := sessiontest.Saved(ctx)
	fmt.Println(visits.Or(saved, 0), saved.User())
	// Output:
	// 204 42 <nil>
	// 42 ada
}

// A route that is read-only, and an outage of the store.
func ExampleVisitor_Context() {
	t := &testing.T{} // what the test function is given
	store := storetest.NewFaulty(memstore.New(nil))
	sessions := sessiontest.NewOn(t, store, nil)
	v := sessiontest.NewVisitor(t, sessions, func(s *session.Session) { visits.Set(s, 41) })

	readOnly := v.Context(sessions.ReadOnly)
	s, _ := session.From(readOnly)
	visits.Set(s, 42)
	fmt.Println(errors.Is(s.Err(), session.ErrReadOnly), sessiontest.End(readOnly).StatusCode)

	store.Fail(errors.New("connection refused"))
	_, err := session.From(v.Context())
	fmt.Println(errors.Is(err, session.ErrUnavailable))
	// Output:
	// true 500
	// true
}

// A request with a body, sent by a visitor who has no session yet.
func ExampleVisitor_Do() {
	t := &testing.T{} // what the test function is given
	sessions := sessiontest.New(t, nil)
	app := sessions.Handler(http.HandlerFunc(count))

	v := sessiontest.NewVisitor(t, sessions)
	r := v.Request(http.MethodPost, "/", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	fmt.Println(v.Do(app, r).StatusCode, visits.Or(v.Session(), 0))
	// Output: 204 1
}

// An answer that reached the visitor in another way, from a server that the test runs for example.
func ExampleVisitor_Keep() {
	t := &testing.T{} // what the test function is given
	sessions := sessiontest.New(t, nil)
	app := sessions.Handler(http.HandlerFunc(count))

	v := sessiontest.NewVisitor(t, sessions)
	w := httptest.NewRecorder()
	app.ServeHTTP(w, v.Request(http.MethodPost, "/", nil))
	v.Keep(w.Result())
	fmt.Println(visits.Or(v.Session(), 0))
	// Output: 1
}
