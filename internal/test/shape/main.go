// Command shape prints how a module is built: for each package its lines of
// code and its files, the largest group of files that depend on each other in
// a cycle, and the functions with too many branches; for the package at the
// module's root also the methods of each type.
//
// Tests, comments and blank lines are not counted.
//
//	go run ./internal/test/shape          # the figures
//	go run ./internal/test/shape -v       # and the files of each cycle
//	go run ./internal/test/shape -gate    # fail where a figure is over its limit
package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	gate := flag.Bool("gate", false, "fail where a figure is over its limit")
	verbose := flag.Bool("v", false, "name the files of each cycle, and count the methods of every type")
	flag.Parse()

	packages, err := load(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var house []figures
	for _, p := range packages {
		house = append(house, measure(p))
	}
	report(os.Stdout, house, *verbose)
	if !*gate {
		return
	}
	over := limits.exceeded(house)
	for _, finding := range over {
		fmt.Fprintln(os.Stderr, finding)
	}
	if len(over) > 0 {
		os.Exit(1)
	}
}

// methodsReported is the number of methods from which the report names a type
// without -v.
const methodsReported = 10

func report(out io.Writer, house []figures, verbose bool) {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "lines\tfiles\tin a cycle\tover %d branches\t  package\n", maxBranches)
	for _, f := range house {
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t  %s\n", f.lines, f.files, len(f.cycle), len(f.branchy), f.path)
	}
	if err := table.Flush(); err != nil {
		fmt.Fprintln(out, err)
	}

	for _, f := range house {
		for _, fn := range f.branchy {
			fmt.Fprintf(out, "branches: %3d  %s.%s\n", fn.branches, f.path, fn.name)
		}
	}
	for _, f := range house {
		if verbose && len(f.cycle) > 1 {
			fmt.Fprintf(out, "cycle of %d files in %s: %s\n", len(f.cycle), f.path, strings.Join(f.cycle, " "))
		}
		if !f.root {
			continue
		}
		names := slices.SortedFunc(maps.Keys(f.methods), func(a, b string) int {
			if f.methods[a] != f.methods[b] {
				return f.methods[b] - f.methods[a]
			}
			return strings.Compare(a, b)
		})
		for _, name := range names {
			if verbose || f.methods[name] >= methodsReported {
				fmt.Fprintf(out, "methods:  %3d  %s.%s\n", f.methods[name], f.path, name)
			}
		}
	}
}

// The limits of a module's figures.
type limitSet struct {
	rootLines    int            // of code in the package at the root
	rootCycle    int            // files of the package at the root in one cycle
	rootBranchy  int            // functions of the package at the root over maxBranches
	productCycle int            // files of a package under internal/, test support apart
	rootMethods  map[string]int // by type of the package at the root
}

var limits = limitSet{
	rootLines:    3000,
	rootCycle:    8,
	productCycle: 8,
	rootMethods:  map[string]int{"Manager": 40},
}

// exceeded returns a sentence for each figure that is over its limit.
func (l limitSet) exceeded(house []figures) []string {
	var found []string
	atMost := func(limit, got int, path, what string) {
		if got > limit {
			found = append(found, fmt.Sprintf("shape: %s has %d %s, at most %d are allowed", path, got, what, limit))
		}
	}
	for _, f := range house {
		if f.root {
			atMost(l.rootLines, f.lines, f.path, "lines of code")
			atMost(l.rootCycle, len(f.cycle), f.path, "files in one cycle")
			atMost(l.rootBranchy, len(f.branchy), f.path, fmt.Sprintf("functions over %d branches", maxBranches))
			for _, name := range slices.Sorted(maps.Keys(l.rootMethods)) {
				atMost(l.rootMethods[name], f.methods[name], f.path+"."+name, "methods")
			}
		}
		if f.product {
			atMost(l.productCycle, len(f.cycle), f.path, "files in one cycle")
		}
	}
	return found
}
