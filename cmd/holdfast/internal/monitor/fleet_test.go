//go:build unix

package monitor_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/cmd/holdfast/internal/coordinator"
	"github.com/holdfast-go/session/cmd/holdfast/internal/instancetest"
	"github.com/holdfast-go/session/cmd/holdfast/internal/monitor"
	"github.com/holdfast-go/session/cmd/holdfast/internal/verdict"
	"github.com/holdfast-go/session/internal/test/daemon"
	"github.com/holdfast-go/session/internal/test/etcdtest"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/internal/test/zookeepertest"
	"github.com/holdfast-go/session/memcached"
	"github.com/holdfast-go/session/memcachedstore"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/override/etcd"
	"github.com/holdfast-go/session/override/zookeeper"
)

var full = flag.Bool("full", false, "with the rules that monitors have by default, and time them")

// patience decides nothing in a test that passes.
const patience = 90 * time.Second

const orderName = "shop/override"

// fleet is three instances over one memcached, with an order at a coordinator.
type fleet struct {
	t           *testing.T
	memcached   *memcachedtest.Server
	coordinator coordinator.Coordinator
	address     string
	source      func() override.Source
	rules       verdict.Rules

	wrong        atomic.Bool   // memcached answers nonsense
	lines        []*relay.Line // of the instances
	monitorLines []*relay.Line
	managers     []*session.Manager

	urls      []string
	followers []*override.Follower
	visitors  sync.WaitGroup
	requests  atomic.Int64
}

// newStore returns the store by a line of its own.
func (f *fleet) newStore(line *relay.Line) session.Store {
	t := f.t
	t.Helper()
	client, err := memcached.New(memcached.Servers(f.memcached.Addr), &memcached.Options{Dial: line.Dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return memcachedstore.New(client)
}

func newFleet(t *testing.T, address string, source func() override.Source) *fleet {
	t.Helper()
	f := &fleet{t: t, memcached: memcachedtest.Start(t), address: address, source: source, rules: verdict.Defaults}
	if !*full {
		f.rules.DownAfter = 2 * time.Second
		f.rules.Hold = 3 * time.Second
		f.rules.Order = 20 * time.Second
	}
	f.coordinator = instancetest.OpenCoordinator(t, address)
	store := relay.Relay{Down: func(b []byte) []byte {
		if f.wrong.Load() {
			return []byte("SERVER_ERROR out of order\r\n")
		}
		return b
	}}.Start(t, f.memcached.Addr)
	for range 3 {
		f.lines = append(f.lines, relay.NewLine(t, store))
		f.monitorLines = append(f.monitorLines, relay.NewLine(t, store))
	}
	keys := instancetest.Keys(t)
	for _, line := range f.lines {
		i := instancetest.Start(t, f.newStore(line), keys, f.source())
		f.urls = append(f.urls, i.URL)
		f.followers = append(f.followers, i.Follower)
		f.managers = append(f.managers, i.Sessions)
	}
	return f
}

// monitor runs the nth of three observers, and returns what kills it.
func (f *fleet) monitor(n int) (kill func()) {
	f.t.Helper()
	name := fmt.Sprint("m", n)
	a, err := coordinator.ParseAddress(f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := coordinator.Open(a)
	if err != nil {
		f.t.Fatal(err)
	}
	probes := monitor.NewProbes(f.newStore(f.monitorLines[n-1]), monitor.Budgets{Read: 300 * time.Millisecond, Save: 300 * time.Millisecond})
	var instances []string
	for _, url := range f.urls {
		instances = append(instances, url+"/stats")
	}
	m, err := monitor.New(monitor.Options{
		Name: name, Observers: 3, Rules: f.rules, Every: time.Second,
		Coordinator: c, Order: orderName,
		Shards: probes.Shards(), Probe: probes.Probe, Instances: instances,
		Log: slog.New(slog.NewTextHandler(f.t.Output(), nil)).With("monitor", name),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		m.Run(ctx)
		close(done)
	}()
	kill = sync.OnceFunc(func() {
		cancel()
		<-done
		c.Close()
	})
	f.t.Cleanup(kill)
	return kill
}

// visit counts at one instance after the other until stop is closed, and asks each time
// that nothing is lost. In the end the visitor logs out if leaves is set, and stays so.
func (f *fleet) visit(leaves bool, stop <-chan struct{}) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Jar: jar, Transport: transport, Timeout: 20 * time.Second}
	send := func(n int, method, path, want string) {
		f.requests.Add(1)
		r, err := http.NewRequest(method, f.urls[n%3]+path, nil)
		if err != nil {
			f.t.Error(err)
			return
		}
		answer, err := client.Do(r)
		if err != nil {
			f.t.Error(err)
			return
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		ok := answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusAccepted
		if !ok || string(text) != want {
			f.t.Errorf("%s %s: got %d %q, want %q", method, path, answer.StatusCode, text, want)
		}
	}
	for n := 1; ; n++ {
		send(n, "POST", "/count", fmt.Sprint(n))
		select {
		case <-stop:
			if leaves {
				send(n+1, "POST", "/logout", "")
				send(n+2, "GET", "/shown", "0")
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// let lets visitors in and returns what sends them home, and waits until they are.
func (f *fleet) let(n int) (home func()) {
	stop := make(chan struct{})
	for i := range n {
		f.visitors.Go(func() { f.visit(i%2 == 0, stop) })
	}
	home = sync.OnceFunc(func() {
		close(stop)
		f.visitors.Wait()
	})
	f.t.Cleanup(home)
	return home
}

// becomes waits until all instances go by a mode, and returns how long that took.
func (f *fleet) becomes(when string, want session.Mode) time.Duration {
	f.t.Helper()
	began := time.Now()
	f.until(when, func() bool {
		for _, i := range f.followers {
			if i.Override().Mode != want {
				return false
			}
		}
		return true
	})
	took := time.Since(began)
	f.t.Logf("%s: %v everywhere after %v", when, want, took.Round(10*time.Millisecond))
	return took
}

func (f *fleet) until(when string, is func() bool) {
	f.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("%s: waited in vain", when)
		}
	}
}

func (f *fleet) get(name string) coordinator.Entry {
	f.t.Helper()
	var e coordinator.Entry
	f.until("read "+name, func() (ok bool) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		var err error
		e, err = f.coordinator.Get(ctx, name)
		return err == nil
	})
	return e
}

// order writes an operator's order; empty text removes it.
func (f *fleet) order(text string) {
	f.t.Helper()
	f.until("order "+text, func() bool {
		e := f.get(orderName)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if text == "" {
			done, err := f.coordinator.Remove(ctx, orderName, e.Revision)
			return done && err == nil
		}
		done, err := f.coordinator.Set(ctx, orderName, []byte(text), e.Revision)
		return done && err == nil
	})
}

// decided reports whether the monitors take the store for down.
func (f *fleet) decided() bool {
	var s verdict.State
	e := f.get(orderName + ".state")
	return e.Revision != 0 && json.Unmarshal(e.Value, &s) == nil && s.Down
}

const (
	alices     = `{"mode":"backup-only","by":"alice"}`
	alicesAuto = `{"mode":"auto","by":"alice"}`
)

func (f *fleet) incident(server *daemon.Server) {
	killFirst := f.monitor(1)
	f.monitor(2)
	f.monitor(3)
	home := f.let(6)
	f.becomes("all is well", session.Auto)

	f.memcached.Freeze()
	took := f.becomes("memcached is frozen", session.BackupOnly)
	if *full && took > 10*time.Second {
		f.t.Errorf("the order took %v, want at most 10 s", took)
	}
	killFirst()
	server.Kill()
	time.Sleep(3 * time.Second) // visitors go on; a shorter time would show less
	f.becomes("a monitor and the coordinator are killed", session.BackupOnly)
	server.Restart()
	f.memcached.Thaw()
	f.becomes("memcached is back", session.Auto)

	stays := func(when, text string) {
		f.t.Helper()
		time.Sleep(2 * time.Second) // in which a monitor that may not would change the order
		if e := f.get(orderName); string(e.Value) != text {
			f.t.Errorf("%s: got the order %q, want the operator's", when, e.Value)
		}
	}
	f.order(alices)
	f.becomes("an operator's order, for planned work", session.BackupOnly)
	stays("all is well", alices)
	f.order(alicesAuto)
	f.becomes("an operator's auto", session.Auto)
	f.memcached.Freeze()
	f.until("the monitors take the store for down", f.decided)
	stays("memcached is frozen", alicesAuto)
	f.order("")
	f.becomes("the operator leaves it to the monitors", session.BackupOnly)
	f.memcached.Thaw()
	f.becomes("memcached is back again", session.Auto)
	home()
	f.t.Logf("%d requests", f.requests.Load())
}

func etcdFleet(t *testing.T) (*fleet, *daemon.Server) {
	t.Helper()
	server := etcdtest.Start(t)
	return newFleet(t, "etcd://"+strings.TrimPrefix(server.URL(), "http://")+"/"+orderName, func() override.Source {
		s, err := etcd.New([]string{server.URL()}, orderName, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}), server.Server
}

func TestAFleetActsAsOneByEtcd(t *testing.T) {
	f, server := etcdFleet(t)
	f.incident(server)
}

func TestAFleetActsAsOneByZooKeeper(t *testing.T) {
	server := zookeepertest.Start(t)
	f := newFleet(t, "zk://"+server.Addr()+"/"+orderName, func() override.Source {
		s, err := zookeeper.New([]string{server.Addr()}, "/"+orderName, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
	f.incident(server.Server)
}
