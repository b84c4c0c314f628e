package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/coordinator"
	"github.com/holdfast-go/session/cmd/holdfast/internal/verdict"
	"github.com/holdfast-go/session/override"
)

// fresh is how long a ballot counts after its observer last renewed it.
const fresh = 3 * time.Second

// pace is the time between two turns. It does not depend on that between two probes: a
// ballot has to stay fresh.
const pace = 500 * time.Millisecond

// gone is how long a ballot stays that does not change. Where monitors are named after
// their hosts, each new host would leave one for ever.
const gone = 10 * time.Minute

// decide votes, reads the others' votes, and gives or takes back the order, until ctx
// ends. Every monitor does this; by compare-and-set one of them is first.
func (m *Monitor) decide(ctx context.Context) {
	d := &decider{
		Monitor: m,
		board:   verdict.Board{Observers: m.o.Observers, Fresh: fresh},
		seq:     rand.Uint64(),
		ready:   time.Now(),
	}
	ticks(ctx, min(m.o.Every/2, pace), func() {
		limited, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		err := d.turn(limited)
		if ctx.Err() != nil {
			return
		}
		if (err == nil) != (d.failure == nil) {
			if err != nil {
				m.o.Log.ErrorContext(ctx, "nothing can be decided: the coordinator does not answer", "error", err)
			} else {
				m.o.Log.InfoContext(ctx, "the coordinator answers again")
			}
		}
		d.failure = err
	})
}

type decider struct {
	*Monitor
	board    verdict.Board
	seq      uint64
	wrote    bool
	entries  map[string]coordinator.Entry // the ballots as they were last read
	failure  error                        // of the last turn
	stands   string                       // what stands instead of an order of the monitor's, as last told
	namesake bool                         // another monitor has this one's name, as last told
	doubt    string                       // why this monitor's readings are not to be trusted, as last told
	ready    time.Time                    // when a reading was last
}

func (d *decider) votesFolder() string { return d.o.Order + ".votes" }
func (d *decider) stateName() string   { return d.o.Order + ".state" }

// turn does the work of decide once.
func (d *decider) turn(ctx context.Context) error {
	ballots, err := d.exchange(ctx)
	if err != nil {
		return err
	}
	says := d.board.Count(time.Now(), ballots)
	d.tellDoubt(ctx, says)
	if err := d.removeGone(ctx); err != nil {
		return err
	}
	state, revision, err := d.next(ctx, says)
	if err != nil || revision < 0 {
		return err
	}
	if !says.Ready {
		return nil
	}
	return d.act(ctx, state, coordinator.Guard{Name: d.stateName(), Revision: revision})
}

// exchange writes this observer's ballot and returns all.
func (d *decider) exchange(ctx context.Context) (map[string]verdict.Ballot, error) {
	entries, err := d.o.Coordinator.List(ctx, d.votesFolder())
	if err != nil {
		return nil, err
	}
	d.entries = entries
	ballots := map[string]verdict.Ballot{}
	for name, e := range entries {
		var b verdict.Ballot
		if json.Unmarshal(e.Value, &b) == nil { // a ballot that does not decode is no vote
			ballots[name] = b
		}
	}
	if namesake := d.wrote && ballots[d.o.Name].Seq != d.seq; namesake != d.namesake {
		d.namesake = namesake
		if namesake {
			d.o.Log.ErrorContext(ctx, "another monitor has the same name; give each its own", "name", d.o.Name)
		}
	}
	d.mu.Lock()
	votes := maps.Clone(d.votes)
	d.mu.Unlock()
	mine := verdict.Ballot{Seq: d.seq + 1, Votes: votes, Observers: d.o.Observers, At: time.Now().UTC()}
	text, err := json.Marshal(mine)
	if err != nil {
		return nil, err
	}
	done, err := d.o.Coordinator.Set(ctx, d.votesFolder()+"/"+d.o.Name, text, entries[d.o.Name].Revision)
	if err != nil {
		return nil, err
	}
	if done {
		d.seq, d.wrote = mine.Seq, true
		ballots[d.o.Name] = mine
	}
	return ballots, nil
}

// removeGone removes the ballots of monitors that have been gone for long. The ballot of a
// monitor that has come back meanwhile has another revision, so it stays.
func (d *decider) removeGone(ctx context.Context) error {
	for _, name := range d.board.Gone(gone) {
		entry, stands := d.entries[name]
		if !stands {
			continue
		}
		if _, err := d.o.Coordinator.Remove(ctx, d.votesFolder()+"/"+name, entry.Revision); err != nil {
			return err
		}
	}
	return nil
}

// tellDoubt logs once why this monitor decides nothing, or not as it was configured.
func (d *decider) tellDoubt(ctx context.Context, says verdict.Reading) {
	if says.Ready {
		d.ready = time.Now()
	}
	doubt := ""
	switch {
	case says.Skewed:
		doubt = "the clocks of other monitors differ from this one's, so it gives no order; set them"
	case says.Observers != d.o.Observers:
		doubt = fmt.Sprintf("--observers is %d, and the monitors count with %d; configure all alike", d.o.Observers, says.Observers)
	case !says.Ready && time.Since(d.ready) > 10*fresh:
		doubt = "the coordinator is too slow for this monitor to count the votes, so it gives no order"
	}
	if doubt != d.doubt && doubt != "" {
		d.o.Log.ErrorContext(ctx, doubt, "name", d.o.Name)
	}
	d.doubt = doubt
}

// next brings the shared state up to date. It returns the state and its revision, which
// is negative where another monitor has just changed it.
func (d *decider) next(ctx context.Context, says verdict.Reading) (verdict.State, int64, error) {
	entry, err := d.o.Coordinator.Get(ctx, d.stateName())
	if err != nil {
		return verdict.State{}, 0, err
	}
	var state verdict.State
	if entry.Revision != 0 {
		if err := json.Unmarshal(entry.Value, &state); err != nil {
			return verdict.State{}, 0, fmt.Errorf("monitor: %s is no state; delete it: %w", d.stateName(), err)
		}
	}
	next := d.o.Rules.Next(state, says, time.Now().UTC())
	if next == state {
		return state, entry.Revision, nil
	}
	text, err := json.Marshal(next)
	if err != nil {
		return verdict.State{}, 0, err
	}
	done, err := d.o.Coordinator.Set(ctx, d.stateName(), text, entry.Revision)
	if err == nil && done && next.Down != state.Down {
		d.o.Log.WarnContext(ctx, "the monitors have decided", "down", next.Down, "before", state.Since, "flaps", next.Flaps)
	}
	return verdict.State{}, -1, err // the next turn acts on it
}

// act makes the order what the state wants, if the state is still that.
func (d *decider) act(ctx context.Context, state verdict.State, still coordinator.Guard) error {
	entry, err := d.o.Coordinator.Get(ctx, d.o.Order)
	if err != nil {
		return err
	}
	var order *override.Order
	readable := true
	if entry.Revision != 0 {
		parsed, err := override.Parse(string(entry.Value) + "\n")
		order, readable = &parsed, err == nil
	}
	now := time.Now()
	action := d.o.Rules.Act(state, order, readable, now)
	d.tell(ctx, state, action, order, readable)
	switch action {
	case verdict.Leave:
		return nil
	case verdict.Remove:
		_, err = d.o.Coordinator.Remove(ctx, d.o.Order, entry.Revision, still)
		return err
	case verdict.Put:
	}
	text, err := json.Marshal(d.o.Rules.Write(now))
	if err != nil {
		return err
	}
	_, err = d.o.Coordinator.Set(ctx, d.o.Order, text, entry.Revision, still)
	return err
}

// tell logs once that something else stands where the monitors' order would.
func (d *decider) tell(ctx context.Context, state verdict.State, action verdict.Action, order *override.Order, readable bool) {
	stands := ""
	switch theirs := order != nil && order.By != verdict.By; {
	case !state.Down || action != verdict.Leave || !theirs:
	case readable:
		stands = fmt.Sprintf("%v, by %q, until %v", order.Mode, order.By, order.Until)
	default:
		stands = "no order that can be read"
	}
	if stands != d.stands && stands != "" {
		d.o.Log.WarnContext(ctx, "the store is down, and an operator's order stands; delete it to leave the order to the monitors", "order", stands)
	}
	d.stands = stands
}
