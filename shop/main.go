// Shop is the sample application of package session: a small food shop that
// keeps its visitors and their carts in sessions.
//
//	go run ./shop -insecure
//
// It needs nothing else: sessions are in memory unless -store names a Redis, servers of
// memcached, a PostgreSQL, a MariaDB, a MySQL or a SQLite file, or has the shop start a
// server. Stores that the shop started
// itself can be killed, frozen and restarted with buttons on the page, to see
// that visitors do not notice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strings"
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
	proxy          netip.Prefix // that ends TLS for some visitors

	keys     string // a file; empty: a key of this process only
	audience string
	lease    time.Duration
	noBackup bool
	state    string // a directory; empty: what the store lacks is in memory only

	switchAt, keepOrder string // where orders come from, and a file for the last one

	moveFrom, moveStep string // the address of the old store, where there is one

	shoppers int
	public   bool // the buttons are for everyone
}

// parse reads the flags. Help goes to stdout, because it was asked for.
func parse(args []string, stdout io.Writer) (config, error) {
	var c config
	f := flag.NewFlagSet("shop", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&c.addr, "addr", "127.0.0.1:8080", "serve http on `host:port`; port 0 takes a free one")
	f.StringVar(&c.store, "store", "memory:", "keep sessions at `address`: memory:, redis://user:password@host:port/db, "+
		"memcached://host:port,host:port, postgres://user:password@host:port/database, mysql://user:password@host:port/database, "+
		"sqlite:FILE, or spawn:redis or spawn:memcached for a server that the shop starts itself, and stops")
	f.DurationVar(&c.idle, "idle", 30*time.Minute, "end a session that nobody used for so long")
	f.DurationVar(&c.lifetime, "lifetime", 24*time.Hour, "end a session so long after the login, used or not")
	f.BoolVar(&c.insecure, "insecure", false, "send the cookie over plain http to any host, named session")
	f.Func("proxy", "take the word of a proxy at `address/bits` that a visitor came to it over TLS: whose cookies are Secure then, and those of all others are not", func(text string) (err error) {
		c.proxy, err = netip.ParsePrefix(text)
		return err
	})
	f.StringVar(&c.keys, "keys", "", "seal backups with the keys in `file`, which is made if it is not there; without it, with a key of this process only")
	f.StringVar(&c.audience, "audience", "shop-demo", "seal backups for the application and environment `name`; another shop with the same keys does not open them")
	f.DurationVar(&c.lease, "lease", time.Hour, "let a backup vouch for a session so long after the store last did")
	f.BoolVar(&c.noBackup, "no-backup", false, "keep sessions in the store only")
	f.StringVar(&c.state, "state", "", "keep what the store lacks in a file in `dir` too, which outlives the shop; needs -keys")
	f.StringVar(&c.switchAt, "switch", "", "go by the operator's order at `address`: file:/path, etcd://host:port,host:port/key, zk://host:port,host:port/path, or an address of -store with #key behind it")
	f.StringVar(&c.keepOrder, "keep-order", "", "keep the last order in `file`, for a start while the address of -switch does not answer")
	f.StringVar(&c.moveFrom, "move-from", "", "move the sessions of the store at `address` into that of -store, step by step: see -move-step")
	f.StringVar(&c.moveStep, "move-step", "", "the `step` of the move: prepare, move or drain; all shops are to be at one before any is at the next")
	f.IntVar(&c.shoppers, "shoppers", 0, "let `n` simulated shoppers in, 200 at most")
	f.BoolVar(&c.public, "public-buttons", false, "let everyone who reaches -addr stop the store and let shoppers in, not only this machine")
	err := f.Parse(args)
	given := map[string]bool{}
	f.Visit(func(g *flag.Flag) { given[g.Name] = true })
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
	}
	return c, c.check(given)
}

// check refuses values that make no sense, alone or together.
func (c config) check(given map[string]bool) error {
	switch {
	case c.idle <= 0:
		return fmt.Errorf("-idle %v: must be longer than 0, like 30m", c.idle)
	case c.lifetime <= 0:
		return fmt.Errorf("-lifetime %v: must be longer than 0, like 24h", c.lifetime)
	case c.lease < time.Second:
		return fmt.Errorf("-lease %v: must be a second or longer, like 1h", c.lease)
	case c.shoppers < 0 || c.shoppers > maxShoppers:
		return fmt.Errorf("-shoppers %d: must be between 0 and %d", c.shoppers, maxShoppers)
	}
	if err := c.checkMove(); err != nil {
		return err
	}
	return c.checkBackup(given)
}

// checkBackup is check for the flags that only a backup has a use for.
func (c config) checkBackup(given map[string]bool) error {
	switch {
	case given["keys"] && c.keys == "":
		return errors.New("-keys: must name a file, like shop.keys")
	case c.noBackup && given["keys"]:
		return errors.New("-keys with -no-backup: there is nothing to seal; leave one of them out")
	case c.noBackup && given["audience"]:
		return errors.New("-audience with -no-backup: there is nothing to seal; leave one of them out")
	case c.noBackup && given["lease"]:
		return errors.New("-lease with -no-backup: there is nothing that could vouch; leave one of them out")
	}
	return c.checkState(given)
}

// checkState is check for the flags of files that outlive the shop.
func (c config) checkState(given map[string]bool) error {
	switch {
	case given["state"] && c.state == "":
		return errors.New("-state: must name a directory that exists")
	case c.noBackup && c.state != "":
		return errors.New("-state with -no-backup: the store lacks nothing that could be kept; leave one of them out")
	case c.noBackup && c.switchAt != "":
		return errors.New("-switch with -no-backup: there is nothing to switch between; leave one of them out")
	case c.keepOrder != "" && (c.switchAt == "" || strings.HasPrefix(c.switchAt, "file:")):
		return errors.New("-keep-order: goes with -switch etcd:// or zk://, whose order it keeps")
	case c.state != "" && c.keys == "":
		return errors.New("-state without -keys: a key of this process only opens nothing afterwards; give -keys a file")
	}
	return nil
}
