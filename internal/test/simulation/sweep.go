package simulation

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/session/internal/test/timeleft"
)

// Report is the result of many seeds.
type Report struct {
	Seeds    int
	Failed   []Verdict      // the first of each set of broken promises, with few exceptions
	Broken   map[string]int // how many seeds broke each promise
	Counts   map[string]int
	Cut      bool // there was no time for more seeds
	failures int
}

// Failures is how many seeds broke a promise.
func (r *Report) Failures() int { return r.failures }

// Sweep runs n seeds, from first on, on all processors. It takes at most half
// of the time that is left until the test's deadline, and says where it ended.
func Sweep(t *testing.T, cfg Config, first uint64, n int) *Report {
	t.Helper()
	return sweep(t, cfg, first, n, func(*Report) bool { return false })
}

// Hunt runs seeds until one breaks a promise whose name begins with one of
// promises, or any where none is given, and n at most. Like Sweep it may run
// fewer; [Report.Want] makes a difference between what was not found in n seeds
// and what there was no time to look for.
func Hunt(t *testing.T, cfg Config, first uint64, n int, promises ...string) *Report {
	t.Helper()
	return sweep(t, cfg, first, n, func(r *Report) bool {
		if len(promises) == 0 {
			return r.failures > 0
		}
		for broken := range r.Broken {
			for _, p := range promises {
				if strings.HasPrefix(broken, p) {
					return true
				}
			}
		}
		return false
	})
}

// keep is how many verdicts of one set of broken promises a Report keeps.
const keep = 3

func sweep(t *testing.T, cfg Config, first uint64, n int, enough func(*Report) bool) *Report {
	t.Helper()
	r := &Report{Broken: map[string]int{}, Counts: map[string]int{}}
	var mu sync.Mutex // guards r and next
	next, done := first, false
	kept := map[string]int{}
	isLate := timeleft.Half(t)
	t.Run("seeds", func(t *testing.T) {
		for worker := range min(runtime.GOMAXPROCS(0), n) {
			t.Run(fmt.Sprint("worker ", worker), func(t *testing.T) {
				t.Parallel()
				for {
					mu.Lock()
					seed := next
					if seed > first && !done && seed-first < uint64(n) && isLate() {
						t.Logf("no time for more: seeds %d to %d of %d were run; -timeout gives more", first, seed-1, n)
						done, r.Cut = true, true
					}
					if done || seed-first >= uint64(n) || t.Failed() {
						mu.Unlock()
						return
					}
					next++
					mu.Unlock()
					v := Run(t, cfg, NewPlan(seed, cfg))
					mu.Lock()
					r.Seeds++
					for what, n := range v.Counts {
						r.Counts[what] += n
					}
					if broken := v.Promises(); len(broken) > 0 {
						r.failures++
						for _, p := range broken {
							r.Broken[p]++
						}
						if set := strings.Join(broken, ", "); kept[set] < keep {
							kept[set]++
							r.Failed = append(r.Failed, v)
						}
					}
					done = done || enough(r)
					mu.Unlock()
				}
			})
		}
	})
	slices.SortFunc(r.Failed, func(a, b Verdict) int { return int(a.Plan.Seed) - int(b.Plan.Seed) })
	return r
}

// Want fails t unless a seed broke a promise whose name begins with one of
// promises. A run that was cut short has shown nothing, and fails nothing: it
// has said how many seeds there was time for.
func (r *Report) Want(t testing.TB, promises ...string) {
	t.Helper()
	for broken := range r.Broken {
		if slices.ContainsFunc(promises, func(p string) bool { return strings.HasPrefix(broken, p) }) {
			return
		}
	}
	if r.Cut {
		t.Logf("%d seeds, all that there was time for, did not break any of %q, and this run shows nothing", r.Seeds, promises)
		return
	}
	t.Errorf("%d seeds broke none of %q\n%v", r.Seeds, promises, r)
}

// Log writes what the run has touched and what it broke.
func (r *Report) Log(t testing.TB) {
	t.Helper()
	t.Log(r.String())
}

func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds, %d broke a promise\n", r.Seeds, r.failures)
	for _, what := range slices.Sorted(maps.Keys(r.Broken)) {
		fmt.Fprintf(&b, "%9d seeds: BROKEN %s\n", r.Broken[what], what)
	}
	for _, what := range slices.Sorted(maps.Keys(r.Counts)) {
		fmt.Fprintf(&b, "%9d %s\n", r.Counts[what], what)
	}
	for _, v := range r.Failed {
		for _, p := range v.Promises() {
			i := slices.IndexFunc(v.Violations, func(x Violation) bool { return x.Promise == p })
			fmt.Fprintf(&b, "seed %d: %v\n", v.Plan.Seed, v.Violations[i])
		}
	}
	return b.String()
}

// Again runs one seed.
func Again(t *testing.T, cfg Config, seed uint64) Verdict {
	t.Helper()
	return Run(t, cfg, NewPlan(seed, cfg))
}

// Shrink leaves steps out of a plan as long as what remains still breaks the
// promise. It runs a few hundred plans, fewer where half of the time is over that
// was left until the test's deadline.
func Shrink(t *testing.T, cfg Config, v Verdict, promise string) Verdict {
	t.Helper()
	isLate, said := timeleft.Half(t), false
	breaks := func(p Plan) (Verdict, bool) {
		if isLate() {
			if !said {
				t.Logf("no time for more: seed %d could be shorter than %d steps; -timeout gives more", v.Plan.Seed, len(v.Plan.Steps))
				said = true
			}
			return v, false
		}
		for range 2 { // not all of a world is decided by its plan
			got := Run(t, cfg, p)
			if slices.Contains(got.Promises(), promise) {
				return got, true
			}
		}
		return v, false
	}
	for size := len(v.Plan.Steps) / 2; size > 0; {
		shorter := false
		for from := 0; from+size <= len(v.Plan.Steps); {
			p := v.Plan
			p.Steps = slices.Delete(slices.Clone(p.Steps), from, from+size)
			if got, ok := breaks(p); ok {
				v, shorter = got, true
			} else {
				from += size
			}
		}
		if !shorter || size > len(v.Plan.Steps) {
			size /= 2
		}
	}
	for i := range v.Plan.Steps {
		for _, simpler := range []func(*Step){
			func(s *Step) { s.Think = 0 },
			func(s *Step) { s.Up = 1000003 },
			func(s *Step) { s.Down = 1000003 },
			func(s *Step) { s.Lost = false },
			func(s *Step) { s.Abort = 0 },
			func(s *Step) { s.Hangup = 0 },
		} {
			p := v.Plan
			p.Steps = slices.Clone(p.Steps)
			if simpler(&p.Steps[i]); p.Steps[i] == v.Plan.Steps[i] {
				continue
			}
			if got, ok := breaks(p); ok {
				v = got
			}
		}
	}
	return v
}
