//go:build unix

package main

import (
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/test/etcdtest"
	"github.com/holdfast-go/session/internal/test/printed"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/zookeepertest"
)

// An order is given, shown and ended, wherever it stands.
func TestAnOrderIsGivenAndEnded(t *testing.T) {
	for scheme, place := range map[string]func() string{
		"etcd": func() string {
			return "etcd://" + strings.TrimPrefix(etcdtest.Start(t).URL(), "http://") + "/shop/override"
		},
		"zk":    func() string { return "zk://" + zookeepertest.Start(t).Addr() + "/shop/override" },
		"redis": func() string { return redistest.Start(t).URL() + "#shop/override" },
	} {
		t.Run(scheme, func(t *testing.T) {
			at := " --order " + place() + " --within 60s"
			for _, step := range []struct {
				args, said string
				exit       int
			}{
				{"override get", "auto\n", 0},
				{"override set backup-only --for 2h --by alice", "backup-only, by alice, until ", 0},
				{"override get", "backup-only, by alice, until ", 0},
				{"override get --json", `{"mode":"backup-only","until":"`, 0},
				{"override set store-only --for 1h --by bob --json", `{"mode":"store-only","until":"`, 0},
				{"override clear --json", `{"mode":"auto"}`, 0},
				{"override set store-only --without-end --by bob", "store-only, by bob\n", 0},
				{"override set auto --for 1h --lease 3h --by bob", "auto, backups vouch for 3h0m0s, by bob, until ", 0},
				{"override set backup-only --shard 10.0.0.7:11211 --for 1h --by bob", "backup-only for the shard 10.0.0.7:11211, by bob, until ", 0},
				{"override get", "backup-only for the shard 10.0.0.7:11211, by bob, until ", 0},
				{"override clear", "auto\n", 0},
				{"override clear", "auto\n", 0},
				{"override get", "auto\n", 0},
				{"override set backup-only", "", 2},
				{"override set backup-only --for 1h --without-end", "", 2},
				{"override set sideways --for 1h", "", 2},
				{"override set auto --for=-1h", "", 2},
				{"override set store-only --shard a --for 1h", "", 2},
				{"override set auto --for 1h --by " + strings.Repeat("x", 101), "", 2},
			} {
				var stdout, stderr printed.Text
				exit := run(t.Context(), strings.Fields(step.args+at), &stdout, &stderr)
				if exit != step.exit || !strings.HasPrefix(stdout.String(), step.said) {
					t.Errorf("%s: exit status %d and %q, want %d and %q: %s", step.args, exit, stdout.String(), step.exit, step.said, stderr.String())
				}
			}
		})
	}
}

// Monitors end the orders of their name.
func TestNobodyGivesAnOrderInTheMonitorsName(t *testing.T) {
	var stdout, stderr printed.Text
	args := []string{"override", "set", "auto", "--for", "1h", "--by", "holdfast monitor", "--order", "etcd://127.0.0.1:1/site/override"}
	if exit := run(t.Context(), args, &stdout, &stderr); exit != 2 || !strings.Contains(stderr.String(), "monitors go by that name") {
		t.Errorf("exit status %d, %s, want 2 and why", exit, stderr.String())
	}
}

func TestAMonitorWhoseProbesTakeTooLongDoesNotBegin(t *testing.T) {
	var stdout, stderr printed.Text
	args := strings.Fields("monitor --store memcached://127.0.0.1:1 --order etcd://127.0.0.1:1/site/override --observers 1 --every 1s --read 50ms --save 3s")
	if exit := run(t.Context(), args, &stdout, &stderr); exit != 2 || !strings.Contains(stderr.String(), "three times --every") {
		t.Errorf("exit status %d, %s, want 2 and why", exit, stderr.String())
	}
}
