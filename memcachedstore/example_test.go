package memcachedstore_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"slices"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
)

func Example() {
	ctx := context.Background()
	client, err := memcached.New(memcached.Servers("10.0.0.1:11211", "10.0.0.2:11211"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	store := memcachedstore.New(client, memcachedstore.Prefix("shop:"))
	sessions, err := session.New(store, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close(ctx)

	mux := http.NewServeMux()
	log.Fatal(http.ListenAndServe("localhost:8080", sessions.Handler(mux)))
}

// The shard of a session is the server that has its record, by the ring of the client.
func ExampleStore() {
	client, err := memcached.New(memcached.Servers("10.0.0.1:11211", "10.0.0.2:11211"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	store := memcachedstore.New(client)
	fmt.Println(store.Shards())
	fmt.Println(slices.Contains(store.Shards(), store.Shard("b3f1")))
	// Output:
	// [10.0.0.1:11211 10.0.0.2:11211]
	// true
}

// Another program writes the same items, and marks each by its flags, as the Node client
// does for objects.
func ExampleFlags() {
	client, err := memcached.New(memcached.Servers("10.0.0.1:11211"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	const objects = 2
	store := memcachedstore.New(client, memcachedstore.Flags(objects))
	fmt.Println(store.ItemFlags(), memcachedstore.New(client).ItemFlags())
	// Output: 2 0
}
