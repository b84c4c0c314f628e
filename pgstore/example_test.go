package pgstore_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

func Example() {
	ctx := context.Background()
	config, err := pgstore.PoolConfig(os.Getenv("DATABASE_URL")) // postgres://user:password@localhost:5432/shop
	if err != nil {
		log.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	if err := pgstore.Migrate(ctx, pool); err != nil { // or run the statements of pgstore.Schema by your own tool
		log.Print(err) // the database may be away; the sessions in cookies are there
	}

	store := pgstore.New(pool)
	defer store.Close()
	if err := store.Check(ctx); err != nil { // names what is missing, line by line
		log.Print(err)
	}
	sessions, err := session.New(store, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close(ctx)

	mux := http.NewServeMux()
	http.ListenAndServe("localhost:8080", sessions.Handler(mux))
}

// A program on database/sql may use the sessions' pool too.
func ExampleNew_databaseSQL() {
	var pool *pgxpool.Pool // of pgxpool.NewWithConfig

	db := stdlib.OpenDBFromPool(pool)
	defer db.Close() // which leaves the pool open
	store := pgstore.New(pool)
	defer store.Close()
}

func ExampleSchema() {
	for n, statements := range pgstore.Schema(pgstore.Table("shop.sessions")) {
		fmt.Printf("-- to version %d\n%s", n+1, statements)
	}
	// Output:
	// -- to version 1
	// CREATE TABLE "shop"."sessions" (
	// 	id      text COLLATE "C" PRIMARY KEY,
	// 	version bytea NOT NULL,
	// 	expires timestamptz NOT NULL,
	// 	data    bytea NOT NULL
	// ) WITH (
	// 	fillfactor = 65,
	// 	autovacuum_vacuum_scale_factor = 0.05,
	// 	toast.autovacuum_vacuum_scale_factor = 0.05
	// );
	// -- The data is compressed where that pays, before it comes here.
	// ALTER TABLE "shop"."sessions" ALTER COLUMN data SET STORAGE EXTERNAL;
	// -- One row, which a crash of the server takes along, so that every instance notices one.
	// -- It also says which instance deletes what has expired.
	// CREATE UNLOGGED TABLE "shop"."sessions_state" (
	// 	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	// 	marker  bytea NOT NULL,
	// 	cleaner bytea,
	// 	until   timestamptz NOT NULL DEFAULT '-infinity'
	// );
	// COMMENT ON TABLE "shop"."sessions" IS 'sessions, schema version 1';
}
