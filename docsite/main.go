// Docsite renders the documents of the repository to static pages, with a table of
// contents, and a search that works without a server.
//
//	make docs
//
// A link that leads nowhere is an error, and nothing is written.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "docsite:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	f := flag.NewFlagSet("docsite", flag.ContinueOnError)
	f.SetOutput(out)
	root := f.String("root", ".", "the repository's `folder`")
	to := f.String("out", "docs/site", "the `folder` that the pages go to; what is in it and no page stays")
	source := f.String("source", "https://github.com/holdfast-go/session/blob/main/", "what links to files that are no pages begin with")
	if err := f.Parse(args); err != nil {
		return err
	}
	s, err := load(*root, *source)
	if err != nil {
		return err
	}
	if err := s.write(*to); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d pages; open %s/index.html\n", len(s.pages), *to)
	return nil
}
