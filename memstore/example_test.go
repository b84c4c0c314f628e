package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// A full store refuses what does not fit, unless it may end the sessions nearest to their expiry.
func ExampleOptions() {
	for _, evict := range []bool{false, true} {
		store := memstore.New(&memstore.Options{MaxBytes: memstore.DefaultMaxBytes >> 16, Evict: evict})
		refused := 0
		for n := range 20 {
			r := session.Record{Data: make([]byte, 300), Expires: time.Now().Add(time.Duration(n+1) * time.Hour)}
			if _, err := store.Save(context.Background(), session.ID(fmt.Sprint("session-", n)), r, session.Absent); errors.Is(err, memstore.ErrFull) {
				refused++
			}
		}
		fmt.Println("refused some:", refused > 0, "holds all:", store.Len() == 20, "within its bound:", store.Bytes() <= memstore.DefaultMaxBytes>>16)
	}
	// Output:
	// refused some: true holds all: false within its bound: true
	// refused some: false holds all: false within its bound: true
}

func ExampleNew() {
	ctx := context.Background()
	store := memstore.New(&memstore.Options{MaxBytes: 64 << 20, Evict: true})
	r := session.Record{Data: []byte("alice"), Expires: time.Now().Add(time.Hour)}
	v, err := store.Save(ctx, "1", r, session.Absent)
	fmt.Println(err)
	_, err = store.Save(ctx, "1", r, v) // over the Version of the save before
	fmt.Println(err)
	_, err = store.Save(ctx, "1", r, v) // which stands no more
	fmt.Println(err)
	fmt.Println(store.Len())
	// Output:
	// <nil>
	// <nil>
	// session: record has another version
	// 1
}
