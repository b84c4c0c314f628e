package contestant

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memstore"
	"github.com/redis/rueidis"
)

// A floor is what no session library can be faster than: the bare handler, one
// read of the bytes that Holdfast keeps in its store, by the same client, and
// the decoding of the one small value, whose place is known. It trusts the
// visitor with the key, and has no time limit. Its write is a read and a set,
// which compares nothing.
type floor struct {
	get   func(ctx context.Context, key string) ([]byte, error)
	fresh func(ctx context.Context, key string) ([]byte, error) // before a write; nil: get
	set   func(ctx context.Context, key string, value []byte) error

	name, cart atomic.Pointer[place]
}

// place is where a value is in a record: so far from its beginning or, as the
// keys are in order and the large ones are in between, from its end.
type place struct {
	at, size int
	fromEnd  bool
}

func (p *place) of(b []byte) []byte {
	at := p.at
	if p.fromEnd {
		at = len(b) - p.at
	}
	return b[at : at+p.size]
}

const floorLife = time.Hour

func floorRedis(stores Stores) (library, error) {
	client, err := newRueidis(stores)
	if err != nil {
		return library{}, err
	}
	return (&floor{get: getByRueidis(client), set: setByRueidis(client)}).library(), nil
}

func floorCache(stores Stores) (library, error) {
	client, err := newRueidis(stores)
	if err != nil {
		return library{}, err
	}
	return (&floor{
		get: func(ctx context.Context, key string) ([]byte, error) {
			return client.DoCache(ctx, client.B().Get().Key(key).Cache(), cached).AsBytes()
		},
		// The cache may hold what this process has just replaced.
		fresh: getByRueidis(client),
		set:   setByRueidis(client),
	}).library(), nil
}

func getByRueidis(client rueidis.Client) func(context.Context, string) ([]byte, error) {
	return func(ctx context.Context, key string) ([]byte, error) {
		return client.Do(ctx, client.B().Get().Key(key).Build()).AsBytes()
	}
}

func setByRueidis(client rueidis.Client) func(context.Context, string, []byte) error {
	return func(ctx context.Context, key string, value []byte) error {
		return client.Do(ctx, client.B().Set().Key(key).Value(rueidis.BinaryString(value)).Px(floorLife).Build()).Error()
	}
}

func floorMemcached(stores Stores) (library, error) {
	client, err := memcached.New(memcached.Servers(stores.Memcached), nil)
	if err != nil {
		return library{}, err
	}
	return (&floor{
		get: func(ctx context.Context, key string) ([]byte, error) {
			item, err := client.Get(ctx, key)
			return item.Value, err
		},
		set: func(ctx context.Context, key string, value []byte) error {
			_, err := client.Set(ctx, key, memcached.Item{Value: value, Expires: time.Now().Add(floorLife)})
			return err
		},
	}).library(), nil
}

func (f *floor) library() library {
	return library{login: f.login, name: f.readName, turn: f.turn}
}

func (f *floor) login(w http.ResponseWriter, r *http.Request, c Content) error {
	record, err := recordOf(r.Context(), c)
	if err != nil {
		return err
	}
	for _, v := range []struct {
		of      any
		place   *atomic.Pointer[place]
		fromEnd bool
	}{{c.Name, &f.name, true}, {c.Cart, &f.cart, false}} {
		text, err := json.Marshal(v.of)
		if err != nil {
			return err
		}
		at := bytes.Index(record, text)
		if at < 0 {
			return errors.New("floor: a record does not hold its value as JSON")
		}
		if v.fromEnd {
			at = len(record) - at
		}
		v.place.Store(&place{at, len(text), v.fromEnd})
	}
	key := "floor:" + rand.Text()
	key += strings.Repeat("-", 43-len(key)) // as long as a token of Holdfast's
	http.SetCookie(w, &http.Cookie{Name: floorCookie, Value: key})
	return f.set(r.Context(), key, record)
}

// recordOf returns the bytes that Holdfast keeps of a session, behind a version
// as in Redis.
func recordOf(ctx context.Context, c Content) ([]byte, error) {
	store := memstore.New(nil)
	sessions, err := session.New(store, nil)
	if err != nil {
		return nil, err
	}
	in := sessions.Load(ctx, http.Header{})
	err = in.Err()
	if err != nil {
		return nil, err
	}
	if err := fill(in, c); err != nil {
		return nil, err
	}
	if err := sessions.Commit(ctx, in, http.Header{}); err != nil {
		return nil, err
	}
	stored, err := store.Load(ctx, in.ID())
	if err != nil {
		return nil, err
	}
	return append(make([]byte, len(session.Version{})), stored.Data...), nil
}

const floorCookie = "__Host-session"

func keyOf(r *http.Request) string {
	line := r.Header["Cookie"]
	if len(line) == 0 {
		return ""
	}
	return strings.TrimPrefix(line[0], floorCookie+"=")
}

func (f *floor) readName(_ http.ResponseWriter, r *http.Request) (name string, err error) {
	key := keyOf(r)
	if key == "" {
		return "", nil
	}
	b, err := f.get(r.Context(), key)
	if err != nil {
		return "", err
	}
	return name, json.Unmarshal(f.name.Load().of(b), &name)
}

func (f *floor) turn(_ http.ResponseWriter, r *http.Request) (cart []string, err error) {
	get := f.get
	if f.fresh != nil {
		get = f.fresh
	}
	b, err := get(r.Context(), keyOf(r))
	if err != nil {
		return nil, err
	}
	b = bytes.Clone(b) // the client may still have it
	at := f.cart.Load()
	if err := json.Unmarshal(at.of(b), &cart); err != nil {
		return nil, err
	}
	cart = turned(cart)
	text, err := json.Marshal(cart)
	if err != nil {
		return nil, err
	}
	copy(at.of(b), text)
	return cart, f.set(r.Context(), keyOf(r), b)
}
