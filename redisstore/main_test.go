package redisstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/redisstore"
	"github.com/holdfast-go/session/seal"
	"github.com/redis/rueidis"
)

// instanceEnv holds the address of Redis where this program is an instance of an
// application, for a test to kill, and no test.
const instanceEnv = "SESSION_TEST_INSTANCE"

func TestMain(m *testing.M) {
	if url := os.Getenv(instanceEnv); url != "" {
		fmt.Println(serveInstance(url))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

var items = session.NewKey[[]string]("items")

// serveInstance is the instance: it says where it listens, and serves until it is
// killed.
func serveInstance(url string) error {
	keys, err := seal.KeysFromEnv("SESSION_TEST_KEYS")
	if err != nil {
		return err
	}
	m, err := session.New(connecting(url), &session.Options{
		Cookie: session.Cookie{Insecure: true},
		Backup: &session.Backup{Keys: keys, Audience: "killed", Dir: os.Getenv("SESSION_TEST_DIR"), Restores: 40},
		Hooks: session.Hooks{JournalFile: func(_ context.Context, fault session.FileFault, err error) {
			fmt.Fprintln(os.Stderr, "file:", fault, err)
		}},
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(m.Stats()) })
	mux.HandleFunc("/close", func(w http.ResponseWriter, r *http.Request) {
		if err := m.Close(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.Handle("/", m.HandlerFunc(serveItems))
	return http.Serve(l, mux)
}

// serveItems is the application: /add/ITEM, /login and /logout.
func serveItems(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		session.Error(w, r, err)
		return
	}
	what, item, _ := strings.Cut(r.URL.Path[1:], "/")
	switch what {
	case "add":
		_ = items.Update(s, func(l *[]string) error {
			*l = append(*l, item)
			return nil
		})
	case "login":
		s.Renew()
	case "logout":
		if _, err := s.Destroy(r.Context()); err != nil {
			session.Error(w, r, err)
		}
	}
}

// connectingStore is a Redis that may not answer yet when the instance starts.
type connectingStore struct {
	store atomic.Pointer[redisstore.Store]
}

func connecting(url string) *connectingStore {
	s := new(connectingStore)
	go func() {
		for s.store.Load() == nil {
			o, err := redisstore.ClientOption(url)
			if err != nil {
				panic(err)
			}
			if client, err := rueidis.NewClient(o); err == nil {
				s.store.Store(redisstore.New(client))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	return s
}

var errConnecting = errors.New("not connected yet")

func (s *connectingStore) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if store := s.store.Load(); store != nil {
		return store.Load(ctx, id)
	}
	return session.Record{}, errConnecting
}

func (s *connectingStore) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if store := s.store.Load(); store != nil {
		return store.Save(ctx, id, r, over)
	}
	return session.Absent, errConnecting
}
