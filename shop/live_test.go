package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/seal"
)

// liveShop is the shop on a store that it can stop, with all its parts at hand.
type liveShop struct {
	t        *testing.T
	url      string
	process  storeProcess
	panel    *panel
	sessions *session.Manager
	backend  backend

	mu      sync.Mutex
	samples []sample
	wentAt  time.Time
}

func openLive(t *testing.T, address string, change ...func(*session.Options)) *liveShop {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	b, err := open(t.Context(), address, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	s := &liveShop{t: t, process: b.process, backend: b}
	c := config{idle: 30 * time.Minute, lifetime: 24 * time.Hour, lease: time.Hour, audience: "shop-test"}
	s.panel = newPanel(b, c)
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	o := options(c, keys, log)
	o.Hooks, o.Error = s.panel.hooks(o.Hooks), s.panel.answerError
	down := o.Hooks.Down
	o.Hooks.Down = func(ctx context.Context, shard string, err error) {
		s.mu.Lock()
		s.wentAt = time.Now()
		s.mu.Unlock()
		down(ctx, shard, err)
	}
	for _, f := range change {
		f(o)
	}
	if s.sessions, err = session.New(s.panel.served.Store(b.store, b.system()), o); err != nil {
		t.Fatal(err)
	}
	s.panel.metrics.tap = func(x sample) {
		s.mu.Lock()
		s.samples = append(s.samples, x)
		s.mu.Unlock()
	}
	server := httptest.NewUnstartedServer(nil)
	s.url = "http://" + server.Listener.Addr().String()
	s.panel.shoppers = newShoppers(s.url)
	server.Config.Handler = newShop(s.sessions, s.panel, log)
	server.Start()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var hub sync.WaitGroup
	hub.Go(func() { s.panel.hub.run(ctx) })
	t.Cleanup(func() {
		s.panel.shoppers.close()
		cancel()
		hub.Wait()
		server.Close()
		_ = s.sessions.Close(ctx)
	})
	return s
}

func (s *liveShop) wait(what string, most time.Duration, done func() bool, why ...*string) {
	s.t.Helper()
	most = timeleft.Within(s.t, most)
	for deadline := time.Now().Add(most); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			for _, w := range why {
				what += ": " + *w
			}
			s.t.Fatalf("waited %v in vain for %s; the state is %+v", most, what, s.sessions.Stats())
		}
	}
}

func (s *liveShop) down() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wentAt
}

func (s *liveShop) count(which func(sample) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.samples {
		if which(x) {
			n++
		}
	}
	return n
}

// latency tells how long requests took that ended between two times.
func (s *liveShop) latency(name, method string, from, to time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var took []time.Duration
	for _, x := range s.samples {
		if end := x.began.Add(x.took); x.method == method && end.After(from) && end.Before(to) {
			took = append(took, x.took)
		}
	}
	if len(took) == 0 {
		return fmt.Sprintf("%s %s: none", name, method)
	}
	slices.Sort(took)
	at := func(q float64) time.Duration {
		return took[min(len(took)-1, int(q*float64(len(took))))].Round(time.Microsecond)
	}
	return fmt.Sprintf("%s %s: %d requests, p50 %v, p99 %v, longest %v", name, method, len(took), at(.5), at(.99), took[len(took)-1].Round(time.Microsecond))
}

// direct reads the store itself: another client, no journal, no backup.
type direct struct {
	t        *testing.T
	sessions *session.Manager
}

func (s *liveShop) direct() direct {
	s.t.Helper()
	store := s.backend.store
	address := s.backend.name
	if kind, ok := strings.CutPrefix(address, spawnScheme); ok {
		kind, addr, _ := strings.Cut(kind, " at ")
		address = servers[kind].scheme + addr
	}
	if address != "memory:" {
		b, err := openAddress(s.t.Context(), address, slog.New(slog.DiscardHandler))
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(b.close)
		store = b.store
	}
	m, err := session.New(store, &session.Options{ReadTimeout: 5 * time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	return direct{s.t, m}
}

// has returns why the store lacks what the shop acknowledged to a shopper, of
// whose cookies it sees the token alone.
func (d direct) has(x *shopper) error {
	token, ok := x.jar.named["__Host-session"]
	if !ok {
		return errors.New("has no token")
	}
	its := d.sessions.Load(d.t.Context(), http.Header{"Cookie": {"__Host-session=" + token.value}})
	if err := its.Err(); err != nil {
		return err
	}
	if u, err := user.Get(its); err != nil || u.Name != x.name {
		return fmt.Errorf("the store has the user %q, %w", u.Name, cmp.Or(err, errors.New("of another name")))
	}
	there := map[string]bool{}
	for _, item := range cart.Or(its, nil) {
		number := numberOf(item)
		there[number] = true
		if !x.cart[number] && !x.maybe[number] {
			return fmt.Errorf("thing %s is in the cart again", number)
		}
	}
	for number := range x.cart {
		if !there[number] {
			return fmt.Errorf("thing %s is not in the cart", number)
		}
	}
	return nil
}

// node is one server of several, as a storeProcess.
type node struct{ *memcachedtest.Server }

func (n node) kill() error          { n.Kill(); return nil }
func (n node) freeze() error        { n.Freeze(); return nil }
func (n node) back() error          { n.Thaw(); return nil }
func (n node) restart() error       { n.Restart(); return nil }
func (n node) condition() condition { return running }
func (n node) close()               {}
