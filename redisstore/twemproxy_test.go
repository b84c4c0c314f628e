package redisstore_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/daemon"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

// startTwemproxy runs twemproxy, Debian's nutcracker, in front of a server, and returns its
// address.
func startTwemproxy(t *testing.T, srv *redistest.Server) string {
	t.Helper()
	const install = "apt-get install nutcracker"
	command, err := daemon.Find("nutcracker", install, "/usr/sbin/nutcracker")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "nutcracker.yml")
	s := daemon.Start(t, daemon.Program{
		Command: command,
		Install: install,
		Ports:   2,
		Args: func(ports []int) []string {
			text := fmt.Sprintf("sessions:\n  listen: %s\n  redis: true\n  hash: fnv1a_64\n  distribution: ketama\n  servers:\n   - %s:1\n",
				daemon.Addr(ports[0]), srv.Addr())
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return []string{"-c", config, "-a", "127.0.0.1", "-s", fmt.Sprint(ports[1]), "-p", filepath.Join(dir, "pid"), "-o", filepath.Join(dir, "log")}
		},
		Answers: func(ports []int, _ int) bool {
			got, err := exchange(daemon.Addr(ports[0]), "*2\r\n$6\r\nEXISTS\r\n$1\r\nx\r\n")
			return err == nil && got == ":0\r\n"
		},
	})
	return daemon.Addr(s.Ports[0])
}

// exchange returns what a server answers to a command, before it ends the connection or
// says no more for now.
func exchange(address, command string) (answer string, err error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, command); err != nil {
		return "", err
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	return string(b[:n]), err
}

// What the table in docs/STORES.md says of it: it would pass on all that a session needs,
// but a client does not get so far.
func TestTwemproxyEndsTheConnectionAtHello(t *testing.T) {
	address := startTwemproxy(t, redistest.Start(t))
	for _, command := range []string{"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", "*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n", "*1\r\n$4\r\nINFO\r\n"} {
		if got, err := exchange(address, command); err != io.EOF || got != "" {
			t.Errorf("%q: got %q, %v, want an end of the connection", command, got, err)
		}
	}
	const script = "*4\r\n$4\r\nEVAL\r\n$32\r\nreturn redis.call('GET',KEYS[1])\r\n$1\r\n1\r\n$1\r\nx\r\n"
	if got, err := exchange(address, script); err != nil || got != "$-1\r\n" {
		t.Errorf("a script: got %q, %v, want its answer", got, err)
	}
	for _, url := range []string{"redis://" + address, "redis://" + address + "?protocol=2"} {
		o, err := redisstore.ClientOption(url)
		if err != nil {
			t.Fatal(err)
		}
		client, err := rueidis.NewClient(o)
		if err == nil {
			client.Close()
			t.Fatalf("%s: a client has connected: the table says that it does not", url)
		}
		if !strings.Contains(err.Error(), "EOF") {
			t.Errorf("%s: got %v, want the end of the connection", url, err)
		}
	}
}
