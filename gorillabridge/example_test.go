package gorillabridge_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/gorilla/sessions"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/gorillabridge"
	"github.com/holdfast-go/session/memstore"
)

// Handlers that were written for gorilla get the bridge's Store, and the requests come through the
// Manager's Handler. The deletion of the session "login" logs the visitor out.
func Example() {
	manager, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	defer manager.Close(context.Background())
	var store sessions.Store = gorillabridge.New(manager, &gorillabridge.Options{Ends: []string{"login"}})

	server := httptest.NewTLSServer(manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, err := store.Get(r, "login")
		if err != nil {
			http.Error(w, "later, please", session.Status(err))
			return
		}
		fmt.Printf("%s: %v\n", r.URL.Path, login.Values["user"])
		switch r.URL.Path {
		case "/login":
			login.Values["user"] = "ann"
		case "/logout":
			login.Options = &sessions.Options{MaxAge: -1}
		}
		if err := login.Save(r, w); err != nil {
			http.Error(w, "later, please", session.Status(err))
		}
	})))
	defer server.Close()
	browser := server.Client()
	browser.Jar, _ = cookiejar.New(nil)
	for _, path := range []string{"/login", "/", "/logout", "/"} {
		answer, err := browser.Get(server.URL + path)
		if err != nil {
			panic(err)
		}
		answer.Body.Close()
	}
	// Output:
	// /login: <nil>
	// /: ann
	// /logout: ann
	// /: <nil>
}

// The values of one name are one value of the visitor's session, which may have a rank: what of a
// session does not fit a sealed copy is left out by it.
func ExampleOptions() {
	manager, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	defer manager.Close(context.Background())
	store := gorillabridge.New(manager, &gorillabridge.Options{
		Key: func(name string) []session.KeyOption {
			if name == "cart" {
				return []session.KeyOption{session.Rank(5)}
			}
			return nil
		},
	})
	manager.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cart, err := store.Get(r, "cart")
		if err != nil {
			panic(err)
		}
		cart.Values["items"] = 3
		fmt.Println(cart.IsNew, store.Save(r, w, cart))
		saved, err := store.New(r, "cart") // not what other handlers of this request have changed and not saved
		fmt.Println(saved.Values["items"], err)
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
	// Output:
	// true <nil>
	// 3 <nil>
}
