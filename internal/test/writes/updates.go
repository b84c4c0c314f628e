package writes

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/relay"
)

// slowness is how long a load or a save takes, or that one does not end.
type slowness struct {
	name    string
	percent int           // of SaveTimeout
	exactly time.Duration // instead
	stall   bool          // once, beyond SaveTimeout and not beyond the lookup
	stalls  relay.Direction
}

func (s slowness) takes(save time.Duration) time.Duration {
	if s.exactly != 0 {
		return s.exactly
	}
	return save * time.Duration(s.percent) / 100
}

// timesOut reports whether saves are not answered in time, and lookups are.
func (s slowness) timesOut() bool { return s.stall || s.percent > 100 }

// most is how many requests are sent at once. An instance with a backup takes a server
// for away that makes half of twenty operations in a second take over half their time.
// It asks nothing then, and of Updates at two instances the later counts: where there
// are several instances there are fewer operations.
func (s slowness) most(instances int, backup bool) int {
	if s.percent > 50 && instances > 1 && backup {
		return 12
	}
	return 50
}

// waits reports whether requests meet while a save is under way, for certain.
func (s slowness) waits() bool { return !s.timesOut() && (s.exactly != 0 || s.percent >= 20) }

var slownesses = []slowness{
	{name: "at once"},
	{name: "2 %", percent: 2},
	{name: "20 %", percent: 20},
	{name: "40 %", percent: 40},
	{name: "90 %", percent: 90},
	{name: "40 ms", exactly: 40 * time.Millisecond},
	{name: "130 %, and looked up", percent: 130},
	{name: "a stall before a save", percent: 2, stall: true, stalls: relay.Up},
	{name: "a stall after a save", percent: 2, stall: true, stalls: relay.Down},
}

// row is one of the tests of Updates.
type row struct {
	slowness
	instances int
	backup    bool
	n         int // at once
}

func (r row) String() string {
	return fmt.Sprintf("%d at once on %d instances, backup %v, %s", r.n, r.instances, r.backup, r.name)
}

// Updates fails t unless n parallel Updates of one session that are answered 200 are n
// in the store, on one instance and on three, as long as the store answers: slowly, in
// the end, or when it is asked what became of a save. On one instance all are answered
// 200 where saves take 90 % of SaveTimeout at most, and fifty of them take five saves.
//
// A row that the machine is too slow for is skipped; a run in which all rows were fails.
func Updates(t *testing.T, p Place) {
	var rows []row
	for _, s := range slownesses {
		for _, instances := range []int{1, 3} {
			for _, backup := range []bool{false, true} {
				for _, n := range []int{2, 8, s.most(instances, backup)} {
					rows = append(rows, row{s, instances, backup, n})
				}
			}
		}
	}
	var judged atomic.Int64
	atOnce(t, rows, row.String, func(t *testing.T, r row) {
		// A machine that is too slow for these times gets more of it.
		for save := firstBudget; ; save *= 2 {
			late := r.run(t, p, save)
			if late == "" {
				judged.Add(1)
				return
			}
			t.Logf("with a SaveTimeout of %v %s, over a line that is well", save, late)
			if save >= lastBudget {
				t.Skipf("this machine is too slow even for a SaveTimeout of %v: make test runs it on one that has the time", save)
			}
		}
	})
	if judged.Load() == 0 {
		t.Error("this machine is too slow for every row: nothing was tested")
	}
}

// The SaveTimeouts that are tried.
const (
	firstBudget = 250 * time.Millisecond
	lastBudget  = time.Second
)

// run makes one burst. It returns a sentence where the machine was too slow to test
// all: then it tests only what holds for a slow or unreachable store too.
func (r row) run(t *testing.T, p Place, save time.Duration) (late string) {
	s := setting{instances: r.instances, backup: r.backup, read: save, save: save, patient: true}
	if r.timesOut() {
		s.read = 2 * save
	}
	w := begin(t, p, s)
	w.delay(r.slowness)
	if in := w.instances[0]; r.stall {
		in.store.beforeSave(func() {
			in.line.Hold(r.stalls)
			time.AfterFunc(save+s.read/2, in.line.Release)
		})
	}
	ok := w.burst(r.n)
	saves := w.saves()
	w.delay(slowness{})
	late = w.late(r)
	if r.instances == 1 || late == "" {
		w.check()
	}
	if late != "" {
		return late
	}
	if r.instances == 1 && r.percent <= 90 && ok != r.n {
		t.Errorf("%d of %d were answered 200, by a store that answers", ok, r.n)
	}
	if r.instances == 1 && r.waits() && saves > 5 {
		t.Errorf("%d updates took %d saves, want 5 at most", r.n, saves)
	}
	t.Logf("%d of %d were answered 200, after %d saves of which %d were not answered; away %d times", ok, r.n, saves, w.unsaved(), w.downs())
	return ""
}

// late returns what was not answered that was to be, or "".
func (w *world) late(r row) string {
	unanswered, unsaved := w.unanswered(), w.unsaved()
	if r.stall {
		unsaved-- // the one that was held up
	}
	switch {
	case unanswered > 0:
		return fmt.Sprintf("%d loads were not answered", unanswered)
	case unsaved > 0 && r.percent <= 100:
		return fmt.Sprintf("%d saves were not answered", unsaved)
	case len(w.instances) > 1 && w.setting.backup && w.downs() > 0:
		return "an instance asked the server no more"
	}
	return ""
}
