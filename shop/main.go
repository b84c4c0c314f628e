// Shop is the sample application of package session: a small food shop that
// keeps its visitors and their carts in sessions.
//
//	go run ./shop -insecure
//
// It needs nothing else: sessions are in memory unless -store names a Redis or
// servers of memcached.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main, for tests too. It returns the exit status when ctx has ended
// and every request was answered.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "shop: %v\nshop: -h lists the flags\n", err)
		return 2
	}
	if err := serve(ctx, c, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "shop:", err)
		return 1
	}
	return 0
}

// config is what the flags say.
type config struct {
	addr, store    string
	idle, lifetime time.Duration
	insecure       bool
}

// parse reads the flags. Help goes to stdout, because it was asked for.
func parse(args []string, stdout io.Writer) (config, error) {
	var c config
	f := flag.NewFlagSet("shop", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&c.addr, "addr", "127.0.0.1:8080", "serve http on `host:port`; port 0 takes a free one")
	f.StringVar(&c.store, "store", "memory:", "keep sessions at `address`, memory:, redis://user:password@host:port/db or memcached://host:port,host:port")
	f.DurationVar(&c.idle, "idle", 30*time.Minute, "end a session that nobody used for so long")
	f.DurationVar(&c.lifetime, "lifetime", 24*time.Hour, "end a session so long after the login, used or not")
	f.BoolVar(&c.insecure, "insecure", false, "send the cookie over plain http to any host, named session")
	f.Bool("no-backup", false, "keep sessions in the store only, which is all there is yet")
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stdout, "A small food shop that keeps its visitors and their carts in sessions.")
		f.SetOutput(stdout)
		f.PrintDefaults()
		return c, err
	case err != nil:
		return c, err
	case f.NArg() > 0:
		return c, fmt.Errorf("unexpected argument %q: flags begin with a dash", f.Arg(0))
	case c.idle <= 0:
		return c, fmt.Errorf("-idle %v: must be longer than 0, like 30m", c.idle)
	case c.lifetime <= 0:
		return c, fmt.Errorf("-lifetime %v: must be longer than 0, like 24h", c.lifetime)
	}
	return c, nil
}
