package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/moving"
	"github.com/holdfast-go/session/seal"
)

// instance is one shop of a site of two.
type instance struct {
	sessions *session.Manager
	handler  http.Handler
	requests sync.WaitGroup // under way
}

// site sends each request to one of two instances.
type site struct {
	t        *testing.T
	keys     *seal.Keys
	log      *slog.Logger
	turn     atomic.Uint64
	shoppers *shoppers

	mu   sync.RWMutex
	both [2]*instance
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	i := s.both[s.turn.Add(1)%2]
	i.requests.Add(1)
	s.mu.RUnlock()
	defer i.requests.Done()
	i.handler.ServeHTTP(w, r)
}

// deploy puts an instance on this store into one of the two places.
func (s *site) deploy(place int, b backend) {
	s.t.Helper()
	c := config{idle: 30 * time.Minute, lifetime: 24 * time.Hour, lease: time.Hour, audience: "shop-test"}
	p := newPanel(b, c)
	o := options(c, s.keys, s.log)
	o.Hooks, o.Error = p.hooks(o.Hooks), p.answerError
	o.ReadTimeout, o.SaveTimeout = 400*time.Millisecond, 400*time.Millisecond // a busy machine is no outage
	sessions, err := session.New(b.store, o)
	if err != nil {
		s.t.Fatal(err)
	}
	p.shoppers = s.shoppers
	s.mu.Lock()
	old := s.both[place]
	s.both[place] = &instance{sessions: sessions, handler: newShop(sessions, p, s.log)}
	s.mu.Unlock()
	s.retire(old)
}

func (s *site) retire(i *instance) {
	if i == nil {
		return
	}
	i.requests.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := i.sessions.Close(ctx); err != nil {
		s.t.Errorf("an instance that was replaced: %v", err)
	}
}

// shop waits until every shopper has clicked a few times.
func (s *site) shop(count int) {
	s.t.Helper()
	before := s.shoppers.requests.Load()
	for deadline := time.Now().Add(timeleft.Within(s.t, time.Minute)); s.shoppers.requests.Load()-before < int64(4*count); {
		if time.Now().After(deadline) {
			s.t.Fatalf("the shoppers made %d requests in a minute: %s", s.shoppers.requests.Load()-before, s.shoppers.complaints())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Shoppers buy while their sessions move from one store to another, instance by instance and
// step by step. Nobody notices, nor that the new store dies half-way, nor that the old one, where
// it is a server, is killed after the last step. With SHOP_OUTAGE there are 50.
func TestShoppersDoNotNoticeThatTheirSessionsMove(t *testing.T) {
	disk, database := filepath.Join(t.TempDir(), "disk"), postgrestest.Start(t)
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, from, to string

		// die and live are what happens to the new store half-way.
		die, live func(backend) error
	}{
		{
			"memory to SQLite", "memory:", "sqlite:" + filepath.Join(disk, "shop.db"),
			func(backend) error { return os.Rename(disk, disk+".away") },
			func(backend) error { return os.Rename(disk+".away", disk) },
		},
		{
			"memcached to Redis", "spawn:memcached", "spawn:redis",
			func(to backend) error { return to.process.kill() },
			func(to backend) error { return to.process.restart() },
		},
		{
			"Redis to PostgreSQL", "spawn:redis", database.URL(),
			func(backend) error { database.Kill(); return nil },
			func(backend) error { database.Restart(); return nil },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			count := 16
			if fullSize != "" {
				count = 50
			}
			log := slog.New(slog.NewTextHandler(t.Output(), nil))
			from, to := mustOpen(t, c.from, log), mustOpen(t, c.to, log)
			keys, err := seal.NewKeys(seal.NewKey())
			if err != nil {
				t.Fatal(err)
			}
			s := &site{t: t, keys: keys, log: log}
			server := httptest.NewUnstartedServer(s)
			s.shoppers = newShoppers("http://" + server.Listener.Addr().String())
			s.shoppers.pause = 100 * time.Millisecond
			s.shoppers.atTheEnd = true // while a store is away, an instance hears of another's logout late

			at := func(step moving.Step) backend {
				return backend{store: moving.New(from.store, to.store, step, nil), name: c.to + " from " + c.from, close: func() {}}
			}
			prepared, moved := at(moving.Prepare), at(moving.Move)
			s.deploy(0, from)
			s.deploy(1, from)
			server.Start()
			t.Cleanup(func() {
				s.shoppers.close()
				server.Close()
				s.retire(s.both[0])
				s.retire(s.both[1])
			})
			if err := s.shoppers.let(count); err != nil {
				t.Fatal(err)
			}
			s.shop(count)
			for _, b := range []backend{prepared, moved} {
				for place := range s.both {
					s.deploy(place, b)
					s.shop(count)
				}
			}
			if err := c.die(to); err != nil {
				t.Fatal(err)
			}
			s.shop(count)
			if err := c.live(to); err != nil {
				t.Fatal(err)
			}
			s.shop(count)
			p := s.push(moved.store.(*moving.Store))
			for place := range s.both {
				s.deploy(place, to)
				s.shop(count)
			}
			if from.process != nil {
				if err := from.process.kill(); err != nil {
					t.Fatal(err)
				}
				s.shop(count)
			}
			s.shoppers.sendHome()
			g := s.shoppers
			s.settle()
			for _, old := range g.old {
				for range s.both {
					g.try(t.Context(), old)
				}
			}
			t.Logf("%d requests of %d shoppers at a time; pushed %+v", g.requests.Load(), count, p)
			if g.failed.Load()+g.logouts.Load()+g.lost.Load()+g.revived.Load() > 0 {
				t.Errorf("%d failed, %d logged out, %d lost, %d revived:\n%s",
					g.failed.Load(), g.logouts.Load(), g.lost.Load(), g.revived.Load(), g.complaints())
			}
		})
	}
}

// settle returns when each instance has heard of all logouts.
func (s *site) settle() {
	s.t.Helper()
	for what, at := range []func(session.ShardStats) time.Time{
		func(x session.ShardStats) time.Time { return x.Told },
		func(x session.ShardStats) time.Time { return x.Heard },
	} {
		since := time.Now()
		for _, i := range s.both {
			timeleft.Poll(s.t, []string{"all is told", "all is heard"}[what], func() bool {
				return !slices.ContainsFunc(i.sessions.Stats().Shards, func(x session.ShardStats) bool { return !at(x).After(since) })
			})
		}
	}
}

// push pushes until nothing is left. A store of memcached servers cannot be walked: there
// only those move who come.
func (s *site) push(m *moving.Store) moving.Progress {
	s.t.Helper()
	for range 100 {
		p, err := m.Push(s.t.Context())
		if err != nil && strings.Contains(err.Error(), "unsupported") {
			return p
		}
		if err == nil && p.Left == 0 {
			return p
		}
	}
	s.t.Fatal("sessions are left after 100 pushes")
	return moving.Progress{}
}

func mustOpen(t *testing.T, address string, log *slog.Logger) backend {
	t.Helper()
	b, err := open(t.Context(), address, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return b
}

func TestTheShopRefusesAMoveThatIsNone(t *testing.T) {
	for _, test := range []struct {
		args, want string
	}{
		{"-move-from memory:", "-move-step"},
		{"-move-step move", "-move-from"},
		{"-move-from redis://127.0.0.1:1 -move-step jump", "prepare, move or drain"},
		{"-move-from memory: -move-step move", "-store"},
	} {
		if _, err := parse(strings.Fields(test.args), t.Output()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.args, err, test.want)
		}
	}
}
