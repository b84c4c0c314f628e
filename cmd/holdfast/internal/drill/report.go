package drill

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

// Report is what a drill has shown.
type Report struct {
	Passed  bool   `json:"passed"`
	Stopped string `json:"stopped,omitempty"` // why it did not pass

	Shard     string        `json:"shard,omitempty"` // that was left alone; empty: all
	Instances int           `json:"instances"`
	Followed  time.Duration `json:"followed"`  // until every instance went by the order; zero: not all did
	Outage    time.Duration `json:"outage"`    // how long the order stood
	Recovered time.Duration `json:"recovered"` // until the store had everything; zero: it has not

	Visits  int           `json:"visits"` // by the drill's own visitors
	Failed  int           `json:"failed"`
	Slowest time.Duration `json:"slowest"`

	Degraded  uint64 `json:"degraded"`  // sessions that were read from backups, by any visitor
	MostOwed  int    `json:"mostOwed"`  // changes and ended sessions that one instance owed its store
	Delivered uint64 `json:"delivered"` // of them
	Lost      uint64 `json:"lost"`
}

// finish completes the report. why is what stopped the drill, or nil.
func (d *drill) finish(why error) Report {
	r := &d.report
	r.Shard = d.o.Shard
	r.Instances = len(d.before)
	r.Visits, r.Failed = d.visitors.visits, d.visitors.bad
	r.Slowest = d.visitors.slowest
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	after, err := d.watch.ask(ctx)
	if err == nil {
		grown := func(of func(session.Stats) uint64) uint64 {
			n, before := after.sum(of), d.before.sum(of)
			return n - min(n, before) // an instance that has started anew counts from zero
		}
		r.Degraded = grown(func(st session.Stats) uint64 { return st.Degraded })
		r.Delivered = grown(func(st session.Stats) uint64 { return st.Journal.Delivered })
		r.Lost = grown(func(st session.Stats) uint64 { return st.Journal.Lost })
	}
	switch {
	case why != nil:
		r.Stopped = why.Error()
	case err != nil:
		r.Stopped = err.Error()
	case r.Lost > 0:
		r.Stopped = fmt.Sprintf("%d changes are lost", r.Lost)
	case r.Failed > d.o.MostFailed:
		r.Stopped = fmt.Sprintf("%d visits failed; the limit is %d: %v", r.Failed, d.o.MostFailed, d.visitors.why)
	}
	r.Passed = r.Stopped == ""
	return *r
}

// String is the report for people.
func (r Report) String() string {
	var b strings.Builder
	line := func(what string, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", what, fmt.Sprintf(format, args...))
	}
	short := func(d time.Duration) string {
		if d == 0 {
			return "never"
		}
		return d.Round(10 * time.Millisecond).String()
	}
	if r.Passed {
		what := "the store"
		if r.Shard != "" {
			what = "the shard " + r.Shard
		}
		line("passed", "%s was left alone for %s", what, short(r.Outage))
	} else {
		line("STOPPED", "%s", r.Stopped)
	}
	line("instances", "%d, all by the order after: %s", r.Instances, short(r.Followed))
	line("visitors", "%d of %d visits failed, the slowest took %v", r.Failed, r.Visits, r.Slowest.Round(time.Millisecond))
	line("backups", "%d sessions read from them", r.Degraded)
	line("owed", "%d changes at most by one instance; %d delivered, %d lost", r.MostOwed, r.Delivered, r.Lost)
	line("recovered", "everything in the store after: %s", short(r.Recovered))
	return b.String()
}
