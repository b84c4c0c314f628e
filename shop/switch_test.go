package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	fleet "github.com/holdfast-go/session/internal/orders"
	"github.com/holdfast-go/session/internal/test/etcdtest"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/override"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// shown is what the shop tells of its switch.
type shown struct {
	page   string
	Shards []shardStatus
	Switch *struct {
		Order struct{ Mode, By string }
		Read  time.Time
		Kept  bool
		Error string
	}
}

func (p *process) shown(t *testing.T) (s shown) {
	t.Helper()
	read := func(path string) []byte {
		answer, err := p.client.Get(p.url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	if err := json.Unmarshal(read("/status"), &s); err != nil {
		t.Fatal(err)
	}
	s.page = string(read("/"))
	return s
}

// becomes waits until the shop shows what is wanted.
func (p *process) becomes(t *testing.T, when string, is func(shown) bool) {
	t.Helper()
	var last shown
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if last = p.shown(t); is(last) {
			return
		}
	}
	t.Fatalf("%s: waited in vain; the status is %+v %+v, and the order on the page: %v", when, last.Shards, last.Switch,
		strings.Contains(last.page, "An order is in force"))
}

func TestTheShopGoesByAnOrderInEtcd(t *testing.T) {
	server := etcdtest.Start(t)
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	server.Put("shop/override", fmt.Sprintf(`{"mode":"backup-only","by":"alice","until":%q}`, until.Format(time.RFC3339)))
	keep := filepath.Join(t.TempDir(), "order")
	args := []string{"-addr", "127.0.0.1:0", "-insecure", "-keep-order", keep,
		"-switch", "etcd://" + strings.TrimPrefix(server.URL(), "http://") + "/shop/override"}
	s := start(t, args...)
	onBackup := func(is shown) bool {
		return len(is.Shards) == 1 && is.Shards[0].Mode == session.BackupOnly && is.Shards[0].Cause == session.CauseOverride &&
			is.Switch != nil && is.Switch.Order.Mode == "backup-only" && is.Switch.Order.By == "alice" &&
			strings.Contains(is.page, "An order is in force: backup only, by alice, until "+until.Format("15:04:05")+" UTC.")
	}
	s.becomes(t, "a shop that opens in an incident", onBackup)
	server.Kill()
	s.becomes(t, "etcd is killed", func(is shown) bool { return onBackup(is) && strings.Contains(is.Switch.Error, "does not answer") })
	if exit := s.stop(t); exit != 0 {
		t.Errorf("got exit status %d, want 0", exit)
	}
	s = start(t, args...)
	s.becomes(t, "a shop that opens without etcd", func(is shown) bool { return onBackup(is) && is.Switch.Kept })
	server.Restart()
	server.Delete("shop/override")
	s.becomes(t, "the order is taken back", func(is shown) bool {
		return is.Shards[0].Mode == session.Auto && is.Switch.Error == "" && !strings.Contains(is.page, "An order is in force")
	})
	if exit := s.stop(t); exit != 0 {
		t.Errorf("got exit status %d, want 0", exit)
	}
}

func TestTheShopGoesByAnOrderInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "order")
	if err := os.WriteFile(path, []byte("backup-only 2h\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "-addr", "127.0.0.1:0", "-insecure", "-switch", "file:"+path)
	s.becomes(t, "a file with an order", func(is shown) bool {
		return strings.Contains(is.page, "An order is in force: backup only, a lease of 2h0m0s, until it is taken back.")
	})
	s.stop(t)
}

// An order in a Redis, given by the operator's command.
func TestTheShopGoesByAnOrderInARedis(t *testing.T) {
	server := redistest.Start(t)
	s := start(t, "-addr", "127.0.0.1:0", "-insecure", "-switch", server.URL()+"#shop/override")
	o, err := redisstore.ClientOption(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := fleet.New(redisstore.New(client)).Put(t.Context(), "shop/override", []byte(`{"mode":"backup-only","by":"alice"}`)); err != nil {
		t.Fatal(err)
	}
	s.becomes(t, "an order", func(is shown) bool { return is.Switch.Order.By == "alice" })
	server.Kill()
	s.becomes(t, "a source that is away", func(is shown) bool { return is.Switch.Error != "" && is.Switch.Order.By == "alice" })
	if exit := s.stop(t); exit != 0 {
		t.Errorf("got exit status %d, want 0", exit)
	}
}

func TestASwitchIsOpenedByItsAddress(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, tt := range []struct{ address, source string }{
		{"etcd://host:2379/shop/override", "etcd key shop/override"},
		{"etcd://alice:s%40cret@host:2379,other:2379/override", "etcd key override"},
		{"zk://host:2181,other:2181/shop/override", "zookeeper node /shop/override"},
		{"zk://alice:s%40cret@host:2181/override", "zookeeper node /override"},
	} {
		scheme, rest, _ := strings.Cut(tt.address, ":")
		source, err := openSource(scheme, rest)
		if err != nil || source.String() != tt.source {
			t.Errorf("%s: got %v, %v, want %s", tt.address, source, err, tt.source)
		}
	}
	for _, address := range []string{"etcd:host:2379/key", "etcd:///key", "zk://host:2181/", "etcd://alice:%zz@host:2379/key", "file", "file:", "mongo://host#key", "redis://host:x#key", "memcached://127.0.0.1:1#"} {
		s, err := openSwitch(address, "", log)
		if err == nil {
			s.Close()
			t.Errorf("%s: got no error", address)
		}
	}
}

func TestTheEventLogTellsOfOrders(t *testing.T) {
	p := newPanel(backend{}, config{})
	var v override.Value
	p.lever = closingValue{&v}
	for range 2 {
		p.watchOrder()
		v.Set(session.Override{Mode: session.BackupOnly})
		p.watchOrder()
		p.watchOrder()
		v.Set(session.Override{})
		p.watchOrder()
	}
	var got []string
	for _, n := range p.events.read() {
		got = append(got, n.Text)
	}
	const began, ended = "The operator has ordered: backup only, until it is taken back.", "The operator’s order has ended."
	if want := strings.Join([]string{ended, began, ended, began}, "\n"); strings.Join(got, "\n") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

type closingValue struct{ *override.Value }

func (closingValue) Close() error { return nil }
