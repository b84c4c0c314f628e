package adopt_test

import (
	"log"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/sessions"
	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/examples/adopt"
	"github.com/holdfast-go/session/memstore"
)

func ExampleSCS() {
	old, store := scs.New(), memstore.New(nil)

	sessions, err := session.New(store, &session.Options{Adopt: adopt.SCS(old)})
	if err != nil {
		log.Fatal(err)
	}
	log.Print(sessions.Stats())
}

func ExampleGorilla() {
	old, store := sessions.NewCookieStore([]byte("a key of 32 bytes that is secret")), memstore.New(nil)

	sessions, err := session.New(store, &session.Options{Adopt: adopt.Gorilla(old, "name", 30*24*time.Hour)})
	if err != nil {
		log.Fatal(err)
	}
	log.Print(sessions.Stats())
}
