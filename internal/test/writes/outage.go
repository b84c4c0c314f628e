package writes

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/internal/test/timeleft"
)

// onset is how an outage begins, and how it ends.
type onset struct {
	name       string
	loaded     bool // it begins before the burst saves, and else with its first save
	begin, end func(*relay.Line)
}

var onsets = []onset{
	{"nothing reaches the server", false, func(l *relay.Line) { l.Hold(relay.Up) }, (*relay.Line).Release},
	{"no answer comes back", false, func(l *relay.Line) { l.Hold(relay.Down) }, (*relay.Line).Release},
	{"connections break", false, (*relay.Line).Cut, (*relay.Line).Mend},
	{"connections break when all have loaded", true, (*relay.Line).Cut, (*relay.Line).Mend},
}

// outage is one of the tests of UpdatesInAnOutage.
type outage struct {
	onset
	backup bool
	n      int // at once
}

func (o outage) String() string {
	return fmt.Sprintf("%d at once, backup %v, %s", o.n, o.backup, o.name)
}

// UpdatesInAnOutage fails t unless n parallel Updates of one session on one instance
// that are answered 200 are n in the store, at the onset of an outage, in it and on the
// way out. With a backup all in the outage are answered 200. The n are those of counts, by
// default 2, 8 and 50. It runs beside other tests that are parallel, on the server that
// start starts.
func UpdatesInAnOutage(t *testing.T, start func(testing.TB) Server, counts ...int) {
	notShort(t)
	t.Parallel()
	if len(counts) == 0 {
		counts = []int{2, 8, 50}
	}
	p := start(t).Place
	var rows []outage
	for _, o := range onsets {
		for _, backup := range []bool{false, true} {
			for _, n := range counts {
				rows = append(rows, outage{o, backup, n})
			}
		}
	}
	atOnce(t, rows, outage.String, func(t *testing.T, o outage) { o.run(t, p) })
}

func (o outage) run(t *testing.T, p Place) {
	w := begin(t, p, setting{instances: 1, backup: o.backup, read: 300 * time.Millisecond, save: 400 * time.Millisecond})
	in := w.instances[0]
	begin := func() { o.begin(in.line) }
	w.burst(o.n)
	if o.loaded {
		w.loaded = begin
	} else {
		in.store.beforeSave(begin)
	}
	onset := w.burst(o.n) + w.burst(o.n)
	during := 0
	const bursts = 3
	for range bursts {
		during += w.burst(o.n)
		time.Sleep(100 * time.Millisecond)
	}
	w.loaded = func() { o.end(in.line) }
	out := w.burst(o.n)
	total := 1
	// The breaker finds out a few seconds later that the server is back.
	most := timeleft.Within(t, patience)
	for began := time.Now(); out == 0 || in.Stats().Failing; {
		if time.Since(began) > most {
			t.Fatalf("%v after an outage the server is still counted as away: %+v", most, in.Stats())
		}
		time.Sleep(time.Duration(100+4*o.n) * time.Millisecond)
		out += w.burst(o.n)
		total++
	}
	out += w.burst(o.n)
	w.check()
	if o.backup && during != bursts*o.n {
		t.Errorf("in the outage %d of %d were answered 200, with a copy that vouches", during, bursts*o.n)
	}
	t.Logf("answered 200: %d of %d at the onset, %d of %d in the outage, %d of %d on the way out",
		onset, 2*o.n, during, bursts*o.n, out, (total+1)*o.n)
}
