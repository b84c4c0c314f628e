// Command mutants runs the tests of a module against mutations of its code, and
// prints which of them no test has noticed.
//
//	go run ./internal/test/mutants                   # all lists
//	go run ./internal/test/mutants -list state -v    # one list, and which test killed each mutant
//	go run ./internal/test/mutants -run 'tombstone'  # the mutations whose names match
//	go run ./internal/test/mutants -check            # whether each mutation applies and compiles
//
// The lists are text files, see list.go. A mutation never touches the working
// tree: the go command gets the mutated file through -overlay.
//
// The exit status is 1 where a mutant survives that docs/MUTANTS.md does not name
// as harmless, and 2 where the run says nothing: a mutation does not apply or
// does not compile, or a test fails without one.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	listsDir = "internal/test/mutants/lists"
	pageFile = "docs/MUTANTS.md"
)

func main() {
	var s settings
	list := flag.String("list", "", "run this list alone")
	run := flag.String("run", "", "run the mutations whose names match this regular expression")
	flag.IntVar(&s.parallel, "j", max(1, runtime.NumCPU()/2), "run this many mutants at once")
	flag.DurationVar(&s.limit, "limit", time.Minute, "how long a test command may take, on one mutant")
	flag.BoolVar(&s.check, "check", false, "only check that each mutation applies and compiles")
	flag.BoolVar(&s.verbose, "v", false, "print the killed mutants too, and which test killed each")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status, err := s.run(ctx, os.Stdout, ".", listsDir, pageFile, *list, *run)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
}

// settings are how mutants are run.
type settings struct {
	parallel       int
	limit          time.Duration
	check, verbose bool
}

// The exit statuses.
const (
	allKilled = iota
	someSurvived
	saysNothing
)

// run runs the mutations that are asked for of the module in root, prints to out
// what becomes of them, and returns the exit status.
func (s settings) run(ctx context.Context, out io.Writer, root, dir, page, list, pattern string) (int, error) {
	names, err := regexp.Compile(pattern)
	if err != nil {
		return saysNothing, fmt.Errorf("mutants: -run: %w", err)
	}
	lists, err := readLists(dir)
	if err != nil {
		return saysNothing, err
	}
	harmless, err := readPage(page)
	if err != nil {
		return saysNothing, err
	}
	if err := harmless.check(lists); err != nil {
		return saysNothing, err
	}
	var chosen []mutation
	for _, l := range lists {
		for _, m := range l.mutations {
			if (list == "" || l.name == list) && names.MatchString(m.name) {
				chosen = append(chosen, m)
			}
		}
	}
	if len(chosen) == 0 {
		return saysNothing, fmt.Errorf("mutants: no mutation of list %q matches %q", list, pattern)
	}

	r := runner{root: root, limit: s.limit}
	if !s.check {
		if err := r.passesUnmutated(ctx, chosen); err != nil {
			return saysNothing, err
		}
	}
	report := report{out: out, verbose: s.verbose, check: s.check, harmless: harmless}
	s.each(chosen, func(m mutation) {
		if s.check {
			report.add(m, r.compile(ctx, m))
		} else {
			report.add(m, r.try(ctx, m))
		}
	})
	if err := ctx.Err(); err != nil {
		return saysNothing, fmt.Errorf("mutants: %w", err)
	}
	return report.end(), nil
}

// each calls do with each mutation, with some of them at once.
func (s settings) each(all []mutation, do func(mutation)) {
	var workers sync.WaitGroup
	next := make(chan mutation)
	for range max(1, s.parallel) {
		workers.Go(func() {
			for m := range next {
				do(m)
			}
		})
	}
	for _, m := range all {
		next <- m
	}
	close(next)
	workers.Wait()
}

// commands returns the test commands of all mutations, each once.
func commands(all []mutation) (once [][]string) {
	for _, m := range all {
		for _, args := range m.tests {
			if !slices.ContainsFunc(once, func(o []string) bool { return slices.Equal(o, args) }) {
				once = append(once, args)
			}
		}
	}
	return once
}
