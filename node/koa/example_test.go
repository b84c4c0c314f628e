package koa_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/node/koa"
)

// The site logs out visitors whom it has banned, and counts what each session has written.
func ExampleHooks() {
	banned := map[string]bool{"mallory": true}
	hooks := koa.Hooks{
		Valid:      func(_ *http.Request, s *session.Session) bool { return !banned[user.Or(s, "")] },
		BeforeSave: func(_ *http.Request, s *session.Session) error { writes.Set(s, 1); return s.Err() },
	}
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	site := sessions.Handler(hooks.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, err := session.From(r.Context()); err == nil {
			user.Set(s, "bob")
		}
	})))
	w := httptest.NewRecorder()
	site.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))

	in := http.Header{"Cookie": {w.Result().Cookies()[0].Name + "=" + w.Result().Cookies()[0].Value}}
	s := sessions.Load(context.Background(), in)
	err = s.Err()
	fmt.Println(user.Or(s, ""), writes.Or(s, 0), err)
	// Output: bob 1 <nil>
}
