package contestant

import (
	"encoding/gob"
	"net/http"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/redis/go-redis/v9"
)

func init() { gob.Register([]string{}) } // for the cart, in scs and in gorilla's stores

func scsMemory(idle bool) func(Stores) (library, error) {
	return func(Stores) (library, error) { return onSCS(scs.New(), idle), nil }
}

func scsRedis(idle bool) func(Stores) (library, error) {
	return func(stores Stores) (library, error) {
		sessions := scs.New()
		sessions.Store = goredisstore.New(redis.NewClient(&redis.Options{Addr: stores.Redis}))
		return onSCS(sessions, idle), nil
	}
}

func onSCS(sessions *scs.SessionManager, idle bool) library {
	if idle {
		sessions.IdleTimeout = 30 * time.Minute
	}
	return library{
		wrap: sessions.LoadAndSave,
		login: func(_ http.ResponseWriter, r *http.Request, c Content) error {
			ctx := r.Context()
			sessions.Put(ctx, "name", c.Name)
			sessions.Put(ctx, "email", c.Email)
			sessions.Put(ctx, "visits", c.Visits)
			sessions.Put(ctx, "cart", c.Cart)
			for _, item := range c.Items {
				sessions.Put(ctx, item.Key, item.Value)
			}
			return sessions.RenewToken(ctx)
		},
		name: func(_ http.ResponseWriter, r *http.Request) (string, error) {
			return sessions.GetString(r.Context(), "name"), nil
		},
		turn: func(_ http.ResponseWriter, r *http.Request) ([]string, error) {
			cart, _ := sessions.Get(r.Context(), "cart").([]string)
			cart = turned(cart)
			sessions.Put(r.Context(), "cart", cart)
			return cart, nil
		},
	}
}
