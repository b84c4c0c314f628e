package simulation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

// Violation is a promise that was broken.
type Violation struct {
	At      time.Duration
	Promise string
	Text    string
	Request *Request // whose answer shows it, if one does
}

func (v Violation) String() string {
	if v.Request != nil {
		return fmt.Sprintf("%s: request %d at %.3fs: %s", v.Promise, v.Request.N, v.At.Seconds(), v.Text)
	}
	return fmt.Sprintf("%s: at %.3fs: %s", v.Promise, v.At.Seconds(), v.Text)
}

// Verdict is the result of one plan.
type Verdict struct {
	Plan       Plan
	Violations []Violation
	Counts     map[string]int
	History    History
	trace      []line
	name       func(session.ID) string
}

// Promises returns the promises that were broken, each once.
func (v Verdict) Promises() []string {
	var out []string
	for _, x := range v.Violations {
		if !slices.Contains(out, x.Promise) {
			out = append(out, x.Promise)
		}
	}
	slices.Sort(out)
	return out
}

// Trace tells what happened, line by line, and what was broken.
func (v Verdict) Trace() string {
	var b strings.Builder
	p := v.Plan
	fmt.Fprintf(&b, "seed %d: %d instances with clocks %v, %d shards, %d browsers; idle %v, lifetime %v, lease %v\n",
		p.Seed, len(p.Skews), p.Skews, p.Shards, p.Browsers, p.Timing.Idle, p.Timing.Lifetime, p.Timing.Lease)
	lines := slices.Clone(v.trace)
	for _, e := range v.History.Events {
		if text := v.describe(e); text != "" {
			lines = append(lines, line{e.At, text})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	for _, l := range lines {
		fmt.Fprintf(&b, "%9.3fs %s\n", l.at.Seconds(), l.text)
	}
	for _, x := range v.Violations {
		fmt.Fprintf(&b, "BROKEN %v\n", x)
	}
	return b.String()
}

// describe says what an instance and the store did, for the trace.
func (v Verdict) describe(e Event) string {
	who := fmt.Sprintf("      %c", 'A'+e.Instance)
	if e.Request != nil {
		who += fmt.Sprintf(" for r%d", e.Request.N)
	}
	switch e.Kind {
	case Loaded:
		if e.Save == 0 {
			return who + " learns that there is no " + v.name(e.Session)
		}
		if e.Cached {
			return fmt.Sprintf("%s has save %d of %s in its cache", who, e.Save, v.name(e.Session))
		}
		return fmt.Sprintf("%s loads save %d of %s", who, e.Save, v.name(e.Session))
	case Stored:
		over := ""
		if e.Prev > 0 {
			over = fmt.Sprintf(" over %d", e.Prev)
		}
		what := fmt.Sprint(e.Marks.list())
		if e.Dead {
			what = "a tombstone"
		}
		return fmt.Sprintf("%s: shard %d does save %d of %s%s: %s", who, e.Shard, e.Save, v.name(e.Session), over, what)
	case Acked:
		return fmt.Sprintf("%s knows of save %d", who, e.Save)
	case Evicted:
		return fmt.Sprintf("      shard %d has lost %s", e.Shard, v.name(e.Session))
	case Restored:
		return fmt.Sprintf("      shard %d has save %d of %s again", e.Shard, e.Save, v.name(e.Session))
	case Conflicted:
		return fmt.Sprintf("%s learns of a conflict on %s", who, v.name(e.Session))
	}
	return ""
}
