//go:build unix

// Package zookeepertest runs the real ZooKeeper for tests, in a small JVM.
package zookeepertest

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/daemon"
)

// jar is where Debian has it. It names the libraries that it needs.
const jar = "/usr/share/java/zookeeper.jar"

const install = "apt-get install zookeeper default-jre-headless"

// Server is a ZooKeeper of one member.
type Server struct {
	*daemon.Server

	dir string
}

// Start runs ZooKeeper until the test ends. Its tick is 200 ms, so sessions may be as
// short as 400 ms.
func Start(t testing.TB) *Server {
	t.Helper()
	if _, err := os.Stat(jar); err != nil {
		t.Fatalf("zookeepertest: no %s here; install it: %s", jar, install)
	}
	dir := t.TempDir()
	return &Server{dir: dir, Server: daemon.Start(t, daemon.Program{
		Command: "java",
		Install: install,
		Ports:   1,
		Args: func(ports []int) []string {
			config := filepath.Join(dir, "zoo.cfg")
			text := fmt.Sprintf("tickTime=200\ndataDir=%s/%d\nclientPort=%d\nclientPortAddress=127.0.0.1\n"+
				"admin.enableServer=false\n4lw.commands.whitelist=srvr,dump\nmaxClientCnxns=0\n", dir, ports[0], ports[0])
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return []string{
				"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.fsync.warningthresholdms=60000",
				"-cp", "/usr/share/java/slf4j-nop.jar:" + jar, "org.apache.zookeeper.server.ZooKeeperServerMain", config,
			}
		},
		Answers: func(ports []int, _ int) bool { return strings.HasPrefix(ask(ports[0], "srvr"), "Zookeeper version") },
	})}
}

// Empty removes the data of a server that is killed.
func (s *Server) Empty(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, strconv.Itoa(s.Ports[0]))); err != nil {
		t.Fatal(err)
	}
}

// Addr is the server's "host:port".
func (s *Server) Addr() string { return daemon.Addr(s.Ports[0]) }

// ask returns what the server answers to one of its four-letter words, or "".
func ask(port int, word string) string {
	c, err := net.DialTimeout("tcp", daemon.Addr(port), time.Second)
	if err != nil {
		return ""
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return ""
	}
	if _, err := io.WriteString(c, word); err != nil {
		return ""
	}
	said, _ := io.ReadAll(c) // it closes the connection behind its word
	return string(said)
}

// HasSession reports whether the server has a client's session.
func (s *Server) HasSession(id int64) bool {
	return strings.Contains(ask(s.Ports[0], "dump"), fmt.Sprintf("0x%x\n", id))
}
