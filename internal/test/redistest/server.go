//go:build unix

package redistest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/test/daemon"
)

// Server is a redis-server of one test's own, on a loopback port, with nothing
// saved to disk: Restart starts it empty.
type Server struct {
	*daemon.Server
	t        testing.TB
	dir      string
	password string
}

// Start runs redis-server with args behind the usual ones and returns once it
// answers. In args, "{port}" stands for a second free port, which Extra tells:
//
//	redistest.Start(t, "--tls-port", "{port}", "--tls-cert-file", cert)
//
// Where there is no redis-server the test fails, with the command that
// installs it.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, "", append([]string{"--save", "", "--appendonly", "no"}, args...))
}

// Sentinel runs redis-server as the sentinel that the file config describes,
// without its port. Sentinel writes to the file.
func Sentinel(t testing.TB, config string) *Server {
	t.Helper()
	return start(t, config, []string{"--sentinel"})
}

func start(t testing.TB, config string, args []string) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir()}
	if i := slices.Index(args, "--requirepass"); i >= 0 && i+1 < len(args) {
		s.password = args[i+1]
	}
	s.Server = daemon.Start(t, daemon.Program{
		Command: "redis-server",
		Install: "apt-get install redis-server",
		Ports:   2,
		Args: func(ports []int) []string {
			all := []string{"--port", strconv.Itoa(ports[0]), "--bind", "127.0.0.1", "--dir", s.dir}
			if config != "" {
				all = slices.Insert(all, 0, config)
			}
			for _, a := range args {
				all = append(all, strings.ReplaceAll(a, "{port}", strconv.Itoa(ports[1])))
			}
			return all
		},
		Answers: func(ports []int, pid int) bool {
			info, err := ask(daemon.Addr(ports[0]), s.password, "INFO", "server")
			return err == nil && strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", pid))
		},
	})
	return s
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return daemon.Addr(s.Ports[0]) }

// URL is the server's address as a redis:// URL, with the password if the
// server was started with --requirepass.
func (s *Server) URL() string {
	if s.password != "" {
		return "redis://:" + s.password + "@" + s.Addr()
	}
	return "redis://" + s.Addr()
}

// Extra is the port that "{port}" in the arguments stood for.
func (s *Server) Extra() int { return s.Ports[1] }

// Dir is the server's working directory, which the test's end removes.
func (s *Server) Dir() string { return s.dir }
