package store_test

import (
	"fmt"
	"log"
	"time"

	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/override/store"
)

// Every instance follows the order that stands in a store. Where nothing stands there,
// it is auto.
func Example() {
	records := memstore.New(nil) // yours: a store that all instances share
	source, err := store.New(records, "shop/override", &store.Options{Every: 5 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	follower, err := override.Follow(source, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer follower.Close()
	fmt.Println(follower.Override().Mode) // the Switch of session.Options is follower
	// Output: auto
}
