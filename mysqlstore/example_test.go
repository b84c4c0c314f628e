package mysqlstore_test

import (
	"context"
	"database/sql"
	"log"
	"net/http"
	"strings"
	"time"

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

// The shop's own user may not create tables: a migration does, as another user. Records
// that have expired are deleted at night, and no statement may wait for long.
func ExampleSchema() {
	ctx := context.Background()
	db, err := sql.Open("mysql", "root:password@tcp(10.0.0.1:3306)/shop")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	for statement := range strings.SplitSeq(mysqlstore.Schema, ";\n") {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			log.Fatal(err)
		}
	}

	config, err := mysql.ParseDSN("shop:password@tcp(10.0.0.1:3306)/shop?tls=true")
	if err != nil {
		log.Fatal(err)
	}
	store, err := mysqlstore.Open(ctx, config, &mysqlstore.Options{
		StatementTimeout: 2 * time.Second,
		MaxRecord:        64 << 10,
		CleanEvery:       -1,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	deleted, err := store.Clean(ctx) // at night
	log.Print(deleted, err)
}
