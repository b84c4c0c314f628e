package mirrorstore_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/mirrorstore"
)

var name = session.NewKey[string]("name")

// Both stores have each session, so a site that has lost one of them, or leaves it, knows its
// visitors from the other.
func Example() {
	first, second := memstore.New(nil), memstore.New(nil) // yours: memcachedstore, pgstore, …
	options := &session.Options{Idle: 20 * time.Minute, Lifetime: 12 * time.Hour}

	store := mirrorstore.New(first, second, &mirrorstore.Options{Idle: options.Idle, Lifetime: options.Lifetime})
	sessions, err := session.New(store, options)
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	sessions.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			log.Fatal(err)
		}
		name.Set(s, "ann")
	}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))

	for _, store := range []session.Store{first, second} {
		alone, err := session.New(store, options)
		if err != nil {
			log.Fatal(err)
		}
		cookie := w.Result().Cookies()[0]
		s := alone.Load(context.Background(), http.Header{"Cookie": {cookie.String()}})
		fmt.Println("hello,", name.Or(s, "stranger"))
	}
	// Output:
	// hello, ann
	// hello, ann
}
