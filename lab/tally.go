package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// tally is what the visitors of one peer met in one act.
type tally struct {
	title string
	limit time.Duration

	mu sync.Mutex
	figures
}

// figures are what is counted.
type figures struct {
	Asked, Served   int // requests of visitors who are logged in, during the fault; answered so
	Stayed, Kept    int // visitors who did not log out; are logged in at the end
	Told, Lost      int // things that visitors were told are in their carts; are not there at the end
	Logouts, Ended  int // tried; answered 200
	Revived         int // of Ended, good again at the end
	Slowest         time.Duration
	HungUp, Dropped int // requests whose visitor had gone; their change is not there at the end
}

// saw counts an answer to a visitor who is logged in. Only those during the fault count
// as asked and served.
func (t *tally) saw(v *visitor, a answer, fault bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Slowest = max(t.Slowest, a.took)
	if !fault {
		return
	}
	t.Asked++
	if v.is(a) {
		t.Served++
	}
}

// ended counts what became of a logout.
func (t *tally) ended(a answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Slowest = max(t.Slowest, a.took)
	t.Logouts++
	if a.ok() {
		t.Ended++
	}
}

// judge counts what a visitor has at the end: last is the last look, or that with the
// cookies of before the logout.
func (t *tally) judge(v *visitor, last answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v.old != nil && !v.loggedIn {
		if v.is(last) {
			t.Revived++
		}
		return
	}
	t.Stayed++
	if v.is(last) {
		t.Kept++
	}
	t.Told += len(v.told)
	for _, thing := range v.told {
		if !v.is(last) || !slices.Contains(last.visit.Cart, thing) {
			t.Lost++
		}
	}
}

// dropped counts a change whose visitor hung up.
func (t *tally) dropped(kept bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.HungUp++
	if !kept {
		t.Dropped++
	}
}

// perfect reports whether nothing went wrong in any figure.
func (t *tally) perfect() bool {
	return t.Served == t.Asked && t.Kept == t.Stayed && t.Lost == 0 && t.Revived == 0 && t.Dropped == 0 && t.Ended == t.Logouts
}

// long is how long a visitor may wait before the waiting is a fault.
const long = 2 * time.Second

// waited is empty where nobody had to wait for long.
func (t *tally) waited() string {
	if t.Slowest < long {
		return ""
	}
	if t.Slowest >= t.limit {
		return fmt.Sprintf("waits > %.0f s", t.limit.Seconds())
	}
	return "waits " + t.slowest()
}

// add adds what another act counted.
func (t *tally) add(o *tally) {
	t.Asked += o.Asked
	t.Served += o.Served
	t.Stayed += o.Stayed
	t.Kept += o.Kept
	t.Told += o.Told + o.HungUp
	t.Lost += o.Lost + o.Dropped
	t.Logouts += o.Logouts
	t.Ended += o.Ended
	t.Revived += o.Revived
	t.Slowest = max(t.Slowest, o.Slowest)
	t.limit = o.limit
}

// slowest is in words: a visitor does not wait for longer than the limit.
func (t *tally) slowest() string {
	switch {
	case t.Slowest >= t.limit:
		return fmt.Sprintf("none in %.0f s", t.limit.Seconds())
	case t.Slowest >= time.Second:
		return fmt.Sprintf("%.1f s", t.Slowest.Seconds())
	}
	return fmt.Sprintf("%d ms", t.Slowest.Milliseconds())
}

func (t *tally) String() string {
	return fmt.Sprintf("%-36s served %d/%d, kept %d/%d, lost %d/%d, logouts %d/%d, revived %d, hung up %d/%d, slowest %s",
		t.title, t.Served, t.Asked, t.Kept, t.Stayed, t.Lost, t.Told, t.Ended, t.Logouts, t.Revived, t.Dropped, t.HungUp, t.slowest())
}
