package verdict_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/cmd/holdfast/internal/verdict"
	"github.com/holdfast-go/session/override"
)

var seeds = flag.Int("seeds", 300, "simulate so many fleets")

const (
	step  = 250 * time.Millisecond
	every = time.Second
	fresh = 3 * time.Second
)

// world is a fleet of monitors over one coordinator and one store, in virtual time.
type world struct {
	t     *testing.T
	seed  uint64
	r     *rand.Rand
	now   time.Time
	rules verdict.Rules

	failing   bool          // the store
	flaps     time.Duration // how often it changes; zero: it does not
	changed   time.Time     // the store, last
	reported  bool          // the instances say that they are served
	offline   bool          // the coordinator
	ballots   map[string]verdict.Ballot
	state     verdict.State
	stateRev  int
	order     *override.Order
	orderRev  int
	monitors  []*monitor
	begun     []time.Time
	counted   time.Time // the Since of the last of them
	disturbed time.Time // when something happened last that excuses the monitors
}

// monitor is one process. Between its reads and its writes others may come.
type monitor struct {
	name     string
	alive    bool
	cut      bool // off from the store
	stalled  time.Time
	next     time.Time
	observer verdict.Observer
	board    verdict.Board
	seq      uint64
	write    func()
	failures []time.Time // of its probes
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 17)), rules: verdict.Defaults, ballots: map[string]verdict.Ballot{},
		now: time.Date(2026, 11, 1, 18, 0, 0, 0, time.UTC),
	}
	for i := range 3 {
		m := &monitor{name: fmt.Sprint("m", i)}
		m.start(w)
		w.monitors = append(w.monitors, m)
	}
	w.changed, w.disturbed = w.now, w.now
	return w
}

// start begins a process anew, with nothing in its memory.
func (m *monitor) start(w *world) {
	m.alive, m.write = true, nil
	m.observer = verdict.Observer{Every: every}
	m.board = verdict.Board{Observers: 3, Fresh: fresh}
	m.seq = w.r.Uint64()
	m.next = w.now.Add(time.Duration(w.r.Int64N(int64(every))))
}

// sees reports whether a probe of m fails now.
func (m *monitor) sees(w *world) bool { return w.failing || m.cut }

func (m *monitor) run(w *world) {
	if !m.alive || w.now.Before(m.stalled) {
		return
	}
	if m.write != nil { // what it read was a step ago
		m.write()
		m.write = nil
	}
	if w.now.Before(m.next) {
		return
	}
	m.next = w.now.Add(every)
	p := verdict.Probed{At: w.now, Failed: m.sees(w)}
	p.Serving, p.Asked = w.instances()
	if p.Failed {
		m.failures = append(m.failures, w.now)
	}
	vote := m.observer.See(p)
	if w.offline {
		return
	}
	m.seq++
	w.ballots[m.name] = verdict.Ballot{Seq: m.seq, Votes: map[string]verdict.Vote{"a": vote}}
	all := map[string]verdict.Ballot{}
	for name, b := range w.ballots {
		all[name] = b
	}
	says := m.board.Count(w.now, all)
	if !says.Ready {
		return
	}
	state, stateRev := w.state, w.stateRev
	order, orderRev := w.order, w.orderRev
	next := w.rules.Next(state, says, w.now)
	now := w.now
	m.write = func() {
		if w.offline {
			return
		}
		if next != state {
			if w.stateRev != stateRev {
				return
			}
			w.state = next
			w.stateRev++
			stateRev++
		}
		act := w.rules.Act(next, order, true, now)
		if act == verdict.Leave || w.orderRev != orderRev || w.stateRev != stateRev {
			return
		}
		w.orderRev++
		if act == verdict.Remove {
			w.remove()
		} else {
			w.put(w.rules.Write(now))
		}
	}
}

// instances returns how many instances report that they are served, of those that ask the
// store. By an order they leave it alone.
func (w *world) instances() (serving, asked int) {
	switch ordered := w.order != nil && (w.order.Until.IsZero() || w.now.Before(w.order.Until)); {
	case ordered && w.order.Mode == session.BackupOnly:
		return 0, 0
	case w.failing && !w.reported:
		return 0, 3
	}
	return 3, 3
}

// standsByHand reports whether an operator's order stands that has not ended.
func (w *world) standsByHand() bool {
	return w.order != nil && w.order.By != verdict.By && (w.order.Until.IsZero() || w.now.Before(w.order.Until))
}

func (w *world) remove() {
	if w.standsByHand() {
		w.fail("the order of an operator was removed")
	}
	w.order = nil
}

func (w *world) put(o override.Order) {
	if w.standsByHand() {
		w.fail("the order of an operator was overwritten")
	}
	if o.Until.IsZero() || o.Until.Sub(w.now) > w.rules.Order {
		w.fail("an order ends at %v", o.Until)
	}
	// One that stands again after an operator's has ended is no new one.
	if !w.state.Since.Equal(w.counted) && w.now.Sub(w.state.Since) < 2*time.Second {
		w.counted = w.state.Since
		w.begun = append(w.begun, w.now)
		w.mayBegin()
	}
	w.order = &o
}

// mayBegin asks that an order has its reason, and that orders are rare. A vote lasts for
// three probes after the last that failed, and a ballot for 3 s after its observer died.
func (w *world) mayBegin() {
	witnesses := 0
	for _, m := range w.monitors {
		lately, before := false, false
		for _, at := range m.failures {
			ago := w.now.Sub(at)
			lately = lately || ago < 7*time.Second
			before = before || ago < 13*time.Second && ago >= w.rules.DownAfter
		}
		if lately && before {
			witnesses++
		}
	}
	if witnesses < 2 {
		w.fail("an order begins that only %d observers have seen a reason for", witnesses)
	}
	recent := 0
	for _, at := range w.begun {
		if w.now.Sub(at) < time.Minute {
			recent++
		}
	}
	if recent > 2 {
		w.fail("%d orders in a minute: %v", recent, w.begun)
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d, %v: %s", w.seed, w.now.Format("15:04:05.00"), fmt.Sprintf(format, args...))
}

// weather changes something, seldom.
func (w *world) weather() {
	if w.flaps > 0 && w.now.Sub(w.changed) >= w.flaps {
		w.failing = !w.failing
		w.changed = w.now
	}
	if w.r.IntN(60) != 0 {
		return
	}
	m := w.monitors[w.r.IntN(3)]
	if w.disturbed.Before(w.now) {
		w.disturbed = w.now
	}
	switch w.r.IntN(11) {
	case 0, 1:
		w.failing = !w.failing
		w.changed = w.now
	case 2:
		w.flaps = []time.Duration{0, 3 * time.Second, 7 * time.Second, 20 * time.Second}[w.r.IntN(4)]
	case 3:
		m.alive = false
	case 4:
		m.start(w)
	case 5:
		m.cut = !m.cut
	case 6:
		m.stalled = w.now.Add(time.Duration(w.r.IntN(20)) * time.Second)
		w.disturbed = w.now.Add(20 * time.Second)
	case 7:
		w.offline = !w.offline
	case 8: // an operator
		w.orderRev++
		w.order = &override.Order{Override: session.Override{Mode: session.Mode(w.r.IntN(3))}, By: "alice"}
		if w.r.IntN(4) != 0 {
			w.order.Until = w.now.Add(time.Duration(w.r.IntN(120)) * time.Second)
		}
	case 9:
		w.orderRev++
		w.order = nil
	case 10:
		w.reported = !w.reported
	}
}

// look notes what the monitors can know, and asks that they act on it.
func (w *world) look() {
	seeing := 0
	for _, m := range w.monitors {
		if m.alive && !w.now.Before(m.stalled) {
			seeing++
		}
	}
	calm := w.now.Sub(w.disturbed)
	inForce := w.order != nil && w.order.Until.After(w.now) && w.order.By == verdict.By
	if inForce && seeing == 0 && calm > w.rules.Order {
		w.fail("an order is in force though no monitor has lived for %v", calm)
	}
	justEnded := w.order != nil && w.now.Sub(w.order.Until) < 3*time.Second // the monitors have not seen it yet
	excused := w.offline || w.flaps > 0 || w.standsByHand() || justEnded && !inForce
	if excused || seeing < 3 {
		return
	}
	serving, _ := w.instances()
	if w.failing && serving == 0 && !inForce && calm > 15*time.Second {
		w.fail("no order though the store has been down for %v: %+v", calm, w.state)
	}
	hold := w.rules.MaxHold
	if w.state.Flaps < 3 {
		hold = w.rules.Hold << w.state.Flaps
	}
	cut := w.monitors[0].cut || w.monitors[1].cut || w.monitors[2].cut
	if !w.failing && !cut && inForce && calm > hold+10*time.Second {
		w.fail("an order is in force though the store has been well for %v", calm)
	}
}

func TestNoFleetGetsAnOrderWithoutReason(t *testing.T) {
	orders := 0
	for seed := range uint64(*seeds) {
		w := newWorld(t, seed)
		for range 20 * 60 * 4 {
			w.weather()
			for _, i := range w.r.Perm(3) {
				w.monitors[i].run(w)
			}
			w.look()
			w.now = w.now.Add(step)
		}
		orders += len(w.begun)
	}
	if orders < *seeds {
		t.Errorf("got %d orders in %d fleets: the weather is too fair to show anything", orders, *seeds)
	}
	t.Logf("%d fleets of 20 minutes, %d orders", *seeds, orders)
}
