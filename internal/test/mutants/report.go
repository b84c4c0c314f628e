package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// report prints the fates of mutants. Any number of goroutines may use it.
type report struct {
	out            io.Writer
	verbose, check bool
	harmless       harmless

	mu     sync.Mutex
	counts []*count // in the order in which the lists began
}

// count is what became of the mutants of a list.
type count struct {
	list                                string
	mutants, killed, harmless, survived int
	unusable                            int
}

func (r *report) add(m mutation, f fate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.ofLocked(m.list)
	c.mutants++
	reason := r.harmless.reason(m)
	switch {
	case f.kind == unusable:
		c.unusable++
		r.print("ERROR", m, f, f.by)
	case r.check:
	case f.kind == survived && reason == "":
		c.survived++
		r.print("SURVIVED", m, f, "")
	case f.kind == survived:
		c.harmless++
		if r.verbose {
			r.print("harmless", m, f, reason)
		}
	default:
		c.killed++
		by := "by " + f.by
		if f.kind == hangs {
			by = "by the time limit, in " + f.by
		}
		if reason != "" {
			by += "; " + pageFile + " says that it is harmless"
		}
		if r.verbose || reason != "" || f.kind == hangs {
			r.print("killed", m, f, by)
		}
	}
}

func (r *report) ofLocked(list string) *count {
	for _, c := range r.counts {
		if c.list == list {
			return c
		}
	}
	c := &count{list: list}
	r.counts = append(r.counts, c)
	return c
}

func (r *report) print(what string, m mutation, f fate, why string) {
	line := fmt.Sprintf("%-8s  %v", what, m)
	if f.took > 0 {
		line += fmt.Sprintf("  (%v)", f.took.Round(100*time.Millisecond))
	}
	if why != "" {
		line += "\n          " + strings.ReplaceAll(strings.TrimSpace(why), "\n", "\n          ")
	}
	fmt.Fprintln(r.out, line)
}

// end prints the counts and returns the exit status.
func (r *report) end() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := count{list: "all"}
	for _, c := range r.counts {
		all.mutants += c.mutants
		all.killed += c.killed
		all.harmless += c.harmless
		all.survived += c.survived
		all.unusable += c.unusable
	}
	if r.check {
		fmt.Fprintf(r.out, "%d of %d mutations apply and compile\n", all.mutants-all.unusable, all.mutants)
	} else {
		r.table(append(r.counts, &all))
	}
	switch {
	case all.unusable > 0:
		return saysNothing
	case all.survived > 0:
		return someSurvived
	}
	return allKilled
}

func (r *report) table(counts []*count) {
	table := tabwriter.NewWriter(r.out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "list\tmutants\tkilled\tharmless\tsurvived\tkilled, %\t")
	for _, c := range counts {
		percent := 100 * float64(c.killed) / float64(c.mutants)
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%.1f\t\n", c.list, c.mutants, c.killed, c.harmless, c.survived, percent)
	}
	if err := table.Flush(); err != nil {
		fmt.Fprintln(r.out, err)
	}
}
