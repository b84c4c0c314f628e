package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// process is the Express application.
type process struct {
	url   *url.URL
	ended chan error
	stdin io.Closer
}

// startExpress returns when the application in dir listens.
func startExpress(ctx context.Context, dir, redis, secret string) (*process, error) {
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		install := exec.CommandContext(ctx, "npm", "ci", "--no-fund", "--no-audit")
		install.Dir = dir
		install.Stdout, install.Stderr = os.Stderr, os.Stderr
		if err := install.Run(); err != nil {
			return nil, fmt.Errorf("npm ci: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, "node", "app.js")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), "REDIS_URL="+redis, "SESSION_SECRET="+secret, "NODE_ENV=production")
	stdin, err := cmd.StdinPipe() // it ends when this is closed, with us too
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = stdin.Close()
		return nil, fmt.Errorf("express did not start: %w", cmd.Wait())
	}
	p := &process{&url.URL{Scheme: "http", Host: "127.0.0.1:" + strings.TrimSpace(port)}, make(chan error, 1), stdin}
	go func() { p.ended <- cmd.Wait() }()
	return p, nil
}

func (p *process) stop() { _ = p.stdin.Close() }
