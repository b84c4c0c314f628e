package scsbridge_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	scs "github.com/holdfast-go/session/scsbridge"
)

// A handler of scs stays as it is.
func Example() {
	store := memstore.New(nil)
	sessions, err := session.New(store, &session.Options{Idle: 20 * time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	sessionManager := scs.New(sessions, nil) // and LoadAndSave around the handlers, as before

	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		sessionManager.Put(r.Context(), "message", "hello from a session")
		fmt.Fprintln(w, sessionManager.GetString(r.Context(), "message"))
	})
	server := httptest.NewServer(sessionManager.LoadAndSave(mux))
	defer server.Close()
	printBody(server.URL)
	// Output: hello from a session
}

func printBody(url string) {
	answer, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	fmt.Print(string(body))
	if err != nil {
		log.Fatal(err)
	}
}
