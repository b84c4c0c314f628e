package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-go/session/lab/peer"
)

// This program starts itself once more for each peer. The environment of the new process
// says which peer it is.
const (
	serveVar     = "LAB_SERVE"     // the peer's name
	redisVar     = "LAB_REDIS"     // host:port
	memcachedVar = "LAB_MEMCACHED" // host:port, with commas between
)

// child serves a peer until its input ends: it does not outlive the one that started it.
func child(name string) error {
	ended := make(chan error, 2)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	go func() {
		servers := peer.Servers{Redis: os.Getenv(redisVar), Memcached: strings.Split(os.Getenv(memcachedVar), ",")}
		ended <- peer.Serve(name, servers, func(app, control string) { fmt.Println(app, control) })
	}()
	return <-ended
}

// process serves one peer.
type process struct {
	peer.Peer
	app, control string // addresses
	cmd          *exec.Cmd
	input        io.Closer
	said         *bytes.Buffer // on its standard error
}

// start returns once the process listens.
func start(ctx context.Context, p peer.Peer, servers peer.Servers, nodeDir string) (*process, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	x := &process{Peer: p, cmd: exec.CommandContext(ctx, path), said: new(bytes.Buffer)}
	if p.Node {
		x.cmd = exec.CommandContext(ctx, "node", filepath.Join(nodeDir, "server.js"))
	}
	x.cmd.WaitDelay = 10 * time.Second
	x.cmd.Env = append(os.Environ(), "NODE_ENV=production", serveVar+"="+p.Name,
		redisVar+"="+servers.Redis, memcachedVar+"="+strings.Join(servers.Memcached, ","))
	x.cmd.Stderr = x.said
	if x.input, err = x.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := x.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := x.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil {
		_ = x.cmd.Wait()
		return nil, fmt.Errorf("%s did not start: %s", p.Name, x.said)
	}
	x.app, x.control, _ = strings.Cut(strings.TrimSpace(line), " ")
	go func() { _, _ = io.Copy(io.Discard, lines) }() // what a library prints there
	return x, nil
}

// close ends the process.
func (p *process) close() {
	_ = p.input.Close()
	_ = p.cmd.Wait()
}

// ask sends a request to the lab's own routes of the peer, and reports whether it says
// yes.
func (p *process) ask(ctx context.Context, method, path string) (bool, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+p.control+path, nil)
	if err != nil {
		return false, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false, fmt.Errorf("%s: %w", p.Name, err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusNoContent, nil
}

// waitReady returns once the peer trusts its store.
func (p *process) waitReady(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(100 * time.Millisecond) {
		if ok, err := p.ask(ctx, http.MethodGet, peer.ReadyPath); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: not ready after a minute: %s", p.Name, p.said)
}
