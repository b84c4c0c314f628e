package host

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Child runs do and exits, where the environment variable says what this process is to
// be: a measuring program starts itself once more for each of its processes. Without the
// variable Child does nothing. A program's main and its TestMain call it first.
func Child(variable string, do func(what string) error) {
	what := os.Getenv(variable)
	if what == "" {
		return
	}
	if err := do(what); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Main runs a program with its arguments, until run returns, and exits with status 1
// after an error. An interrupt ends the context. The error is printed behind the name of
// the program; that of flag.ErrHelp is none.
func Main(name string, run func(ctx context.Context, args []string, out io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}
