package session_test

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// marshaled stores values that turn themselves into bytes, without JSON around them.
type marshaled struct{}

func (marshaled) Encode(v any) ([]byte, error) {
	m, ok := v.(encoding.BinaryMarshaler)
	if !ok {
		return nil, fmt.Errorf("a %T does not marshal itself", v)
	}
	return m.MarshalBinary()
}

func (marshaled) Decode(data []byte, v any) error {
	m, ok := v.(encoding.BinaryUnmarshaler)
	if !ok {
		return fmt.Errorf("a %T does not unmarshal itself", v)
	}
	return m.UnmarshalBinary(data)
}

func ExampleCodec() {
	address := session.NewKey[netip.Addr]("address", session.WithCodec(marshaled{}))
	sessions, err := session.New(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		address.Set(s, netip.MustParseAddr("192.0.2.7"))
		fmt.Fprintln(w, "welcome")
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		fmt.Fprintln(w, "last login from", address.Or(s, netip.Addr{}))
	})
	browse(sessions.Handler(mux), "POST /login", "GET /me")
	// Output:
	// POST /login: 200 welcome
	// GET /me: 200 last login from 192.0.2.7
}

// twoServers is a store of two servers. Each has the sessions whose IDs begin with half of the
// digits.
type twoServers struct {
	low, high *memstore.Store
	started   map[string]string // when each server says that it was
}

func (h twoServers) of(id session.ID) *memstore.Store {
	if h.Shard(id) == "low" {
		return h.low
	}
	return h.high
}

func (h twoServers) Load(ctx context.Context, id session.ID) (session.Record, error) {
	return h.of(id).Load(ctx, id)
}

func (h twoServers) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	return h.of(id).Save(ctx, id, r, over)
}

func (h twoServers) Shard(id session.ID) string {
	if id < "8" {
		return "low"
	}
	return "high"
}

func (h twoServers) Probe(_ context.Context, shard string) (string, error) {
	started, ok := h.started[shard]
	if !ok {
		return "", fmt.Errorf("there is no server %q", shard)
	}
	return started, nil
}

func ExampleProber() {
	store := twoServers{memstore.New(nil), memstore.New(nil), map[string]string{"low": "09:00", "high": "09:05"}}
	sessions, err := session.New(store, nil) // one half can be away, and the other serves
	if err != nil {
		panic(err)
	}
	var p session.Prober = store
	fmt.Println(p.Shard("7f1c"), p.Shard("c0de"))
	fmt.Println(p.Probe(context.Background(), "low"))
	fmt.Println(p.Probe(context.Background(), "middle"))
	browse(sessions.HandlerFunc(login), "POST /login")
	fmt.Println(store.low.Len()+store.high.Len(), "session")
	// Output:
	// low high
	// 09:00 <nil>
	//  there is no server "middle"
	// POST /login: 200 welcome
	// 1 session
}

// A Version lets a program change a record only where no other writer has changed it
// meanwhile.
func ExampleStore() {
	var store session.Store = memstore.New(nil) // or any other
	ctx, later := context.Background(), time.Now().Add(time.Hour)

	first, err := store.Save(ctx, "b3f1", session.Record{Data: []byte("one"), Expires: later}, session.Absent)
	fmt.Println("created:", err)
	_, err = store.Save(ctx, "b3f1", session.Record{Data: []byte("two"), Expires: later}, first)
	fmt.Println("replaced:", err)
	_, err = store.Save(ctx, "b3f1", session.Record{Data: []byte("three"), Expires: later}, first)
	fmt.Println("replaced again:", errors.Is(err, session.ErrConflict))

	r, err := store.Load(ctx, "b3f1")
	fmt.Println(string(r.Data), r.Version != first, err)
	_, err = store.Load(ctx, "0000")
	fmt.Println(errors.Is(err, session.ErrNotFound))
	// Output:
	// created: <nil>
	// replaced: <nil>
	// replaced again: true
	// two true <nil>
	// true
}

// cached is a store of one's own with a cache in front of it.
type cached struct {
	session.Store
	cache map[session.ID]session.Record // with a mutex
}

func (c cached) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if r, ok := c.cache[id]; ok {
		r.Cached = true
		return r, nil
	}
	return c.LoadFresh(ctx, id)
}

func (c cached) LoadFresh(ctx context.Context, id session.ID) (session.Record, error) {
	r, err := c.Store.Load(ctx, id)
	if err == nil {
		c.cache[id] = r
	}
	return r, err
}

// RequireStore and the retry after a conflict go past the cache.
func ExampleFreshLoader() {
	store := cached{memstore.New(nil), map[session.ID]session.Record{}}
	ctx, later := context.Background(), time.Now().Add(time.Hour)
	store.Save(ctx, "b3f1", session.Record{Data: []byte("one"), Expires: later}, session.Any)
	store.Load(ctx, "b3f1")
	store.Save(ctx, "b3f1", session.Record{Data: []byte("two"), Expires: later}, session.Any) // of another process

	old, _ := store.Load(ctx, "b3f1")
	fresh, _ := store.LoadFresh(ctx, "b3f1")
	fmt.Println(string(old.Data), old.Cached, string(fresh.Data), fresh.Cached)
	// Output: one true two false
}

// sameProcess keeps records in this process, and shows how long a Load may take.
type sameProcess struct{ session.Store }

func (sameProcess) Local() {} // the store cannot be away

func (s sameProcess) Load(ctx context.Context, id session.ID) (session.Record, error) {
	deadline, ok := ctx.Deadline()
	fmt.Println("a load may take more than a second:", ok && time.Until(deadline) > time.Second)
	return s.Store.Load(ctx, id)
}

// A request to a store in the same process does not fail because the process is busy.
func ExampleLocal() {
	sessions, err := session.New(sameProcess{memstore.New(nil)}, nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		fmt.Fprintln(w, s.Source())
	})
	browse(sessions.Handler(mux), "POST /login", "GET /me")
	// Output:
	// POST /login: 200 welcome
	// a load may take more than a second: true
	// GET /me: 200 store
}
