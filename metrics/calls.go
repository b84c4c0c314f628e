package metrics

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/timed"
)

// calls is how long the calls of one store took.
type calls struct {
	system string
	of     [timed.Operations][timed.Outcomes]measured
}

// measured is a histogram that any number of goroutines add to.
type measured struct {
	counts [12]atomic.Uint64 // one more than timed.Bounds
	sum    atomic.Int64      // nanoseconds
}

func (c *calls) seen(_ context.Context, o timed.Operation, outcome timed.Outcome, took time.Duration) {
	m := &c.of[o][outcome]
	i, _ := slices.BinarySearch(timed.Bounds, took.Seconds())
	m.counts[i].Add(1)
	m.sum.Add(int64(took))
}

// Store returns s with its calls timed, for a Manager, in the figure
// db_client_operation_duration_seconds. It is what s is: a [session.Lister], a
// [session.Prober] and so on. system says in OpenTelemetry's words what s is, as in "redis",
// "memcached" or "postgresql". A call costs two looks at the clock and no allocation.
//
// Only calls that reach the store are timed: loads that a cache in front of it answers are
// left out.
func (x *Metrics) Store(s session.Store, system string) session.Store {
	c := &calls{system: system}
	x.mu.Lock()
	x.stores = append(x.stores, c)
	x.mu.Unlock()
	return timed.New(s, c.seen)
}

// calls adds how long the calls of the store took. The operations of visitors are there from
// the beginning, so that the first one counts.
func (l *list) calls(x *Metrics) {
	x.mu.Lock()
	stores := slices.Clone(x.stores)
	x.mu.Unlock()
	var samples []Sample
	for _, c := range stores {
		for o := range timed.Operations {
			for outcome := range timed.Outcomes {
				s := Sample{Calls: c.of[o][outcome].read(), Labels: []Label{
					{"db_system_name", c.system}, {"db_operation_name", o.String()}, {"error_type", outcome.String()},
				}}
				always := o <= timed.Save && outcome == timed.Answered
				if always || slices.Max(s.Calls.Counts) > 0 {
					samples = append(samples, s)
				}
			}
		}
	}
	l.add(Histogram, "db_client_operation_duration_seconds", "How long the calls of the store took.", samples...)
}

func (m *measured) read() *Measurement {
	r := &Measurement{Bounds: timed.Bounds, Sum: time.Duration(m.sum.Load()).Seconds()}
	for i := range m.counts {
		r.Counts = append(r.Counts, m.counts[i].Load())
	}
	return r
}
