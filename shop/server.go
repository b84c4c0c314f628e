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

var (
	patienceAtStart = 2 * time.Second  // with the store
	patienceWithOwn = 10 * time.Second // with a server that the shop starts, until it takes connections
)

const patienceAtEnd = 5 * time.Second // with requests under way

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
	store, mover, err := openMoving(ctx, c, log)
	if err != nil {
		return err
	}
	defer store.close()
	panel := newPanel(store, c)
	o := options(c, keys.Keys, log)
	if c.switchAt != "" {
		if panel.lever, err = openSwitch(c.switchAt, c.keepOrder, log); err != nil {
			return err
		}
		o.Switch = panel.lever
	}
	defer closeSwitch(ctx, panel.lever, log)
	o.Hooks, o.Error = panel.hooks(o.Hooks), panel.answerError
	sessions, err := session.New(panel.served.Store(store.store, store.system()), o)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.addr)
	if err != nil {
		return errors.Join(fmt.Errorf("-addr %s: %w", c.addr, err), sessions.Close(ctx))
	}
	if panel.operator, err = openOperatorsPage(sessions, store.store, panel, c.insecure, log); err != nil {
		return errors.Join(err, listener.Close(), sessions.Close(ctx))
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
	background.Go(func() { push(streams, mover, log) })
	defer background.Wait()
	defer endStreams()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	opened := fmt.Sprintf("The shop is open: %s (store %s)\n", visitURL(listener.Addr()), store.name)
	opened += fmt.Sprintf("The operators' page: %s/admin/ (key %s)\n", visitURL(listener.Addr()), panel.operator.key)
	if keys.said != "" {
		opened += keys.said + "\n"
	}
	opened += steps(store.process != nil, !c.noBackup)
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
		return errors.Join(err, panel.operator.Close(ctx), sessions.Close(ctx))
	case <-ctx.Done():
	}
	// In this order, because the sessions finish what the last requests began.
	panel.shoppers.close()
	endStreams()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patienceAtEnd)
	defer cancel()
	_ = panel.operator.Close(ctx) // a store that is away keeps its record for some minutes
	err = server.Shutdown(ctx)
	if store.process != nil {
		cancel() // the store ends with the shop, so nothing needs to be delivered
		_ = sessions.Close(ctx)
		return err
	}
	return errors.Join(err, sessions.Close(ctx))
}

// steps says what to try on the page. Where there are no buttons the store is not the
// shop's own, and the page must not suggest to kill it.
func steps(buttons, backup bool) string {
	const begin = "Try it on that page: log in with any name and put something in your cart. Kill the store by its button"
	switch {
	case !buttons:
		return ""
	case !backup:
		return begin + ",\nand see what visitors are told without a backup. Then bring it back.\n"
	}
	return begin + ",\ngo on shopping, and log out. Then bring the store back, log in, and see what is in it.\n"
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
func options(c config, keys *seal.Keys, log *slog.Logger) *session.Options {
	o := &session.Options{
		Cookie:   session.Cookie{Insecure: c.insecure},
		Idle:     c.idle,
		Lifetime: c.lifetime,

		MaxLifetime: max(c.lifetime, rememberFor),

		Hooks: session.LogHooks(log),
		Error: answerError,
	}
	if c.proxy.IsValid() {
		o.Cookie.Secure = session.TLSBehind(c.proxy)
	}
	if keys != nil {
		o.Backup = &session.Backup{Keys: keys, Audience: c.audience, Lease: c.lease, Dir: c.state}
	}
	return o
}
