package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/holdfast-go/session"
)

const (
	patienceAtStart = 2 * time.Second // with the store
	patienceAtEnd   = 5 * time.Second // with requests under way
)

// serve opens the store and the port, says so in one line, and serves until
// ctx ends.
func serve(ctx context.Context, c config, stdout, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	store, err := open(ctx, c.store, log)
	if err != nil {
		return err
	}
	defer store.close()
	sessions, err := session.New(store.store, options(c, log))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return fmt.Errorf("-addr %s: %w", c.addr, err)
	}
	server := &http.Server{
		Handler:           newShop(sessions, store.name, log),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Fprintf(stdout, "The shop is open: %s (store %s)\n", visitURL(listener.Addr()), store.name)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patienceAtEnd)
	defer cancel()
	// In this order: requests make the work that the sessions then finish.
	return errors.Join(server.Shutdown(ctx), sessions.Close(ctx))
}

// visitURL is what to open in a browser. A port on all interfaces is visited
// on the loopback one, where browsers keep Secure cookies over plain http.
func visitURL(a net.Addr) string {
	host, port, _ := net.SplitHostPort(a.String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// options are those of the shop's sessions.
func options(c config, log *slog.Logger) *session.Options {
	return &session.Options{
		Cookie:   session.Cookie{Insecure: c.insecure},
		Idle:     c.idle,
		Lifetime: c.lifetime,
		Hooks:    session.LogHooks(log),
		Error:    answerError,
	}
}
