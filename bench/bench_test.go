package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestItRunsThroughAndWritesItsPage(t *testing.T) {
	page := filepath.Join(t.TempDir(), "BENCHMARKS.md")
	var out bytes.Buffer
	for range 2 { // the second time it replaces what the first wrote
		if err := run(t.Context(), []string{"-rounds", "2", "-slice", "1ms", "-page", page}, &out); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range (&rivals{}).comparisons() {
		row := fmt.Sprintf(`(?m)^\| %d \| %s \| [1-9]\d*/s \| [1-9]\d*/s \| \*\*\d+\.\d\d\*\* \| .* to .* \| \d+\.\d, \d+\.\d \|$`, c.callers, c.name)
		if n := len(regexp.MustCompile(row).FindAll(text, -1)); n != 1 {
			t.Errorf("got %d rows for %s by %d callers, want 1", n, c.name, c.callers)
		}
	}
	for _, want := range []string{"# Benchmarks\n", "\n<!-- memcached -->\n", "\n<!-- end of memcached -->\n",
		"* Machine: ", "go1.", "memcached 1.", "gomemcache v0.", "* Commit: ", "* Again: `make bench`\n"} {
		if n := strings.Count(string(text), want); n != 1 {
			t.Errorf("%q is there %d times, want once, in\n%s", want, n, text)
		}
	}
}

func TestFiguresAreConsistent(t *testing.T) {
	const fast, slow = time.Millisecond, 4 * time.Millisecond
	wait := func(d time.Duration, calls []int) operation {
		return func(_ context.Context, caller int) error {
			calls[caller]++
			time.Sleep(d)
			return nil
		}
	}
	const callers = 3
	ours, theirs := make([]int, callers), make([]int, callers)
	o, err := turns{rounds: 5, slice: 20 * time.Millisecond}.compare(t.Context(), callers, wait(fast, ours), wait(slow, theirs))
	if err != nil {
		t.Fatal(err)
	}
	if o.low > o.ratio || o.ratio > o.high || o.low <= 0 {
		t.Errorf("the ratio %v is not between its quartiles %v and %v", o.ratio, o.low, o.high)
	}
	// A caller who waits a millisecond makes at most a thousand calls a second.
	if most := callers / fast.Seconds(); o.ours.rate <= 0 || o.ours.rate > most {
		t.Errorf("got %v operations a second, want at most %v", o.ours.rate, most)
	}
	if most := callers / slow.Seconds(); o.theirs.rate <= 0 || o.theirs.rate > most {
		t.Errorf("got %v operations a second, want at most %v", o.theirs.rate, most)
	}
	for i := range callers {
		if ours[i] == 0 || theirs[i] == 0 {
			t.Errorf("caller %d made %d and %d calls", i, ours[i], theirs[i])
		}
	}
}

func TestAllocationsAreCounted(t *testing.T) {
	var kept [2][]byte
	allocate := func(n int) operation {
		return func(context.Context, int) error {
			for range n {
				kept[n-1] = make([]byte, 100)
			}
			return nil
		}
	}
	o, err := turns{rounds: 3, slice: 5 * time.Millisecond}.compare(t.Context(), 1, allocate(1), allocate(2))
	if err != nil {
		t.Fatal(err)
	}
	if o.ours.allocs < 1 || o.theirs.allocs < 2 || o.ours.allocs >= o.theirs.allocs {
		t.Errorf("got %.2f and %.2f allocations, want 1 and 2", o.ours.allocs, o.theirs.allocs)
	}
}

func TestAFailureEndsTheRun(t *testing.T) {
	boom := errors.New("boom")
	fails := func(context.Context, int) error { return boom }
	if _, err := (turns{1, time.Millisecond}).compare(t.Context(), 2, fails, fails); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, nil, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	for _, args := range [][]string{{"now"}, {"-rounds", "0"}, {"-slice", "-1s"}, {"-slice", "soon"}} {
		if err := run(t.Context(), args, io.Discard); err == nil || errors.Is(err, flag.ErrHelp) {
			t.Errorf("%q: got %v", args, err)
		}
	}
}

func TestSections(t *testing.T) {
	page := "# Head\n"
	for _, s := range [][2]string{{"a", "one\n"}, {"b", "two\n"}, {"a", "three\n"}} {
		var err error
		if page, err = withSection(page, s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	want := "# Head\n\n<!-- a -->\nthree\n<!-- end of a -->\n\n<!-- b -->\ntwo\n<!-- end of b -->\n"
	if page != want {
		t.Errorf("got %q, want %q", page, want)
	}
	for _, broken := range []string{"<!-- a -->\n", "<!-- end of a -->\n"} {
		if _, err := withSection(broken, "a", "text"); err == nil {
			t.Errorf("%q: got no error", broken)
		}
	}
}
