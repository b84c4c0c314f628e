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
	"io"
	"runtime"

	"github.com/holdfast-go/session/internal/test/host"
)

func main() {
	host.Child(serveVar, child)
	// One processor asks, so that the servers have the others.
	runtime.GOMAXPROCS(1)
	host.Main("bench", run)
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
