package simulation_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/simulation"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/seal"
)

var seeds = flag.Int("seeds", 60, "how many seeds to run")

// storeOnly makes instances without a backup.
func storeOnly(s simulation.Spec) (simulation.Instance, error) { return instance(s, nil) }

func instance(s simulation.Spec, b *session.Backup) (simulation.Instance, error) {
	m, err := session.New(s.Store, &session.Options{
		Idle: s.Idle, Lifetime: s.Lifetime, Refresh: s.Refresh, ReadTimeout: s.ReadTimeout, SaveTimeout: s.SaveTimeout, Backup: b,
		Hooks: session.Hooks{Conflict: func(context.Context, session.ID, int) { s.Count("hook: conflict") }},
	})
	if err != nil {
		return simulation.Instance{}, err
	}
	return simulation.Instance{Handler: simulation.Application(m), Close: m.Close}, nil
}

// withBackup makes instances with the backup that the promises are about.
func withBackup(t *testing.T) func(simulation.Spec) (simulation.Instance, error) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return func(s simulation.Spec) (simulation.Instance, error) {
		return instance(s, &session.Backup{Audience: "simulation", Keys: keys, Lease: s.Lease, MaxLease: s.MaxLease, Budget: s.Budget, Copy: s.Copy, ProxyBuffer: s.Copy + 2048})
	}
}

func TestAHealthyStoreBreaksNoPromise(t *testing.T) {
	cfg := simulation.Config{New: storeOnly, WithoutBackup: true, Calm: true, OneClock: true}
	r := simulation.Sweep(t, cfg, 1, *seeds)
	for _, v := range r.Failed {
		t.Errorf("%s", v.Trace())
	}
	cfg.Worlds = []simulation.World{simulation.Bursts, simulation.LateSaves, simulation.Starts, simulation.ByTime}
	parallel := simulation.Sweep(t, cfg, 1, *seeds)
	for _, v := range parallel.Failed {
		t.Errorf("%s", v.Trace())
	}
	if parallel.Counts["oracle: a count is looked for in the store"] == 0 {
		t.Error("nobody counted")
	}
	for _, what := range []string{"answer: a write from store", "save: conflict", "answer: logout durable", "hook: conflict"} {
		if r.Counts[what] == 0 && !r.Cut {
			t.Errorf("%q never happened in %d seeds", what, r.Seeds)
		}
	}
}

func TestAStoreAloneBreaksNoPromiseOfTheStore(t *testing.T) {
	cfg := simulation.Config{New: storeOnly, WithoutBackup: true, OneClock: true}
	r := simulation.Sweep(t, cfg, 1, *seeds)
	for _, v := range r.Failed {
		t.Errorf("%s", v.Trace())
	}
}

func TestAStoreAloneBreaksThePromisesOfABackup(t *testing.T) {
	for _, promise := range []string{"b: logged out", "b: turned away", "c: not delivered"} {
		simulation.Hunt(t, simulation.Config{New: storeOnly, OneClock: true}, 1, 300, promise).Want(t, promise)
	}
}

// Whatever the world does for sessions, a run without it breaks a promise.
func TestEverySwitchOfTheWorldIsMissed(t *testing.T) {
	if raceEnabled && testing.Short() {
		t.Skip("hunts through hundreds of seeds: make test does, make race RACE=-short does not")
	}
	tests := map[string]struct {
		off     simulation.Switches
		promise []string
		world   simulation.World
		calm    bool
		alone   bool // without a backup, from whose copies an instance learns of what it was not told
	}{
		"CAS":             {off: simulation.Switches{CAS: true}, promise: []string{"c: revived", "a: lost"}},
		"Tombstones":      {off: simulation.Switches{Tombstones: true}, promise: []string{"c: not delivered"}},
		"Slots":           {off: simulation.Switches{Slots: true}, promise: []string{"d: older than what the visitor was told"}},
		"TombstoneCookie": {off: simulation.Switches{TombstoneCookie: true}, promise: []string{"c: not delivered", "c: revived"}},
		"Incarnation":     {off: simulation.Switches{Incarnation: true}, promise: []string{"c: not delivered", "c: revived"}},
		"Backup":          {off: simulation.Switches{Backup: true}, promise: []string{"b: logged out"}},
		"Update":          {off: simulation.Switches{Update: true}, promise: []string{"a: count lost"}, world: simulation.Bursts, calm: true},
		"Tracking":        {off: simulation.Switches{Tracking: true}, promise: []string{"c: revived", "d: older than what the visitor was told"}, world: simulation.ClientCache, calm: true, alone: true},
		"Patience":        {off: simulation.Switches{Patience: true}, promise: []string{"c: served to a client that left"}, world: simulation.HangUps},
	}
	switches := reflect.TypeFor[simulation.Switches]()
	for i := range switches.NumField() {
		f := switches.Field(i)
		test, ok := tests[f.Name]
		if !ok {
			t.Errorf("no test of switch %s", f.Name)
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			cfg := simulation.Config{New: withBackup(t), OneClock: true, Off: test.off, Calm: test.calm}
			if test.alone {
				cfg.New, cfg.WithoutBackup = storeOnly, true
			}
			if test.world != "" {
				cfg.Worlds = []simulation.World{test.world}
			}
			simulation.Hunt(t, cfg, 1, 3000, test.promise...).Want(t, test.promise...)
		})
	}
}

func TestEqualSeedsGiveEqualWorlds(t *testing.T) {
	const most = 10 // runs of a seed: what wakes in the same instant runs in any order
	cfg := simulation.Config{New: withBackup(t), OneClock: true}
	same, n, runs := 0, 0, 0
	for i := range timeleft.Each(t, "seeds", 20) {
		seed := uint64(i)
		n++
		first := simulation.Again(t, cfg, seed)
		seen := map[string]bool{answers(first): true}
		for range most - 1 {
			runs++
			again := simulation.Again(t, cfg, seed)
			if !reflect.DeepEqual(first.Plan, again.Plan) {
				t.Fatalf("seed %d gives two plans", seed)
			}
			if seen[answers(again)] {
				same++
				break
			}
			seen[answers(again)] = true
		}
	}
	t.Logf("%d of %d seeds gave the same answers twice, in %d runs besides the first", same, n, runs)
	if least := n * 9 / 10; same < least {
		t.Errorf("%d of %d seeds gave the same answers twice in %d runs, want %d", same, n, most, least)
	}
}

// answers is what the visitors of a world saw, and when.
func answers(v simulation.Verdict) string {
	var b strings.Builder
	for _, e := range v.History.Events {
		if q := e.Request; e.Kind == simulation.Ended {
			fmt.Fprintln(&b, q.N, e.At, q.Status, q.Answer.Source, q.Answer.Marks, q.Answer.Faults, q.Answer.Durability)
		}
	}
	return b.String()
}

func TestShrinkKeepsWhatIsNeededAndNoMore(t *testing.T) {
	cfg := simulation.Config{New: storeOnly, OneClock: true}
	r := simulation.Hunt(t, cfg, 1, 300, "b: logged out")
	for _, v := range r.Failed {
		if v.Plan.Seed == 0 || r.Broken["b: logged out"] == 0 || !strings.Contains(fmt.Sprint(v.Promises()), "b: logged out") {
			continue
		}
		late := timeleft.Half(t)
		short := simulation.Shrink(t, cfg, v, "b: logged out")
		if got := len(short.Plan.Steps); got > 8 && !late() {
			t.Errorf("%d of %d steps are left\n%s", got, len(v.Plan.Steps), short.Trace())
		}
		if !strings.Contains(short.Trace(), "BROKEN b: logged out") {
			t.Errorf("the trace does not say what was broken:\n%s", short.Trace())
		}
		return
	}
	if !r.Cut {
		t.Fatal("nothing to shrink")
	}
}

func TestAStoryIsInEveryPlanThatAsksForIt(t *testing.T) {
	for _, story := range simulation.Stories() {
		with := simulation.NewPlan(1, simulation.Config{Story: story, Steps: 1})
		without := simulation.NewPlan(1, simulation.Config{Calm: true, Steps: 1})
		if len(with.Steps) < len(without.Steps)+4 {
			t.Errorf("%q adds %d steps", story, len(with.Steps)-len(without.Steps))
		}
		for i, s := range with.Steps[1:] {
			if s.At < with.Steps[i].At {
				t.Errorf("%q: step %d is out of order", story, s.N)
			}
		}
	}
}

func TestAWorldIsInThePlansThatNameItAndInNoOther(t *testing.T) {
	rare := func(s simulation.Step) bool {
		return s.Do >= simulation.StandStill || s.Route >= simulation.Count || s.Fault >= simulation.Saves20 || s.Hangup > 0
	}
	has := func(p simulation.Plan) bool { return p.Cached || p.Journal > 0 || slices.ContainsFunc(p.Steps, rare) }
	for _, world := range simulation.Worlds() {
		for seed := range uint64(50) {
			if has(simulation.NewPlan(seed, simulation.Config{})) {
				t.Fatalf("seed %d without worlds has what only a world has", seed)
			}
			p := simulation.NewPlan(seed, simulation.Config{Worlds: []simulation.World{world}})
			if got := has(p); got != (world != simulation.ByTime) {
				t.Errorf("%q: seed %d has what only a world has: %t", world, seed, got)
			}
			if !slices.IsSortedFunc(p.Steps, func(a, b simulation.Step) int { return cmp.Compare(a.At, b.At) }) {
				t.Errorf("%q: seed %d is out of order", world, seed)
			}
		}
	}
}

// inChild is set where a test runs in a process of its own, with little time.
const inChild = "SIMULATION_CHILD"

// child returns what that process says. Where ok has another opinion of it, the process
// gets more time, as a busy machine needs it, and then its last word is returned.
func child(t *testing.T, ok func(out string, err error) bool) (string, error) {
	for limit := 4 * time.Second; ; limit *= 2 {
		run := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout="+limit.String())
		run.Env = append(os.Environ(), inChild+"=1")
		out, err := run.CombinedOutput()
		if limit > time.Minute || ok(string(out), err) {
			return string(out), err
		}
	}
}

func TestAHuntWithoutTimeSaysHowFarItCameAndFailsNothing(t *testing.T) {
	if os.Getenv(inChild) != "" {
		cfg := simulation.Config{New: storeOnly, WithoutBackup: true, Calm: true, OneClock: true}
		simulation.Hunt(t, cfg, 1, 10_000_000, "no such promise").Want(t, "no such promise")
		return
	}
	ok := func(out string, err error) bool {
		return err == nil && strings.Contains(out, "no time for more: seeds 1 to ") &&
			strings.Contains(out, `all that there was time for, did not break any of ["no such promise"]`)
	}
	if out, err := child(t, ok); !ok(out, err) {
		t.Errorf("got %v, want a test that passes and says how many seeds it ran:\n%.3000s", err, out)
	}
}

func TestASeedThatHangsIsNamed(t *testing.T) {
	if os.Getenv(inChild) != "" {
		simulation.Sweep(t, simulation.Config{New: func(s simulation.Spec) (simulation.Instance, error) {
			var mu sync.Mutex
			mu.Lock()
			mu.Lock() // what waits for a lock is not idle to synctest: it hangs for good
			return storeOnly(s)
		}}, 4711, 1)
		return
	}
	ok := func(out string, err error) bool {
		return err != nil && strings.Contains(out, "this is still under way") && strings.Contains(out, ": seed 4711, for ") &&
			!strings.Contains(out, "test timed out")
	}
	if out, err := child(t, ok); !ok(out, err) {
		t.Errorf("got %v, want a test that fails and names the seed:\n%.3000s", err, out)
	}
}
