package sessiontest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
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
