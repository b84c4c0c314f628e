package sqlitestore_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

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

// Records that have expired are deleted when the program asks for it, and not beside its
// visitors.
func ExampleStore_Clean() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := sqlitestore.Open(ctx, filepath.Join(dir, "shop.db"), &sqlitestore.Options{CleanEvery: -1, Readers: 8})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	for id, life := range map[session.ID]time.Duration{"old": -time.Minute, "new": time.Hour} {
		r := session.Record{Data: []byte(id), Expires: time.Now().Add(life)}
		if _, err := store.Save(ctx, id, r, session.Absent); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(store.Clean(ctx))
	// Output: 1 <nil>
}

// A program that makes its tables itself, or shows what they are.
func ExampleSchema() {
	for line := range strings.Lines(sqlitestore.Schema) {
		if table, ok := strings.CutPrefix(line, "CREATE TABLE "); ok {
			name, _, _ := strings.Cut(table, " ")
			fmt.Println(name)
		}
	}
	// Output:
	// sessions
	// sessions_marks
	// sessions_store
}
