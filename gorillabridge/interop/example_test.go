package interop_test

import (
	"log"
	"net/http"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/gorillabridge"
	"github.com/holdfast-go/session/memstore"
	"github.com/markbates/goth/gothic"
)

// The use of gothic that docs/FROM-GORILLA.md shows.
func Example() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()

	gothic.Store = gorillabridge.New(sessions, nil)
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(mux))) // around all that uses the store
}
