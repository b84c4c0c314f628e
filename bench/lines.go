package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/holdfast-go/session/bench/contestant"
)

// line is a promise and what was reached.
type line struct {
	what     string
	required string
	reached  string
	spread   string // the quartiles of the rounds
	alone    string // the same with one connection
	measured bool
	met      bool

	profile spot // where the rest goes
}

// lines are all promises, with what the results say of them.
func lines(p plan, r *results) (all []line) {
	many := p.most()
	ours := func(name string) string { return "holdfast-" + name }
	most := func(what string, require, got float64, unit string, profile spot) {
		all = append(all, line{
			what: what, required: fmt.Sprintf("≤ %s%s", decimal(require), unit), reached: decimal(got) + unit,
			spread: "–", alone: "–", measured: true, met: got <= require, profile: profile,
		})
	}
	for _, d := range duels(many) {
		// One connection has no duel, nor has a run without that section.
		at := func(conns int) ratio {
			one, other := d.one, d.other
			one.conns, other.conns = conns, conns
			return r.application[one].beside(r.application[other])
		}
		got := at(many)
		if lanes, ok := r.duels[d]; ok {
			got = lanes[0].beside(lanes[1])
		}
		all = append(all, line{
			what: d.what, required: fmt.Sprintf("≥ %.2f", d.require), reached: got.String(),
			spread: fmt.Sprintf("%.2f to %.2f", got.low, got.high), alone: at(1).String(),
			measured: got.median != 0, met: got.median >= d.require, profile: d.one,
		})
	}
	if u := r.untouched; u != nil {
		over := u.untouched.time - u.bare.time
		most("Untouched route, allocations over bare", 1, math.Round(u.untouched.allocs-u.bare.allocs), "", spot{}) // others allocate too
		most("Untouched route, time over bare", 150, float64(over), " ns", spot{})
	}
	if keys := r.keys[ours("redis")]; keys != nil {
		least, worst := time.Duration(1<<62), time.Duration(0)
		for _, l := range keys {
			least, worst = min(least, l.cpu()), max(worst, l.cpu())
		}
		most("Read of one key of 1 to 200, CPU, largest × smallest", 1.3, worst.Seconds()/least.Seconds(), "", spot{ours("redis"), userRoute, many})
	}
	if u := r.untouched; u != nil {
		most("The same in the process, on memory", 1.3, u.manyKeys.time.Seconds()/u.oneKey.time.Seconds(), "", spot{})
	}
	if n := len(r.standing); n > 0 {
		first, last := r.standing[0], r.standing[n-1]
		what := fmt.Sprintf("%d sessions in memstore", last.Sessions)
		most(what+", bytes each over the data", 200, last.Bytes, "", spot{})
		for _, op := range []struct {
			name  string
			of    time.Duration
			first time.Duration
		}{{"Load", last.Load, first.Load}, {"Save", last.Save, first.Save}, {"read", last.Read, first.Read}, {"write", last.Write, first.Write}} {
			most(what+", "+op.name+", × beside a thousand", 1.5, op.of.Seconds()/op.first.Seconds(), "", spot{})
		}
	}
	for _, f := range []struct{ name, title string }{
		{"redis", "Redis"}, {"redis-backup", "Redis, backup"}, {"cache", "client-side cache"}, {"memcached", "memcached"},
	} {
		if loads, ok := r.flights[ours(f.name)]; ok {
			// One at a time: the first, and one for all who came while it was under way.
			most(fmt.Sprintf("Page with %d calls, loads, one at a time, %s", calls, f.title), 2, loads, "", spot{})
		}
	}
	if o := r.outage; o != nil {
		most(fmt.Sprintf("Outage with %d sessions, failed requests", o.sessions), 0, float64(o.without.failed+o.back.failed), "", spot{})
		most("Outage, lost writes", 0, float64(o.lost), "", spot{})
	}
	for _, rush := range r.rushes {
		most(fmt.Sprintf("%d visitors within a second, the store is %s, failed requests", rush.requests, rush.name), 0, float64(rush.failed), "", spot{})
		most("The same, lost writes", 0, float64(rush.lost), "", spot{})
	}
	return all
}

func decimal(n float64) string {
	if n >= 100 {
		return fmt.Sprintf("%.0f", n)
	}
	s := strings.TrimRight(fmt.Sprintf("%.2f", n), "0")
	return strings.TrimSuffix(s, ".")
}

func linesText(p plan, all []line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## What it must show\n\nRatios of the medians of one run, with %d connections; read is `%s`, write `%s`, untouched `%s`. Quartiles are those of the\nrounds' own ratios; the last column is from the tables below, with one connection. A line is met by its median.\n\n"+
		"| | required | reached | quartiles | | one connection |\n|---|--:|--:|--:|---|--:|\n", p.most(), contestant.User, contestant.Cart, contestant.Food)
	for _, l := range all {
		verdict := "**not met**"
		switch {
		case !l.measured:
			verdict = "not measured"
			l.reached, l.spread = "–", "–"
			l.alone = "–"
		case l.met:
			verdict = "met"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", l.what, l.required, l.reached, l.spread, verdict, l.alone)
	}
	b.WriteString("\n")
	return b.String()
}
