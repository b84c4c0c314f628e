// Package timeleft fits the work of a test into the time until its deadline, which
// is -timeout after the test binary began. On a slow machine the test does less of
// the work and says how much, and work that hangs is named.
//
// A testing/synctest bubble has another clock, and no deadline: call everything here
// from outside of it.
package timeleft

import (
	"fmt"
	"iter"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// deadline returns when t times out, if it does: no benchmark does.
func deadline(t testing.TB) (time.Time, bool) {
	d, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return time.Time{}, false
	}
	return d.Deadline()
}

// Half returns a function that reports whether half of the time is over that was
// left, when Half was called, until the deadline of t. The other half is for the
// tests that come later. It never is where t has no deadline.
func Half(t testing.TB) (over func() bool) {
	at, ok := deadline(t)
	if !ok {
		return func() bool { return false }
	}
	end := time.Now().Add(time.Until(at) / 2)
	return func() bool { return time.Now().After(end) }
}

// Each yields 0 to n-1, the numbers of the rounds of a test, or whatever the
// test calls them. It yields one in any case, and ends early once Half is over;
// then it logs how many there were. A round that hangs is named, as by [Watch].
func Each(t testing.TB, rounds string, n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		t.Helper()
		over := Half(t)
		for i := range n {
			if i > 0 && over() {
				t.Logf("no time for more: %d of %d %s were run; -timeout gives more", i, n, rounds)
				return
			}
			if !watched(t, fmt.Sprintf("number %d of %d %s", i, n, rounds), func() bool { return yield(i) }) {
				return
			}
		}
	}
}

// watched calls do under a watch, which ends also where do does not return.
func watched(t testing.TB, what string, do func() bool) bool {
	defer Watch(t, what)()
	return do()
}

// Within is how long a test may wait for something: most, or less where its
// deadline comes first, so that the test itself fails and says what it waited
// for.
func Within(t testing.TB, most time.Duration) time.Duration {
	at, ok := deadline(t)
	if !ok {
		return most
	}
	left := time.Until(at)
	return min(most, left-margin(left))
}

// Patience bounds what a test waits for, with [Within]. It decides nothing in a
// test that passes.
const Patience = 20 * time.Second

// Poll calls done until it returns true, and returns how long that took. The
// test fails if that takes longer than Patience.
func Poll(t testing.TB, what string, done func() bool) time.Duration {
	t.Helper()
	start, most := time.Now(), Within(t, Patience)
	for !done() {
		if time.Since(start) > most {
			t.Fatalf("not within %v: %s", most, what)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(start)
}

// margin is how long before its deadline a test is given up that has so much
// time left.
func margin(left time.Duration) time.Duration { return min(3*time.Second, left/10) }

var (
	mu       sync.Mutex // guards underWay
	underWay = map[*watch]bool{}
)

// watch is a piece of work that is under way.
type watch struct {
	test, what string
	began      time.Time
}

func (w *watch) String() string {
	return fmt.Sprintf("%s: %s, for %v", w.test, w.what, time.Since(w.began).Round(time.Millisecond))
}

// Watch ends the test binary shortly before the deadline of t, unless the
// function that it returns was called before. The panic of a test that has timed
// out does not say what the test was at; this one names all that is watched, and
// shows all goroutines as well.
func Watch(t testing.TB, what string) (done func()) {
	at, ok := deadline(t)
	if !ok {
		return func() {}
	}
	now := time.Now()
	w := &watch{test: t.Name(), what: what, began: now}
	mu.Lock()
	underWay[w] = true
	mu.Unlock()
	left := at.Sub(now)
	alarm := time.AfterFunc(left-margin(left), func() { giveUp(at) })
	return func() {
		alarm.Stop()
		mu.Lock()
		delete(underWay, w)
		mu.Unlock()
	}
}

func giveUp(at time.Time) {
	mu.Lock() // kept: only the first one tells
	all := slices.SortedFunc(maps.Keys(underWay), func(a, b *watch) int { return a.began.Compare(b.began) })
	if len(all) == 0 {
		mu.Unlock()
		return // it was done just now
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v before the test times out this is still under way:", time.Until(at).Round(time.Millisecond))
	for _, w := range all {
		fmt.Fprintf(&b, "\n\t%v", w)
	}
	debug.SetTraceback("all")
	panic(b.String())
}
