//go:build unix

package main

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/etcdtest"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/printed"
	"github.com/holdfast-go/session/override"
)

// patience decides nothing in a test that passes.
const patience = 60 * time.Second

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestBadFlagsGetAClearAnswer(t *testing.T) {
	const well = "monitor --store memcached://127.0.0.1:1 --order etcd://127.0.0.1:1/key --observers 3"
	for _, tt := range []struct {
		is, args string
		exit     int
		said     string
	}{
		{"help", "--help", 0, ""},
		{"a command's help", "monitor --help", 0, ""},
		{"no command", "", 2, "monitor"},
		{"an unknown command", "watch", 2, "watch"},
		{"an unknown flag", well + " --color", 2, "--color"},
		{"no store", "monitor --order etcd://127.0.0.1:1/key --observers 3", 2, "--store"},
		{"a store of no kind", well + " --store mongo://user:secret@host", 2, "--store: want memcached://"},
		{"a memcached of no address", well + " --store memcached://user:secret@", 2, "--store: "},
		{"an order of no kind", well + " --order consul://user:secret@host/key", 2, "--order: want etcd://"},
		{"an order without a key", well + " --order etcd://user:secret@host", 2, "--order: want etcd://"},
		{"no observers", well + " --observers 0", 2, "0 observers"},
		{"a drill of no time", "drill --order etcd://127.0.0.1:1/key --instance http://127.0.0.1:1 --for 0s", 2, "--for 0s"},
		{"a drill without instances", "drill --order etcd://127.0.0.1:1/key", 2, "--instance"},
		{"a drill with no order's address", "drill --order etcd://user:secret@host --instance http://127.0.0.1:1", 2, "--order: want etcd://"},
		{"a drill of an instance that is not there", "drill --order etcd://127.0.0.1:1/key --instance http://127.0.0.1:1", 2, "refused"},
		{"a doctor of nothing", "doctor", 2, "name a store, a --page, --keys or --admin"},
		{"a name with a slash", well + " --name a/b", 2, `the name "a/b"`},
		{"a probe without a pause", well + " --every 0s", 2, "a probe every 0s"},
		{"no time for a read", well + " --read 0s", 2, "--read 0s"},
	} {
		t.Run(tt.is, func(t *testing.T) {
			var stdout, stderr printed.Text
			exit := run(t.Context(), strings.Fields(tt.args), &stdout, &stderr)
			if exit != tt.exit || !strings.Contains(stderr.String(), tt.said) {
				t.Errorf("got exit status %d and %q, want %d and %q", exit, stderr.String(), tt.exit, tt.said)
			}
			if strings.Contains(stderr.String(), "secret") {
				t.Errorf("got %q, want nothing of the password", stderr.String())
			}
			if (exit == 0) != (stdout.String() != "") {
				t.Errorf("got %q on standard output", stdout.String())
			}
		})
	}
}

// command is a run of the command that a test ends.
type command struct {
	stdout, stderr printed.Text
	end            func() int
}

func start(t *testing.T, args ...string) *command {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c, exit := &command{}, make(chan int, 1)
	go func() { exit <- run(ctx, args, &c.stdout, &c.stderr) }()
	c.end = sync.OnceValue(func() int {
		cancel()
		return <-exit
	})
	t.Cleanup(func() { c.end() })
	return c
}

func TestAMonitorAloneGivesAnOrder(t *testing.T) {
	store, etcd := memcachedtest.Start(t), etcdtest.Start(t)
	address := "etcd://" + strings.TrimPrefix(etcd.URL(), "http://") + "/order"
	c := start(t, "monitor", "--store", "memcached://"+store.Addr, "--order", address,
		"--observers", "1", "--name", "alone", "--read", "1s", "--save", "1s", "--every", "500ms")
	until(t, "a vote for up", func() bool {
		text, _ := etcd.Get("order.votes/alone")
		return strings.Contains(text, `"up"`)
	})
	store.Freeze()
	var order override.Order
	until(t, "an order", func() bool {
		text, stands := etcd.Get("order")
		var err error
		order, err = override.Parse(text)
		return stands && err == nil
	})
	if order.By != "holdfast monitor" || order.Until.IsZero() {
		t.Errorf("got the order %+v, want one of the monitor that ends", order)
	}
	if exit := c.end(); exit != 0 {
		t.Errorf("got exit status %d, want 0; it said %s", exit, c.stderr.String())
	}
	if !strings.Contains(c.stdout.String(), "The monitor alone watches 1 shards") {
		t.Errorf("got %q", c.stdout.String())
	}
}

// The doctor's exit status tells what it has found.
func TestTheDoctorsExitStatus(t *testing.T) {
	well, flawed := memcachedtest.Start(t), memcachedtest.Start(t, "-C")
	for store, want := range map[string]int{well.Addr: 0, flawed.Addr: 1, "127.0.0.1:1": 2} {
		for _, format := range []string{"", " --json"} {
			var stdout, stderr printed.Text
			exit := run(t.Context(), strings.Fields("doctor memcached://"+store+format), &stdout, &stderr)
			if exit != want || stderr.String() != "" || !strings.Contains(stdout.String(), store) {
				t.Errorf("%s%s: exit status %d, want %d: %s%s", store, format, exit, want, stdout.String(), stderr.String())
			}
		}
	}
}
