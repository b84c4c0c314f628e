package memcached_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/memcached"
)

// BenchmarkClient measures the operations of a session store, with values of 4
// KB. The comparison with gomemcache is in the module bench.
func BenchmarkClient(b *testing.B) {
	server := memcachedtest.Start(b)
	client, err := memcached.New(memcached.Servers(server.Addr), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()
	item := memcached.Item{Value: bytes.Repeat([]byte("v"), 4096), Expires: time.Now().Add(time.Hour)}

	for _, callers := range []int{1, 16, 100} {
		keys := make([]string, callers)
		tokens := make([]memcached.Token, callers)
		for i := range keys {
			keys[i] = fmt.Sprintf("session:%d", i)
			if tokens[i], err = client.Set(ctx, keys[i], item); err != nil {
				b.Fatal(err)
			}
		}
		run := func(name string, f func(i int) error) {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				b.ReportAllocs()
				var left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				for i := range callers {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							if err := f(i); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
		run("get", func(i int) error {
			_, err := client.Get(ctx, keys[i])
			return err
		})
		run("set", func(i int) (err error) {
			tokens[i], err = client.Set(ctx, keys[i], item)
			return err
		})
		run("get and CAS", func(i int) (err error) {
			got, err := client.Get(ctx, keys[i])
			if err == nil {
				tokens[i], err = client.CompareAndSet(ctx, keys[i], item, got.Token)
			}
			return err
		})
		run("CAS over the last save", func(i int) (err error) {
			tokens[i], err = client.CompareAndSet(ctx, keys[i], item, tokens[i])
			return err
		})
	}
}
