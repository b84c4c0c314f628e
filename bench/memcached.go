package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/holdfast-go/session/internal/memcachedtest"
)

// compareMemcached runs all comparisons against a memcached that it starts, and
// returns their section of the page.
func compareMemcached(ctx context.Context, t turns, out io.Writer) (string, error) {
	if _, err := exec.LookPath("memcached"); err != nil {
		return "", errors.New("no memcached on this machine; install it with: apt-get install memcached")
	}
	var host memcachedtest.Main
	defer host.Close()
	server := memcachedtest.Start(&host)
	where := here(ctx, server.Command("version\r\n"))

	r, err := newRivals(ctx, server.Addr)
	if err != nil {
		return "", err
	}
	defer r.close()

	var table strings.Builder
	table.WriteString("| callers | operation | memcached | gomemcache | ratio | quartiles | allocations |\n|--:|---|--:|--:|--:|---|---|\n")
	for _, c := range r.comparisons() {
		o, err := t.compare(ctx, c.callers, c.ours, c.theirs)
		if err != nil {
			return "", fmt.Errorf("%s by %d callers: %w", c.name, c.callers, err)
		}
		row := fmt.Sprintf("| %d | %s | %.0f/s | %.0f/s | **%.2f** | %.2f to %.2f | %.1f, %.1f |\n",
			c.callers, c.name, o.ours.rate, o.theirs.rate, o.ratio, o.low, o.high, o.ours.allocs, o.theirs.allocs)
		table.WriteString(row)
		fmt.Fprint(out, row)
	}
	return fmt.Sprintf(memcachedText, valueSize>>10, t.slice, t.rounds, where, table.String()), nil
}

const memcachedText = `## Our client of memcached beside gomemcache

Values of %d KB, one memcached on the same machine. The two take turns of %v each, %d times; the ratio is the median of
neighbouring turns. Ours has its defaults, one connection for all callers, and a context with a deadline; gomemcache a
connection for each caller, and its timeout. gomemcache does not say what CAS a save made, so it has to get before each
CAS, where ours may save over its last save as well. Allocations are those of the whole process for one operation, ours
and gomemcache's; that ours makes one for a get and none for a save is a gate in the client's tests.

%s

%s
`
