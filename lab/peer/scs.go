package peer

import (
	"encoding/gob"
	"net/http"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/redisstore"
	"github.com/alexedwards/scs/v2"
	redigo "github.com/gomodule/redigo/redis"
	"github.com/redis/go-redis/v9"
)

func init() { gob.Register([]string{}) } // for the cart, in scs and in gorilla's stores

func scsRedigo(servers Servers, gates *gates) (served, error) {
	return onSCS(redisstore.New(&redigo.Pool{
		MaxIdle: 10,
		Dial:    func() (redigo.Conn, error) { return redigo.Dial("tcp", servers.Redis) },
	}), gates)
}

func scsGoRedis(servers Servers, gates *gates) (served, error) {
	return onSCS(goredisstore.New(redis.NewClient(&redis.Options{Addr: servers.Redis})), gates)
}

// onSCS is scs with the times that its README configures.
func onSCS(store scs.Store, gates *gates) (served, error) {
	sessions := scs.New()
	sessions.Store = store
	sessions.Lifetime = 3 * time.Hour
	sessions.IdleTimeout = 20 * time.Minute
	read := func(r *http.Request) Visit {
		cart, _ := sessions.Get(r.Context(), "cart").([]string)
		return Visit{sessions.GetString(r.Context(), "user"), cart}
	}
	return serve(library{
		wrap: sessions.LoadAndSave,
		login: func(_ http.ResponseWriter, r *http.Request, user string) error {
			if err := sessions.RenewToken(r.Context()); err != nil {
				return err
			}
			sessions.Put(r.Context(), "user", user)
			return nil
		},
		read: func(_ http.ResponseWriter, r *http.Request) (Visit, error) { return read(r), nil },
		add: func(_ http.ResponseWriter, r *http.Request, thing string, hold func()) (Visit, error) {
			v := read(r)
			hold()
			v.Cart = append(v.Cart, thing)
			sessions.Put(r.Context(), "cart", v.Cart)
			return v, nil
		},
		logout: func(_ http.ResponseWriter, r *http.Request) error { return sessions.Destroy(r.Context()) },
	}, gates), nil
}
