package interop_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/node/connectmemcached"
	"github.com/holdfast-go/session/node/express"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// names are the fields that both sides write. Go cannot ask what there is.
var names = []string{"user", "cart", "n", "10", "a b", "größe", "$&", "visits"}

var keys = func() map[string]session.Key[json.RawMessage] {
	m := map[string]session.Key[json.RawMessage]{}
	for _, name := range append([]string{"remembered", "flag"}, names...) {
		m[name] = session.NewKey[json.RawMessage](name)
	}
	return m
}()

var visits = session.NewKey[int]("visits")

// goServer is the application of app/server.js in Go.
type goServer struct {
	url     string
	manager *session.Manager
}

func startGo(t testing.TB, store session.Store, p *express.Profile, change func(*session.Options)) goServer {
	t.Helper()
	o, err := p.Options()
	if err != nil {
		t.Fatal(err)
	}
	o.ReadTimeout, o.SaveTimeout = 10*time.Second, 10*time.Second // a busy machine is no outage
	if change != nil {
		change(o)
	}
	m, err := session.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(t.Context()) })
	srv := httptest.NewServer(p.Handler(m, application(p)))
	t.Cleanup(srv.Close)
	return goServer{srv.URL, m}
}

func application(p *express.Profile) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, do func(s *session.Session, r *http.Request, body map[string]json.RawMessage) (*session.Session, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s, err := session.From(r.Context())
			if err != nil {
				session.Error(w, r, err)
				return
			}
			var body map[string]json.RawMessage
			if r.Method == http.MethodPost {
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
					body = nil
				}
			}
			if s, err = do(s, r, body); err != nil {
				session.Error(w, r, err)
				return
			}
			a := answer{Fields: map[string]json.RawMessage{}}
			for name, key := range keys {
				v, err := key.Get(s)
				switch {
				case err == nil:
					a.Fields[name] = v
				case !errors.Is(err, session.ErrNoValue):
					session.Error(w, r, err)
					return
				}
			}
			if _, err := s.Save(r.Context()); err != nil && !errors.Is(err, session.ErrPending) {
				session.Error(w, r, err)
				return
			}
			a.ID = string(s.ID())
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false) // to see what is stored
			e.Encode(a)
		})
	}
	set := func(s *session.Session, body map[string]json.RawMessage) error {
		for name, value := range body {
			keys[name].Set(s, value)
			if err := s.Err(); err != nil {
				return err
			}
		}
		return nil
	}
	handle("GET /read", func(s *session.Session, _ *http.Request, _ map[string]json.RawMessage) (*session.Session, error) {
		return s, nil
	})
	handle("POST /set", func(s *session.Session, _ *http.Request, body map[string]json.RawMessage) (*session.Session, error) {
		return s, set(s, body)
	})
	handle("POST /delete", func(s *session.Session, _ *http.Request, body map[string]json.RawMessage) (*session.Session, error) {
		for name := range body {
			keys[name].Delete(s)
			if err := s.Err(); err != nil {
				return s, err
			}
		}
		return s, nil
	})
	handle("POST /count", func(s *session.Session, _ *http.Request, _ map[string]json.RawMessage) (*session.Session, error) {
		return s, visits.Update(s, func(n *int) error { *n++; return nil })
	})
	handle("POST /renew", func(s *session.Session, _ *http.Request, _ map[string]json.RawMessage) (*session.Session, error) {
		s.Renew()
		return s, s.Err()
	})
	handle("POST /regenerate", func(_ *session.Session, r *http.Request, body map[string]json.RawMessage) (*session.Session, error) {
		s, err := p.Regenerate(r.Context())
		if err != nil {
			return s, err
		}
		return s, set(s, body)
	})
	handle("POST /destroy", func(s *session.Session, r *http.Request, _ map[string]json.RawMessage) (*session.Session, error) {
		_, err := s.Destroy(r.Context())
		return s, err
	})
	handle("POST /maxage", func(s *session.Session, _ *http.Request, body map[string]json.RawMessage) (*session.Session, error) {
		var ms int64
		if err := json.Unmarshal(body["ms"], &ms); err != nil {
			return s, err
		}
		keys["remembered"].Set(s, body["ms"])
		if err := s.Err(); err != nil {
			return s, err
		}
		return s, express.SetMaxAge(s, time.Duration(ms)*time.Millisecond)
	})
	return mux
}

func profile(t testing.TB, cookie string, secrets ...string) *express.Profile {
	t.Helper()
	var list [][]byte
	for _, s := range secrets {
		list = append(list, []byte(s))
	}
	s, err := express.NewSecrets(list...)
	if err != nil {
		t.Fatal(err)
	}
	return &express.Profile{Secrets: s, Cookie: cookie}
}

func redisStore(t testing.TB, url string) *redisstore.Store {
	t.Helper()
	o, err := redisstore.ClientOption(url)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return redisstore.New(client, redisstore.Raw(), redisstore.Prefix("sess:"))
}

func memcachedStore(t testing.TB, p *express.Profile, o connectmemcached.Options, addrs ...string) *memcachedstore.Store {
	t.Helper()
	client, store, err := o.Open(p, memcached.Servers(addrs...), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return store
}
