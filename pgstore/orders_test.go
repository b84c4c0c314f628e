package pgstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/orders"
	"github.com/holdfast-go/session/internal/test/sourcetest"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/override/store"
)

// A record of the sessions' table is a source of orders.
func TestARecordIsASourceOfOrders(t *testing.T) {
	server, pool, _ := open(t)
	client := orders.New(newStore(t, pool))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sourcetest.Run(t, sourcetest.Place{
		Server: server.Server,
		New: func(name string) override.Source {
			source, err := store.New(newStore(t, newPool(t, server.URL())), name, &store.Options{Every: 50 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			return source
		},
		Put: func(name, text string) {
			for err := client.Put(ctx, name, []byte(text)); err != nil; err = client.Put(ctx, name, []byte(text)) {
				if ctx.Err() != nil {
					t.Fatal(err) // the connections of before a restart are bad
				}
			}
		},
		Delete: func(name string) {
			e, err := client.Get(ctx, name)
			if err != nil {
				t.Fatal(err)
			}
			if done, err := client.Remove(ctx, name, e.Revision); !done || err != nil {
				t.Fatal(done, err)
			}
		},
	})
}
