package peer

import (
	"errors"
	"net/http"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/seal"
	"github.com/redis/rueidis"
)

var (
	userKey = session.NewKey[string]("user")
	cartKey = session.NewKey[[]string]("cart")
)

func inRedis(servers Servers) (session.Store, error) {
	o, err := redisstore.ClientOption("redis://" + servers.Redis)
	if err != nil {
		return nil, err
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		return nil, err
	}
	return redisstore.New(client), nil
}

func inMemcached(servers Servers) (session.Store, error) {
	client, err := memcached.New(memcached.Servers(servers.Memcached...), nil)
	if err != nil {
		return nil, err
	}
	return memcachedstore.New(client), nil
}

// holdfast is the README's set-up, with its times, and with or without a backup.
func holdfast(in func(Servers) (session.Store, error), backup bool) func(Servers, *gates) (served, error) {
	return func(servers Servers, gates *gates) (served, error) {
		store, err := in(servers)
		if err != nil {
			return served{}, err
		}
		o := session.Options{Idle: 20 * time.Minute, Lifetime: 12 * time.Hour}
		if backup {
			keys, err := seal.NewKeys(seal.NewKey())
			if err != nil {
				return served{}, err
			}
			o.Backup = &session.Backup{Keys: keys, Audience: "lab"}
		}
		sessions, err := session.New(store, &o)
		if err != nil {
			return served{}, err
		}
		return serve(library{
			wrap:  sessions.Handler,
			login: holdfastLogin, read: holdfastRead, add: holdfastAdd, logout: holdfastLogout,
			fail:  session.Error,
			ready: func() bool { return serving(sessions.Stats()) },
		}, gates), nil
	}
}

// serving reports whether a Manager trusts its store. A Manager that has just begun
// needs some seconds for it.
func serving(s session.Stats) bool {
	for _, shard := range s.Shards {
		if shard.State != session.Serving || shard.Quarantine > 0 {
			return false
		}
	}
	return !s.Failing
}

func holdfastLogin(_ http.ResponseWriter, r *http.Request, user string) error {
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	s.Renew()
	userKey.Set(s, user)
	return s.Err()
}

func holdfastRead(_ http.ResponseWriter, r *http.Request) (Visit, error) {
	s, err := session.From(r.Context())
	if err != nil {
		return Visit{}, err
	}
	return visitIn(s)
}

func visitIn(s *session.Session) (v Visit, err error) {
	if v.User, err = userKey.Get(s); err != nil && !errors.Is(err, session.ErrNoValue) {
		return v, err
	}
	if v.Cart, err = cartKey.Get(s); err != nil && !errors.Is(err, session.ErrNoValue) {
		return v, err
	}
	return v, nil
}

func holdfastAdd(_ http.ResponseWriter, r *http.Request, thing string, hold func()) (Visit, error) {
	s, err := session.From(r.Context())
	if err != nil {
		return Visit{}, err
	}
	if _, err := visitIn(s); err != nil {
		return Visit{}, err
	}
	hold()
	err = cartKey.Update(s, func(cart *[]string) error {
		*cart = append(*cart, thing)
		return nil
	})
	if err != nil {
		return Visit{}, err
	}
	return visitIn(s)
}

func holdfastLogout(_ http.ResponseWriter, r *http.Request) error {
	s, err := session.From(r.Context())
	if err != nil {
		return err
	}
	_, err = s.Destroy(r.Context())
	return err
}
