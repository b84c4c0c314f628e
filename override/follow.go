package override

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// FollowOptions are the options of Follow. Nil means all defaults.
type FollowOptions struct {
	// Keep is a file for the last order, for a start while the source does not
	// answer. The program writes it, readable for itself alone, and replaces it whole.
	// Without one, such a start begins with auto.
	Keep string

	// Every is how long a change can stay unnoticed where the source tells of none,
	// because a connection to it has broken without a sign. It defaults to 5 s.
	Every time.Duration

	// Timeout is how long one read of the source may take, the first one too, for which
	// Follow waits. It defaults to 2 s.
	Timeout time.Duration

	// Report is called with nil when another order is in force, and when the source
	// answers again. It is called with an error when the source does not answer or has
	// no order; the last order stays in force then. It is called once for each such
	// change, and once a minute while an error lasts. A goroutine of the Follower calls
	// it, the first time Follow itself. It must not Close the Follower, and may be nil.
	Report func(error)
}

// Follower is a [session.Switch] that follows a Source. It reads the present order,
// waits for a change, and reads again whenever the wait ends. While the source does not
// answer, and while its text is no order, the last order stays in force until its own
// end. The caller of Follow closes the Follower.
type Follower struct {
	value   Value
	source  Source
	options FollowOptions
	stop    context.CancelFunc
	done    chan struct{}

	mu    sync.Mutex // guards all below
	stats FollowStats
	saved time.Time // when the kept file was written last
}

// FollowStats is the state of a Follower.
type FollowStats struct {
	Order Order // in force

	// Read is when the source last confirmed the order in force; in an earlier run of
	// the program, where Kept is set. It is zero where the source never did.
	Read time.Time

	Kept bool  // the order is from the kept file, because the source has not answered yet
	Err  error // why the source is not read at present; nil where it is
}

const (
	pause     = 100 * time.Millisecond // between a wait and a read, at least
	longPause = time.Second            // the same, where the last read or the wait has failed
	mostText  = 4 << 10                // bytes of an order
	again     = time.Minute            // between two reports, and two saves of the kept file, where nothing has changed
)

// Follow returns a Follower of source that has read it once, or tried to. A source that
// does not answer, or has no order, goes to Report: a program starts and goes on. Follow
// fails only for options that make no sense. Close closes the source.
//
// Where nothing stands at the source the order is auto, for a program that starts and for
// one that runs: a fleet agrees. To end an order, delete it or write auto.
func Follow(source Source, o *FollowOptions) (*Follower, error) {
	f := &Follower{source: source, done: make(chan struct{})}
	if o != nil {
		f.options = *o
	}
	switch {
	case source == nil:
		return nil, errors.New("override: Follow: no source")
	case f.options.Every < 0 || f.options.Timeout < 0:
		return nil, fmt.Errorf("override: Follow: Every is %v and Timeout is %v; zero is the default", f.options.Every, f.options.Timeout)
	}
	if f.options.Every == 0 {
		f.options.Every = 5 * time.Second
	}
	if f.options.Timeout == 0 {
		f.options.Timeout = 2 * time.Second
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	unkept := f.recall()
	first := f.read(ctx)
	if first.err != nil {
		first.err = errors.Join(first.err, unkept) // where the source answers, the file is not needed
	}
	r := reporter{report: f.options.Report}
	r.tell(time.Now(), first)
	go f.run(ctx, r)
	return f, nil
}

// Override implements [session.Switch].
func (f *Follower) Override() session.Override { return f.value.Override() }

// Until implements [session.EndingSwitch].
func (f *Follower) Until() time.Time { return f.value.Until() }

// Order returns the order that is in force, as [Value.Order] does.
func (f *Follower) Order() Order { return f.value.Order() }

// Stats returns the state of the Follower. It does not ask the source.
func (f *Follower) Stats() FollowStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := f.stats
	st.Order = f.value.Order()
	return st
}

// Close stops following, waits for a read under way, and closes the source. The last
// order stays in force.
func (f *Follower) Close() error {
	f.stop()
	<-f.done
	return f.source.Close()
}

// run waits and reads until ctx ends.
func (f *Follower) run(ctx context.Context, r reporter) {
	defer close(f.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(f.wait(ctx)):
		}
		result := f.read(ctx)
		if ctx.Err() != nil {
			return
		}
		r.tell(time.Now(), result)
	}
}

// wait returns when the source may have changed, and how long to pause before it is read.
func (f *Follower) wait(ctx context.Context) time.Duration {
	if f.Stats().Err != nil {
		return longPause
	}
	limited, cancel := context.WithTimeout(ctx, f.options.Every)
	defer cancel()
	if err := f.source.Wait(limited); err != nil && limited.Err() == nil {
		return longPause
	}
	return pause
}

// result is what a read came to.
type result struct {
	changed bool // another Override is in force
	err     error
}

// read asks the source once and puts in force what it says.
func (f *Follower) read(ctx context.Context) result {
	limited, cancel := context.WithTimeout(ctx, f.options.Timeout)
	defer cancel()
	text, stands, err := f.source.Read(limited)
	now := time.Now()
	var order Order
	switch {
	case err != nil:
		err = fmt.Errorf("override: %v does not answer: %w", f.source, err)
	case len(text) > mostText:
		err = fmt.Errorf("override: %v has more than %d KiB", f.source, mostText>>10)
	case stands:
		if order, err = parseWhole(text); err != nil {
			err = fmt.Errorf("override: %v: %w", f.source, err)
		}
	}
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.stats.Err = err
		return result{err: err}
	}
	before, first := f.value.Override(), f.Stats().Read.IsZero()
	f.value.set(order)
	err = f.keep(order, now)
	return result{changed: first || before != f.value.Override(), err: err}
}

// reporter calls a Report for changes, not for each read.
type reporter struct {
	report func(error)
	failed bool      // the last read
	told   time.Time // when report was called last
}

func (r *reporter) tell(now time.Time, what result) {
	due := what.changed || r.failed
	if what.err != nil {
		due = !r.failed || now.Sub(r.told) >= again
	}
	r.failed = what.err != nil
	if !due {
		return
	}
	r.told = now
	if r.report != nil {
		r.report(what.err)
	}
}
