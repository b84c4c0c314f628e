package moving_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/moving"
	"github.com/holdfast-go/session/storetest"
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

	options.Hooks.Failed = func(_ context.Context, _ session.Operation, id session.ID, err error) {
		if errors.Is(err, moving.ErrUnknown) { // the Manager looks it up
			log.Print("two instances have moved session ", id, ": count it, it should be rare")
		}
	}
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

// A push while the new store is away fails for single sessions, and goes on. The next one
// tries those again.
func ExampleStore_Push() {
	ctx := context.Background()
	from, to := memstore.New(nil), storetest.NewFaulty(memstore.New(nil))
	for _, id := range []session.ID{"ann", "bob"} {
		r := session.Record{Data: []byte(id), Expires: time.Now().Add(time.Hour)}
		if _, err := from.Save(ctx, id, r, session.Absent); err != nil {
			log.Fatal(err)
		}
	}
	store := moving.New(from, to, moving.Move, &moving.Options{Idle: time.Hour, Lifetime: 12 * time.Hour})
	to.Before(func(op string, id session.ID) error {
		if op == "save" && id == "bob" {
			return errors.New("connection reset by peer")
		}
		return nil
	})
	done, err := store.Push(ctx)
	fmt.Println("moved:", done.Moved, "left:", done.Left, "of them failed:", done.Failed, err)
	to.Before(nil)
	done, err = store.Push(ctx)
	fmt.Println("moved:", done.Moved, "left:", done.Left, "of them failed:", done.Failed, err)
	// Output:
	// moved: 1 left: 1 of them failed: 1 session bob: connection reset by peer
	// moved: 2 left: 0 of them failed: 0 <nil>
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
