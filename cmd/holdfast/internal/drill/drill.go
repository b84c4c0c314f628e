// Package drill takes a store, or one shard of it, away from a fleet for a while, by an order, and reports
// what the visitors noticed: drill.go does it and stops by itself at its limits, watch.go
// asks the instances, visitors.go visits them meanwhile, and report.go writes the report.
package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/cmd/holdfast/internal/coordinator"
	"github.com/holdfast-go/session/override"
)

// By is the Order.By of a drill's order. Monitors treat it as an operator's.
const By = "holdfast drill"

// Options are what a drill needs. All fields but Shard, Pages and Login are set.
type Options struct {
	Coordinator coordinator.Coordinator
	Order       string        // its name
	Shard       string        // that is left alone, by its name in session.Stats; empty: all of them
	For         time.Duration // how long the store is left alone

	Instances []string // URLs with session.Stats as JSON
	Pages     []string // URLs that visitors ask for, of pages with a session
	Login     string   // a path whose query each visitor posts first, as a form; empty: pages begin a session

	// The drill stops by itself when more than MostFailed visits fail, when an instance
	// owes its store more than MostOwed bytes, and when anything is lost.
	MostFailed int
	MostOwed   int

	Patience time.Duration // with the instances, to begin and to deliver
	Log      *slog.Logger
}

// pace is how often the instances are asked.
const pace = 500 * time.Millisecond

// visitorsOfAShard is how many visitors of a page there are for each shard in a drill of one: where
// IDs are spread evenly, some of them have their sessions there in all but 7 of 1,000 drills.
const visitorsOfAShard = 5

// Run does the drill. It takes its order back in any case, also when ctx ends; an order
// that it cannot take back ends by itself a little later. An error says that the drill
// did not begin, and that no order of it stands.
func Run(ctx context.Context, o Options) (Report, error) {
	w := newWatch(o.Instances)
	defer w.close()
	before, err := w.ask(ctx)
	if err != nil {
		return Report{}, err
	}
	if err := before.ready(); err != nil {
		return Report{}, err
	}
	if err := before.has(o.Shard); err != nil {
		return Report{}, err
	}
	each := 1
	if o.Shard != "" {
		each = visitorsOfAShard * len(before[0].Shards)
	}
	visitors := visit(ctx, o.Pages, each, o.Login)
	defer visitors.stop()
	if err := visitors.settle(ctx, o.Patience); err != nil {
		return Report{}, err
	}
	text, err := give(ctx, o)
	if err != nil {
		return Report{}, err
	}
	o.Log.InfoContext(ctx, "the store is left alone", "for", o.For)
	d := &drill{o: o, watch: w, visitors: visitors, before: before, began: time.Now()}
	why := d.outage(ctx)
	d.report.Outage = time.Since(d.began)
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Patience)
	defer cancel()
	takeBack(late, o, text)
	if undelivered := d.aftermath(late); undelivered != nil {
		why = errors.Join(why, undelivered)
	}
	visitors.stop()
	return d.finish(why), nil
}

// give gives the order, where none stands, and returns its text.
func give(ctx context.Context, o Options) ([]byte, error) {
	now := time.Now()
	entry, err := o.Coordinator.Get(ctx, o.Order)
	if err != nil {
		return nil, err
	}
	if entry.Revision != 0 {
		stands, err := override.Parse(string(entry.Value) + "\n")
		ended := err == nil && !stands.Until.IsZero() && !now.Before(stands.Until)
		if !ended {
			return nil, fmt.Errorf("drill: an order stands already: %s", entry.Value)
		}
	}
	text, err := json.Marshal(override.Order{
		Override: session.Override{Mode: session.BackupOnly, Shard: o.Shard},
		Until:    now.Add(o.For + o.Patience).UTC(), // tells this order from every other
		By:       By,
	})
	if err != nil {
		return nil, err
	}
	done, err := o.Coordinator.Set(ctx, o.Order, text, entry.Revision)
	if err == nil && !done {
		return nil, errors.New("drill: another order was given just now")
	}
	if err != nil { // it may have happened
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Patience)
		defer cancel()
		takeBack(late, o, text)
	}
	return text, err
}

// takeBack ends the order with this text, if it still stands.
func takeBack(ctx context.Context, o Options, text []byte) {
	for {
		done, err := remove(ctx, o, text)
		switch {
		case done:
			o.Log.InfoContext(ctx, "the drill's order does not stand any more")
			return
		case ctx.Err() != nil:
			o.Log.ErrorContext(ctx, "the order cannot be taken back, and ends by itself", "error", err)
			return
		}
		pauseFor(ctx, pace)
	}
}

// remove reports whether the order with this text does not stand any more.
func remove(ctx context.Context, o Options, text []byte) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	entry, err := o.Coordinator.Get(limited, o.Order)
	if err != nil {
		return false, err
	}
	if !bytes.Equal(entry.Value, text) {
		return true, nil
	}
	return o.Coordinator.Remove(limited, o.Order, entry.Revision)
}

// drill is a drill that is under way.
type drill struct {
	o        Options
	watch    *watch
	visitors *visitors
	before   fleet
	began    time.Time
	report   Report
}

// outage watches until the time is up or a limit is reached, and returns which.
func (d *drill) outage(ctx context.Context) error {
	for end := d.began.Add(d.o.For); time.Now().Before(end); pauseFor(ctx, pace) {
		now, err := d.look(ctx)
		switch {
		case ctx.Err() != nil:
			return errors.New("it was interrupted")
		case err != nil:
			return err
		}
		if d.report.Followed == 0 && now.follows(d.o.Shard) {
			d.report.Followed = time.Since(d.began)
		}
		if d.report.Followed != 0 && !now.follows(d.o.Shard) {
			return errors.New("not every instance goes by the drill's order any more; somebody has given another, or taken it back")
		}
		if d.report.Followed == 0 && time.Since(d.began) > d.o.Patience {
			return fmt.Errorf("not every instance followed the order within %v", d.o.Patience)
		}
	}
	if d.report.Followed == 0 {
		return errors.New("not every instance followed the order")
	}
	return nil
}

// look asks all instances and returns why the drill has to stop, if it has to.
func (d *drill) look(ctx context.Context) (fleet, error) {
	now, err := d.watch.ask(ctx)
	if err != nil {
		return nil, err
	}
	for i, st := range now {
		if st.Loads < d.before[i].Loads {
			return now, fmt.Errorf("instance %d has started anew, and its counts with it", i+1)
		}
		d.report.MostOwed = max(d.report.MostOwed, st.Journal.States+st.Journal.Tombstones)
		if st.Journal.Bytes > d.o.MostOwed {
			return now, fmt.Errorf("an instance owes its store %d bytes; the limit is %d", st.Journal.Bytes, d.o.MostOwed)
		}
	}
	if lost := now.lost() - d.before.lost(); lost > 0 {
		return now, fmt.Errorf("%d changes are lost", lost)
	}
	if failed := d.visitors.failed(); failed > d.o.MostFailed {
		return now, fmt.Errorf("%d visits failed; the limit is %d: %w", failed, d.o.MostFailed, d.visitors.first())
	}
	return now, nil
}

// aftermath watches until every instance is served by its store and owes it nothing.
func (d *drill) aftermath(ctx context.Context) error {
	began := time.Now()
	for ; ctx.Err() == nil; pauseFor(ctx, pace) {
		now, err := d.watch.ask(ctx)
		if err != nil {
			continue
		}
		if now.ready() == nil {
			d.report.Recovered = time.Since(began)
			return nil
		}
	}
	return fmt.Errorf("the store has not got everything within %v", d.o.Patience)
}

// pauseFor returns after d, or when ctx ends.
func pauseFor(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
