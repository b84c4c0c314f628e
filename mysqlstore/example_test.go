package mysqlstore_test

import (
	"context"
	"log"
	"net/http"

	"github.com/go-sql-driver/mysql"
	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/mysqlstore"
)

func Example() {
	ctx := context.Background()
	config, err := mysql.ParseDSN("shop:password@tcp(10.0.0.1:3306)/shop?tls=true")
	if err != nil {
		log.Fatal(err)
	}
	store, err := mysqlstore.Open(ctx, config, nil)
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
