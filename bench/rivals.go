package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/holdfast-go/session/memcached"
)

const (
	valueSize = 4096
	lifetime  = time.Hour
)

// rivals are the two clients of one server. Each caller has an item of its own
// for each of them, so that no CAS meets another's.
type rivals struct {
	our    *memcached.Client
	their  *memcache.Client
	value  []byte
	keys   [100]string
	others [100]string          // gomemcache's keys
	tokens [100]memcached.Token // of our last saves
}

func newRivals(ctx context.Context, server string) (*rivals, error) {
	our, err := memcached.New(memcached.Servers(server), nil)
	if err != nil {
		return nil, err
	}
	r := &rivals{our: our, their: memcache.New(server), value: bytes.Repeat([]byte("v"), valueSize)}
	r.their.MaxIdleConns = 2 * len(r.keys) // more than callers: it never has to dial
	r.their.Timeout = 10 * time.Second
	for i := range r.keys {
		r.keys[i], r.others[i] = fmt.Sprintf("session:a%031x", i), fmt.Sprintf("session:b%031x", i)
		if err = r.set(ctx, i); err == nil {
			err = r.theirSet(ctx, i)
		}
		if err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

func (r *rivals) close() {
	_ = r.our.Close()
	_ = r.their.Close()
}

// comparison is one line of the table: an operation, and by how many callers
// at once.
type comparison struct {
	callers      int
	name         string
	ours, theirs operation
}

func (r *rivals) comparisons() (all []comparison) {
	for _, callers := range []int{1, 16, len(r.keys)} {
		all = append(all,
			comparison{callers, "get", r.get, r.theirGet},
			comparison{callers, "set", r.set, r.theirSet},
			comparison{callers, "get and CAS", r.getAndCAS, r.theirGetAndCAS},
			comparison{callers, "CAS over the last save", r.chainedCAS, r.theirGetAndCAS},
		)
	}
	return all
}

func (r *rivals) item() memcached.Item {
	return memcached.Item{Value: r.value, Expires: time.Now().Add(lifetime)}
}

func (r *rivals) get(ctx context.Context, i int) error {
	_, err := r.our.Get(ctx, r.keys[i])
	return err
}

func (r *rivals) set(ctx context.Context, i int) (err error) {
	r.tokens[i], err = r.our.Set(ctx, r.keys[i], r.item())
	return err
}

func (r *rivals) getAndCAS(ctx context.Context, i int) error {
	got, err := r.our.Get(ctx, r.keys[i])
	if err != nil {
		return err
	}
	r.tokens[i], err = r.our.CompareAndSet(ctx, r.keys[i], r.item(), got.Token)
	return err
}

func (r *rivals) chainedCAS(ctx context.Context, i int) (err error) {
	r.tokens[i], err = r.our.CompareAndSet(ctx, r.keys[i], r.item(), r.tokens[i])
	return err
}

func (r *rivals) theirItem(i int) *memcache.Item {
	return &memcache.Item{Key: r.others[i], Value: r.value, Expiration: int32(lifetime / time.Second)}
}

func (r *rivals) theirGet(_ context.Context, i int) error {
	_, err := r.their.Get(r.others[i])
	return err
}

func (r *rivals) theirSet(_ context.Context, i int) error { return r.their.Set(r.theirItem(i)) }

func (r *rivals) theirGetAndCAS(_ context.Context, i int) error {
	item, err := r.their.Get(r.others[i])
	if err != nil {
		return err
	}
	item.Value = r.value
	return r.their.CompareAndSwap(item)
}
