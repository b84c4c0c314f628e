package contestant

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/seal"
	"github.com/redis/rueidis"
)

// Report is what State answers.
type Report struct {
	session.Stats
	Goroutines int // of the process
}

var (
	nameKey   = session.NewKey[string]("name")
	emailKey  = session.NewKey[string]("email")
	visitsKey = session.NewKey[int]("visits")
	cartKey   = session.NewKey[[]string]("cart")
)

func inMemory(Stores) (session.Store, error) { return memstore.New(nil), nil }

func inRedis(stores Stores) (session.Store, error) {
	client, err := newRueidis(stores)
	if err != nil {
		return nil, err
	}
	return redisstore.New(client), nil
}

// cached is how long what was read may stay in the process.
const cached = time.Minute

func inCache(stores Stores) (session.Store, error) {
	options := []redisstore.Option{redisstore.Prefix("cached:"), redisstore.ClientCache(cached)}
	client, err := newRueidis(stores, options...)
	if err != nil {
		return nil, err
	}
	return redisstore.New(client, options...), nil
}

func inMemcached(stores Stores) (session.Store, error) {
	client, err := memcached.New(memcached.Servers(stores.Memcached), nil)
	if err != nil {
		return nil, err
	}
	return memcachedstore.New(client), nil
}

func newRueidis(stores Stores, options ...redisstore.Option) (rueidis.Client, error) {
	o, err := redisstore.ClientOption("redis://"+stores.Redis, options...)
	if err != nil {
		return nil, err
	}
	return rueidis.NewClient(o)
}

func holdfast(in func(Stores) (session.Store, error), backup bool) func(Stores) (func(net.Listener) error, error) {
	return handler(func(stores Stores) (library, error) {
		store, err := in(stores)
		if err != nil {
			return library{}, err
		}
		o := session.Options{ReadTimeout: stores.Patience, SaveTimeout: stores.Patience}
		if backup {
			keys, err := seal.NewKeys(seal.NewKey())
			if err != nil {
				return library{}, err
			}
			// The usual session of 5 KB does not fit a copy once it is sealed and
			// encoded.
			o.Backup = &session.Backup{Audience: "bench", Keys: keys}
		}
		sessions, err := session.New(store, &o)
		if err != nil {
			return library{}, err
		}
		return library{
			wrap: sessions.Handler, readOnly: sessions.ReadOnly, state: func() any { return Report{sessions.Stats(), runtime.NumGoroutine()} },
			login: logIn, name: readName, turn: turnCart,
		}, nil
	})
}

func logIn(_ http.ResponseWriter, r *http.Request, c Content) error {
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	s.Renew()
	return fill(s, c)
}

func fill(s *session.Session, c Content) error {
	nameKey.Set(s, c.Name)
	emailKey.Set(s, c.Email)
	visitsKey.Set(s, c.Visits)
	cartKey.Set(s, c.Cart)
	for _, item := range c.Items {
		session.NewKey[string](item.Key).Set(s, item.Value)
	}
	return s.Err()
}

func readName(_ http.ResponseWriter, r *http.Request) (string, error) {
	s, err := session.From(r.Context())
	if err != nil {
		return "", err
	}
	name, err := nameKey.Get(s)
	if errors.Is(err, session.ErrNoValue) {
		return "", nil
	}
	return name, err
}

func turnCart(_ http.ResponseWriter, r *http.Request) (cart []string, err error) {
	s, err := session.From(r.Context())
	if err != nil {
		return nil, err
	}
	err = cartKey.Update(s, func(c *[]string) error {
		cart = turned(*c)
		*c = cart
		return nil
	})
	return cart, err
}

func writeState(w http.ResponseWriter, state any) {
	body, err := json.Marshal(state)
	respond(w, body, err)
}
