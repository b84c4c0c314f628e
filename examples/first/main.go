// First is a whole program with sessions: it counts the visits of each visitor.
//
//	go run ./examples/first
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

var visits = session.NewKey[int]("visits")

func main() {
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context()) // loads on the first call; a route without it loads nothing
		if err != nil {
			session.Error(w, r, err) // the store does not answer: 503, and no visitor is logged out
			return
		}
		visits.Update(s, func(n *int) error { *n++; return nil })
		fmt.Fprintf(w, "Visit %d.\n", visits.Or(s, 0)) // saved before the first byte leaves
	})
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(http.DefaultServeMux)))
}
