package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-go/session/bench/contestant"
)

// process serves one contestant.
type process struct {
	contestant.Contestant
	addr  string
	cmd   *exec.Cmd
	input io.Closer
	said  *bytes.Buffer // on its standard error
}

// start returns once the process listens. It profiles itself where profile
// names a directory. nodeDir is where the application for Node is.
func start(ctx context.Context, c contestant.Contestant, stores contestant.Stores, nodeDir, profile string) (*process, error) {
	cmd, err := command(ctx, c.Name)
	if c.Node {
		cmd = exec.CommandContext(ctx, "node", filepath.Join(nodeDir, "server.js"))
	}
	if err != nil {
		return nil, err
	}
	p := &process{Contestant: c, cmd: cmd, said: new(bytes.Buffer)}
	cmd.Env = append(os.Environ(), "NODE_ENV=production", serveVar+"="+c.Name, profileVar+"="+profile,
		redisVar+"="+stores.Redis, memcachedVar+"="+stores.Memcached, patienceVar+"="+stores.Patience.String(),
		postgresVar+"="+stores.Postgres, mariadbVar+"="+stores.MariaDB, dirVar+"="+stores.Dir)
	cmd.Stderr = p.said
	if p.input, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		return nil, fmt.Errorf("%s did not start: %s", c.Name, p.said)
	}
	p.addr = strings.TrimSpace(line)
	return p, nil
}

// command is this program once more.
func command(ctx context.Context, what string) (*exec.Cmd, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = append(os.Environ(), serveVar+"="+what)
	cmd.WaitDelay = 10 * time.Second
	return cmd, nil
}

// cpu is how long the process has been computing, on all processors.
func (p *process) cpu() time.Duration { return cpuOf(p.cmd.Process.Pid) }

// close ends the process, and waits for its profiles.
func (p *process) close() {
	_ = p.input.Close()
	_ = p.cmd.Wait()
}
