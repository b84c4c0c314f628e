package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"
)

// plan is what is measured, and how long.
type plan struct {
	rounds   int
	slice    time.Duration
	conns    []int // of the application's tables
	crowd    []int // of the growth in connections
	sessions int   // in the outage
	standing int   // in memory, at most
	pages    int   // that a visitor opens, of 20 calls each

	only     *regexp.Regexp // of contestants
	sections *regexp.Regexp
	nodeDir  string
	noNode   bool
	page     string
	picture  string
	full     bool
	profiles bool
}

// parse reads the arguments. Sections and durations that they do not give are as
// short as makes sense; -full is as long as the page needs.
func parse(args []string, out io.Writer) (p plan, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&p.full, "full", false, "measure for the page: takes a quarter of an hour")
	f.IntVar(&p.rounds, "rounds", 7, "how many `times` all take turns")
	f.DurationVar(&p.slice, "slice", 0, "how long a turn is; default 100ms, with -full 250ms")
	f.IntVar(&p.sessions, "sessions", 0, "in the outage; default 2000, with -full 100000")
	f.IntVar(&p.standing, "standing", 0, "sessions in memory, at most; default 10000, with -full 1000000")
	visitors := f.Int("visitors", 100, "how `many` come at once, where it is not one; ten times as many where connections grow")
	f.BoolVar(&p.profiles, "profiles", false, "show profiles for the lines that are not met; with -full they are")
	only := f.String("only", "", "a `pattern` of the contestants' names; the lines of the others are not measured")
	sections := f.String("sections", "", "a `pattern` of the page's sections; default all: "+fmt.Sprint(sectionNames()))
	f.StringVar(&p.nodeDir, "node", "bench/node", "where the application for Node is, with its packages")
	f.BoolVar(&p.noNode, "no-node", false, "leave Express out")
	f.StringVar(&p.page, "page", "", "put the figures into this `file`")
	f.StringVar(&p.picture, "picture", "", "draw them into this `file`, an SVG")
	f.SetOutput(io.Discard)
	switch err = f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		f.SetOutput(out)
		f.PrintDefaults()
		return p, err
	case err != nil:
		return p, err
	case f.NArg() > 0:
		return p, fmt.Errorf("unexpected argument %q: flags begin with a dash", f.Arg(0))
	}
	size := func(n *int, short, full int) {
		if *n == 0 {
			*n = short
			if p.full {
				*n = full
			}
		}
	}
	slice := int(p.slice)
	size(&slice, int(100*time.Millisecond), int(250*time.Millisecond))
	size(&p.sessions, 2_000, 100_000)
	size(&p.standing, 10_000, 1_000_000)
	size(&p.pages, 5, 30)
	p.slice = time.Duration(slice)
	p.profiles = p.profiles || p.full
	if p.rounds < 1 || p.slice <= 0 || p.sessions <= 0 || p.standing < 1000 || *visitors < 1 {
		return p, errors.New("-rounds, -slice, -sessions and -visitors must be more than 0, -standing at least 1000")
	}
	p.conns, p.crowd = []int{1, *visitors}, []int{1, max(1, *visitors/10), *visitors, 10 * *visitors}
	if p.only, err = regexp.Compile(*only); err != nil {
		return p, fmt.Errorf("-only: %w", err)
	}
	if p.sections, err = regexp.Compile(*sections); err != nil {
		return p, fmt.Errorf("-sections: %w", err)
	}
	return p, nil
}

// rush is how many visitors come back in one second, and mostAtOnce how many
// connections they have.
func (p plan) rush() int { return min(p.sessions, 20_000) }

func (p plan) mostAtOnce() int { return slices.Max(p.crowd) }

// most is how many visitors there are at once.
func (p plan) most() int { return slices.Max(p.conns) }
