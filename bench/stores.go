package main

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/session/bench/contestant"
	"github.com/holdfast-go/session/internal/test/host"
	"github.com/holdfast-go/session/internal/test/memcachedtest"
	"github.com/holdfast-go/session/internal/test/redistest"
)

// stores are the servers that all contestants share.
type stores struct {
	host      *host.Host
	redis     *redistest.Server
	memcached *memcachedtest.Server
	sql       contestant.Stores // the databases, where they run
}

func startStores() (*stores, error) {
	for _, binary := range []string{"redis-server", "memcached"} {
		if _, err := exec.LookPath(binary); err != nil {
			return nil, fmt.Errorf("no %s on this machine; install it with: make setup", binary)
		}
	}
	s := &stores{host: new(host.Host)}
	s.redis = redistest.Start(s.host)
	s.memcached = memcachedtest.Start(s.host, memcachedArgs...)
	return s, nil
}

// memcachedArgs let it keep what all contestants store, and take the
// connections of a thousand visitors of those that have one for each.
var memcachedArgs = []string{"-m", "1024", "-c", "4096"}

func (s *stores) close() { s.host.Close() }

// addresses come with so much patience that a machine which does other things
// too is not taken for a store that is away.
func (s *stores) addresses() contestant.Stores {
	all := s.sql
	all.Redis, all.Memcached = s.redis.Addr(), s.memcached.Addr
	all.Patience = 2 * time.Second
	return all
}

// freezer is a server that can be stopped for a while.
type freezer interface {
	Freeze()
	Thaw()
}

func (s *stores) server(of contestant.Store) freezer {
	if of == contestant.Redis {
		return s.redis
	}
	return s.memcached
}

// traffic is what a server did so far, by its own account.
type traffic struct {
	commands map[string]int
	in, out  int // bytes
}

func (s *stores) traffic(of contestant.Store) traffic {
	switch of {
	case contestant.None, contestant.SQL: // not counted
	case contestant.Redis:
		return redisTraffic(s.redis)
	case contestant.Memcached:
		return memcachedTraffic(s.memcached)
	}
	return traffic{}
}

// since returns the counts of what was done after before, without the commands that asked
// for the counts.
func (t traffic) since(before, asking traffic) traffic {
	d := traffic{map[string]int{}, t.in - before.in - asking.in, t.out - before.out - asking.out}
	for name, n := range t.commands {
		if n -= before.commands[name]; n > 0 {
			d.commands[name] = n
		}
	}
	return d
}

func redisTraffic(s *redistest.Server) traffic {
	t := traffic{commands: map[string]int{}}
	for line := range strings.Lines(s.Command("INFO", "everything")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch n, _ := strconv.Atoi(value); {
		case name == "total_net_input_bytes":
			t.in = n
		case name == "total_net_output_bytes":
			t.out = n
		case strings.HasPrefix(name, "cmdstat_"):
			// cmdstat_get:calls=12,usec=34,…
			calls, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
			n, _ := strconv.Atoi(calls)
			t.commands[strings.ToUpper(strings.TrimPrefix(name, "cmdstat_"))] = n
		}
	}
	for name := range t.commands {
		if name == "INFO" || name == "HELLO" || name == "SELECT" || strings.Contains(name, "|") {
			delete(t.commands, name) // of connections, and of ours
		}
	}
	// A script's own commands are counted too, but no client sends them: the script
	// of our store is a GETRANGE and, where it compares equal, a SET.
	if scripts := t.commands["EVALSHA"] + t.commands["EVAL"]; scripts > 0 {
		t.commands["SET"] -= min(scripts, t.commands["SET"])
		delete(t.commands, "GETRANGE")
	}
	return t
}

func memcachedTraffic(s *memcachedtest.Server) traffic {
	t := traffic{commands: map[string]int{}}
	for line := range strings.Lines(s.CommandUntil("stats\r\n", "END\r\n")) {
		words := strings.Fields(line)
		if len(words) != 3 {
			continue
		}
		n, _ := strconv.Atoi(words[2])
		switch words[1] {
		case "bytes_read":
			t.in = n
		case "bytes_written":
			t.out = n
		case "cmd_get":
			t.commands["get"] = n
		case "cmd_set":
			t.commands["set"] = n
		case "cmd_touch":
			t.commands["touch"] = n
		}
	}
	return t
}

// String is like "GET 1, SET 1", for so many requests.
func (t traffic) per(requests int) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(t.commands)) {
		n := float64(t.commands[name]) / float64(requests)
		if n < 0.05 { // a command of a probe, or of another client
			continue
		}
		all = append(all, name+" "+strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0"))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
