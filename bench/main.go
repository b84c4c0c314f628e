// Bench measures parts of this project side by side with what others use, and
// writes the figures into docs/BENCHMARKS.md.
//
//	make bench
//
// Machines differ, and so does what else they do: what counts is the ratio of
// two that took turns in one run.
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
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// run is main, for the test too. It prints outcomes as they come.
func run(ctx context.Context, args []string, out io.Writer) error {
	var t turns
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&t.rounds, "rounds", 20, "how many `times` the two take turns in each comparison")
	f.DurationVar(&t.slice, "slice", 60*time.Millisecond, "how long a turn is")
	page := f.String("page", "", "put the figures into this `file`")
	f.SetOutput(io.Discard)
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		f.SetOutput(out)
		f.PrintDefaults()
		return err
	case err != nil:
		return err
	case f.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: flags begin with a dash", f.Arg(0))
	case t.rounds < 1 || t.slice <= 0:
		return errors.New("-rounds and -slice: must be more than 0")
	}
	text, err := compareMemcached(ctx, t, out)
	if err != nil || *page == "" {
		return err
	}
	return writeSection(*page, "memcached", text)
}
