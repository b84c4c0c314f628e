//go:build unix

package redistest

import (
	"maps"
	"strconv"
	"strings"
	"testing"
)

// Calls returns how often each command was called since the server started or Reset
// was called, by the lower-case name that Redis counts it under. It leaves out this
// package's own commands, and those by which a client makes and keeps its
// connections.
func (s *Server) Calls(t testing.TB) map[string]int {
	t.Helper()
	calls := make(map[string]int)
	for line := range strings.Lines(s.Command("INFO", "commandstats")) {
		// cmdstat_get:calls=12,usec=34,…
		name, stats, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if !ok {
			continue
		}
		count, _, _ := strings.Cut(stats, ",")
		n, err := strconv.Atoi(count)
		if err != nil {
			t.Fatalf("redistest: commandstats: %q", line)
		}
		calls[name] = n
	}
	maps.DeleteFunc(calls, func(name string, _ int) bool {
		switch name {
		case "info", "config|resetstat", "hello", "auth", "select", "ping", "client|setinfo", "client|tracking", "cluster|slots", "cluster|shards":
			return true
		}
		return false
	})
	return calls
}

// Reset starts the counts of Calls at zero.
func (s *Server) Reset() {
	s.t.Helper()
	s.Command("CONFIG", "RESETSTAT")
}
