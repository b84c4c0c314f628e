package gorillabridge_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/gorillabridge"
	"github.com/holdfast-go/session/memstore"
)

// A handler of gorilla's stays as it is.
func Example() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	store := gorillabridge.New(sessions, nil)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s, _ := store.Get(r, "cart")
		s.Values["thing"] = "tea"
		if err := s.Save(r, w); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "in the cart:", s.Values["thing"])
	})
	server := httptest.NewServer(sessions.Handler(mux)) // around all that uses the store
	defer server.Close()

	answer, err := http.Get(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Print(string(body), err)
	// Output:
	// in the cart: tea
	// <nil>
}
