// Holdfast is the command of operators.
//
//	holdfast monitor   watches a store and gives a fleet its orders, together with other monitors
//	holdfast doctor    looks at stores, pages and keys, and says what visitors will suffer from
//	holdfast override  shows, gives and ends the order that a fleet goes by
//	holdfast status    shows all instances of an application, and their store
//	holdfast sessions  lists, shows and ends sessions
//	holdfast move      shows how many sessions are left in the old one of two stores
//	holdfast keys      takes a file of keys through the steps of a rotation
//	holdfast cookie    shows what is in a sealed cookie, and why it does not open
//	holdfast completion  prints what makes a shell complete the command
//	holdfast drill     takes the store away from a fleet for a while, and reports what became of it
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// commands are what the command line can say.
type commands struct {
	Monitor  monitorCommand  `cmd:"" help:"Watch a store as its visitors see it, and order a fleet to leave it alone while it is down. Run several, on different machines."`
	Doctor   doctorCommand   `cmd:"" help:"Look at stores, pages and keys, and say what is set so that visitors will suffer from it."`
	Override overrideCommand `cmd:"" help:"Show, give or end the order that a fleet goes by."`
	Status   statusCommand   `cmd:"" help:"Show every instance of an application with its shards, by its operators' page. The exit status is 0 where all are there and served, 1 where one is not, 2 where the page cannot be asked."`
	Sessions sessionsCommand `cmd:"" help:"List, show and end sessions, by the operators' page of an application. The exit status is 0 where it is done, 1 where show and ls find no session or an end waits for the store, 2 where the page cannot be asked or refuses."`
	Drill    drillCommand    `cmd:"" help:"Take the store away from a fleet for a while, by an order, and report what visitors noticed. It stops by itself at its limits."`

	Move       moveCommand       `cmd:"" help:"Show how many sessions of a move (package moving) are left in the old store. It changes nothing. The exit status is 0 where none is left, 1 where some are, 2 where it cannot be told."`
	Keys       keysCommand       `cmd:"" help:"Take a file of keys of sealed cookies through the steps of a rotation."`
	Cookie     cookieCommand     `cmd:"" help:"Look at sealed cookies, without a store."`
	Completion completionCommand `cmd:"" help:"Print what makes a shell complete this command."`
	Complete   completeCommand   `cmd:"" hidden:"" name:"complete-words" help:"Print what may come in the place of the last word."`
}

// run is main, for tests too. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c commands
	helped := false
	parser, err := kong.New(&c, kong.Name("holdfast"), kong.Description("The operator's command."),
		kong.Writers(stdout, stderr), kong.Help(help), kong.Exit(func(int) { helped = true }))
	if err != nil {
		panic(err) // a mistake in the tags
	}
	parsed, err := parser.Parse(args)
	switch {
	case helped: // Parse has printed it, and gone on
		return exitFine
	case err != nil:
		fmt.Fprintf(stderr, "holdfast: %v\nholdfast: --help lists what there is\n", err)
		return exitNot
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	parsed.BindTo(ctx, (*context.Context)(nil))
	parsed.BindTo(stdout, (*io.Writer)(nil))
	parsed.BindTo(os.Stdin, (*io.Reader)(nil))
	return exitOf(parsed.Run(log), stderr)
}
