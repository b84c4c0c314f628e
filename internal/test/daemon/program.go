//go:build unix

package daemon

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/holdfast-go/session/internal/ownport"
)

// Program describes how a server is started.
type Program struct {
	Command string // a name in PATH, or a path
	Install string // the command that installs it
	Ports   int    // how many ports it needs; it must set SO_REUSEADDR on them

	// Prepare, if not nil, runs before each start.
	Prepare func()

	// Args returns the arguments, for these ports.
	Args func(ports []int) []string

	// Answers reports whether the server with this process ID does its work on these
	// ports. Another server may have taken them meanwhile.
	Answers func(ports []int, pid int) bool

	// Family is set where the server works in processes that it starts. These are then
	// killed and frozen together with it.
	Family bool

	User *syscall.SysProcAttr // whom it runs as, nil for the test's own user
	Dir  string               // its working directory, "" for the test's own
}

// Find returns the path of a program: the one in PATH, or else the last file that one of
// the patterns matches. The error names the command that installs the program.
func Find(name, install string, patterns ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, pattern := range patterns {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("daemon: no %s on this machine; install it with: %s", name, install)
}

// Addr returns the address of a loopback port, as "host:port".
func Addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// takePorts returns n ports that are the test's own until it ends, while the server is down too.
func takePorts(t TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		p, err := ownport.Take()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		ports = append(ports, p.Number)
	}
	return ports
}
