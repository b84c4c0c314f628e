package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/ownport"
)

const spawnScheme = "spawn:"

// server is a kind of store that the shop can start.
type server struct {
	binary, install string
	scheme          string
	arguments       func(host, port string) []string
}

var servers = map[string]server{
	"memcached": {
		binary: "memcached", install: "apt-get install memcached", scheme: memcachedScheme,
		arguments: func(host, port string) []string {
			args := []string{"-l", host, "-p", port}
			if os.Geteuid() == 0 {
				args = append(args, "-u", "nobody") // it refuses to be root
			}
			return args
		},
	},
	"redis": {
		binary: "redis-server", install: "apt-get install redis-server", scheme: "redis://",
		arguments: func(host, port string) []string {
			// It neither writes a file nor reads one, such as another's dump.rdb that lies there.
			return []string{"--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", os.TempDir(), "--dbfilename", ""}
		},
	},
}

// openSpawned starts a server and opens the store on it.
func openSpawned(ctx context.Context, address string, log *slog.Logger) (backend, error) {
	kind, ok := servers[address[len(spawnScheme):]]
	if !ok {
		return backend{}, errAddress
	}
	b := backend{name: address}
	p, err := spawn(ctx, kind)
	if err != nil {
		return b, err
	}
	opened, err := openAddress(ctx, kind.scheme+p.addr, log)
	if err != nil {
		p.close()
		return b, err
	}
	opened.name = fmt.Sprintf("%s at %s", address, p.addr)
	opened.process = p
	disconnect := opened.close
	opened.close = func() { disconnect(); p.close() }
	return opened, nil
}

// spawned is a server of the shop's own, on a free loopback port that it keeps
// for as long as the shop runs.
type spawned struct {
	kind server
	port *ownport.Port
	addr string // of the port

	mu     sync.Mutex // guards all below, and each change as a whole
	cmd    *exec.Cmd
	gone   chan struct{} // closed when the process has ended
	frozen bool
	closed bool
}

func spawn(ctx context.Context, kind server) (*spawned, error) {
	if !canSpawn {
		return nil, errors.New("this system has no signals to stop a server with; start one yourself and give its address")
	}
	if _, err := exec.LookPath(kind.binary); err != nil {
		return nil, fmt.Errorf("no %s on this machine; install it with: %s", kind.binary, kind.install)
	}
	for n := 1; ; n++ { // where the kernel holds no port for a server, another process may take it in between
		port, err := ownport.Take()
		if err != nil {
			return nil, err
		}
		p := &spawned{kind: kind, port: port, addr: port.Addr()}
		if err = p.startLocked(ctx); err == nil {
			return p, nil
		}
		port.Close()
		if n == 5 || ctx.Err() != nil {
			return nil, err
		}
	}
}

// startLocked returns when the server takes connections. p.mu is held, or p is not
// shared yet.
func (p *spawned) startLocked(ctx context.Context) error {
	if p.closed {
		return errors.New("the shop is closing")
	}
	ctx, cancel := context.WithTimeout(ctx, patienceWithOwn)
	defer cancel()
	host, port, err := net.SplitHostPort(p.addr)
	if err != nil {
		return err
	}
	cmd := exec.Command(p.kind.binary, p.kind.arguments(host, port)...)
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it was killed, mostly
		close(gone)
	}()
	p.cmd = cmd
	p.gone = gone
	p.frozen = false
	for wait := 5 * time.Millisecond; ; {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			_ = c.Close()
			wait = 30 * time.Millisecond // and if it is another's server, ours ends now
		}
		select {
		case <-gone:
			return fmt.Errorf("%s on %s ended at once", p.kind.binary, p.addr)
		case <-ctx.Done():
			_ = cmd.Process.Kill()
			<-gone
			return fmt.Errorf("%s does not answer within %v", p.kind.binary, patienceWithOwn)
		case <-time.After(wait):
			if err == nil {
				return nil
			}
		}
	}
}

func (p *spawned) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLocked()
	return nil
}

// endLocked is SIGKILL, which ends a frozen process too.
func (p *spawned) endLocked() {
	_ = p.cmd.Process.Kill() // an error says that it has ended
	<-p.gone
	p.frozen = false
}

func (p *spawned) freeze() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isGoneLocked() || p.frozen {
		return nil
	}
	if err := p.cmd.Process.Signal(stopSignal); err != nil {
		return err
	}
	p.frozen = true
	// The signal is sent, and threads that run on another processor may answer
	// for a moment yet.
	for end := time.Now().Add(time.Second); !stopped(p.cmd.Process.Pid) && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return nil
}

// stopped reports whether no thread of a process runs any more. Where there is no
// /proc there is nothing to look at.
func stopped(pid int) bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, name := range stats {
		stat, _ := os.ReadFile(name)
		_, state, _ := bytes.Cut(stat, []byte(") "))
		if !bytes.HasPrefix(state, []byte("T")) {
			return false
		}
	}
	return true
}

func (p *spawned) restart() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLocked()
	return p.startLocked(context.Background())
}

func (p *spawned) back() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.isGoneLocked():
		return p.startLocked(context.Background())
	case p.frozen:
		p.frozen = false
		return p.cmd.Process.Signal(continueSignal)
	}
	return nil
}

func (p *spawned) condition() condition {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.isGoneLocked():
		return dead
	case p.frozen:
		return frozen
	}
	return running
}

func (p *spawned) isGoneLocked() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// close ends it for good.
func (p *spawned) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.endLocked()
	p.port.Close()
}
