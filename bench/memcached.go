package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"
)

// measureMemcached compares the clients of memcached, without any session.
func measureMemcached(ctx context.Context, f *field, _ *results) (string, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	r, err := newRivals(ctx, f.stores.memcached.Addr)
	if err != nil {
		return "", err
	}
	defer r.close()
	t := turns{rounds: 3 * f.plan.rounds, slice: min(f.plan.slice, 60*time.Millisecond)}
	var b strings.Builder
	fmt.Fprintf(&b, memcachedText, valueSize>>10, t.slice, t.rounds)
	for _, c := range r.comparisons() {
		o, err := t.compare(ctx, c.callers, c.ours, c.theirs)
		if err != nil {
			return "", fmt.Errorf("%s by %d callers: %w", c.name, c.callers, err)
		}
		fmt.Fprintf(&b, "| %d | %s | %.0f/s | %.0f/s | **%.2f** | %.2f to %.2f | %.1f, %.1f |\n",
			c.callers, c.name, o.ours.rate, o.theirs.rate, o.ratio, o.low, o.high, o.ours.allocs, o.theirs.allocs)
	}
	b.WriteString("\n")
	return b.String(), nil
}

const memcachedText = `## Our client of memcached beside gomemcache

Values of %d KB, one memcached on the same machine. The two take turns of %v each, %d times; the ratio is the median of
neighbouring turns. Ours has its defaults, one connection for all callers, and a context with a deadline; gomemcache a
connection for each caller, and its timeout. gomemcache does not say what CAS a save made, so it has to get before each
CAS, where ours may save over its last save as well. Allocations are those of the whole process for one operation, ours
and gomemcache's; that ours makes one for a get and none for a save is a gate in the client's tests.

| callers | operation | memcached | gomemcache | ratio | quartiles | allocations |
|--:|---|--:|--:|--:|---|---|
`
