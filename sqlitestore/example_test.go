package sqlitestore_test

import (
	"context"
	"log"
	"net/http"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sqlitestore"
)

func Example() {
	ctx := context.Background()
	store, err := sqlitestore.Open(ctx, "shop.db", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	sessions, err := session.New(store, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close(ctx)

	mux := http.NewServeMux()
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(mux)))
}
