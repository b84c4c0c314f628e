package moving_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/moving"
)

var name = session.NewKey[string]("name")

// A visitor of the old store is still logged in while the site moves, and Push takes
// along the sessions of those who stay away.
func Example() {
	from, to := memstore.New(nil), memstore.New(nil) // yours: redisstore, pgstore, …
	idle, lifetime := 20*time.Minute, 12*time.Hour
	options := &session.Options{Idle: idle, Lifetime: lifetime}

	before, err := session.New(from, options)
	if err != nil {
		log.Fatal(err)
	}
	cookies := visit(before, func(s *session.Session) { name.Set(s, "ann") })

	store := moving.New(from, to, moving.Move, &moving.Options{Idle: idle, Lifetime: lifetime}) // moving.Prepare at first
	sessions, err := session.New(store, options)
	if err != nil {
		log.Fatal(err)
	}
	visit(sessions, func(s *session.Session) { fmt.Println("hello,", name.Or(s, "stranger")) }, cookies...)

	done, err := store.Push(context.Background())
	fmt.Println(store.Step(), "left:", done.Left, err)
	// Output:
	// hello, ann
	// Move left: 0 <nil>
}

// visit sends a request with these cookies, and returns those of the answer.
func visit(sessions *session.Manager, handle func(*session.Session), cookies ...*http.Cookie) []*http.Cookie {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	sessions.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		handle(s)
	}).ServeHTTP(w, r)
	return w.Result().Cookies()
}
