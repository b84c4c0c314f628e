package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"
)

// The exit statuses are the same for every command.
const (
	exitFine  = 0
	exitFound = 1 // the command ran, and has found something wrong, or refuses to act
	exitNot   = 2 // the command could not run, or the command line makes no sense
)

const exitHelp = `
Exit status: 0 where all is well; 1 where something that it found is not, or it refuses; 2 where it could not, or the command line is wrong.
`

// exitStatus is an error that ends the command with a status of its own, and is not printed.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// finding is an error that says what was found, and not that the command could not do its
// work.
type finding struct{ error }

func (f finding) Unwrap() error { return f.error }

// exitOf prints what err says and returns the status for it.
func exitOf(err error, stderr io.Writer) int {
	if err == nil {
		return exitFine
	}
	if status := exitStatus(0); errors.As(err, &status) {
		return int(status)
	}
	fmt.Fprintf(stderr, "holdfast: %v\n", err)
	if f := (finding{}); errors.As(err, &f) {
		return exitFound
	}
	return exitNot
}

// help prints kong's help, and the exit statuses below it.
func help(o kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(o, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprint(ctx.Stdout, exitHelp)
	return err
}
