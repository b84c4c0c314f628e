package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/seal"
)

const (
	patienceAtStart = 2 * time.Second // with the store
	patienceAtEnd   = 5 * time.Second // with requests under way
)

// serve opens the store and the port, says so in one line, and serves until
// ctx ends.
func serve(ctx context.Context, c config, stdout, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	var keys keyring
	if !c.noBackup {
		var err error
		if keys, err = openKeys(c.keys, log); err != nil {
			return err
		}
		defer keys.close()
	}
	store, err := open(ctx, c.store, log)
	if err != nil {
		return err
	}
	defer store.close()
	panel := newPanel(store, c)
	o := options(c, keys.Keys, log)
	o.Hooks, o.Error = panel.hooks(o.Hooks), panel.answerError
	sessions, err := session.New(store.store, o)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return errors.Join(fmt.Errorf("-addr %s: %w", c.addr, err), sessions.Close(ctx))
	}
	panel.shoppers = newShoppers(visitURL(listener.Addr()))
	server := &http.Server{
		Handler:           newShop(sessions, panel, log),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	streams, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	background.Go(func() { panel.hub.run(streams) })
	defer background.Wait()
	defer endStreams()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	opened := fmt.Sprintf("The shop is open: %s (store %s)\n", visitURL(listener.Addr()), store.name)
	if keys.said != "" {
		opened += keys.said + "\n"
	}
	io.WriteString(stdout, opened)
	if c.shoppers > 0 {
		panel.events.write(shoppersCame(c.shoppers))
		if err := panel.shoppers.let(c.shoppers); err != nil {
			return err
		}
	}

	select {
	case err := <-failed:
		panel.shoppers.close()
		return errors.Join(err, sessions.Close(ctx))
	case <-ctx.Done():
	}
	// In this order: requests make the work that the sessions then finish.
	panel.shoppers.close()
	endStreams()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patienceAtEnd)
	defer cancel()
	err = server.Shutdown(ctx)
	if store.process != nil {
		cancel() // what it is owed would end with it in a moment
		_ = sessions.Close(ctx)
		return err
	}
	return errors.Join(err, sessions.Close(ctx))
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

// options are those of the shop's sessions. Without keys there is no backup.
//
// The user of 5 KB would not fit the budget as it is, and so the copies are
// compressed. What seal.Box warns of, a secret beside words that an attacker
// chooses, is not in a session of the shop: it holds what its own visitor may
// read and nobody else can write to, as other sites' forms are refused.
func options(c config, keys *seal.Keys, log *slog.Logger) *session.Options {
	o := &session.Options{
		Cookie:   session.Cookie{Insecure: c.insecure},
		Idle:     c.idle,
		Lifetime: c.lifetime,
		Hooks:    session.LogHooks(log),
		Error:    answerError,
	}
	if keys != nil {
		o.Backup = &session.Backup{Keys: keys, Audience: c.audience, Lease: c.lease, Codec: seal.Flate}
	}
	return o
}
