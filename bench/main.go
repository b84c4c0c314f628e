// Bench measures this project side by side with what others use, and writes the
// figures into docs/BENCHMARKS.md.
//
//	make bench
//
// Rates depend on the machine and on what else it does. Compare the ratios of
// contestants that took turns in one run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/holdfast-go/session/internal/test/host"
)

func main() {
	if what := os.Getenv(serveVar); what != "" {
		if err := child(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// One processor asks, so that the servers have the others.
	runtime.GOMAXPROCS(1)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// run is main, for the test too. It tells what it does as it goes.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	p, err := parse(args, out)
	if err != nil {
		return err
	}
	defer host.Recover(&err)
	s, err := startStores()
	if err != nil {
		return err
	}
	defer s.close()
	return measure(ctx, p, s, out)
}
