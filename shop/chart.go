package main

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// The charts are drawn here, as SVG whose colors are in the style sheet: one
// unit across is a second, and time runs to the right.

const (
	laneSeconds = 60
	laneHeight  = 10
	chartHeight = 40
)

// drawLanes shows where the requests of the last minute were served from: the
// upper lane is the store's, the lower one the backup's.
func drawLanes(seconds []second) template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="lanes" viewBox="0 0 %d %d" preserveAspectRatio="none" aria-hidden="true">`, laneSeconds, 2*laneHeight+4)
	for x, s := range seconds {
		if s.store != unseen {
			fmt.Fprintf(&b, `<rect class="%s" x="%d" y="0" width="1" height="%d"/>`, [...]string{"", "serving", "returning", "away"}[s.store], x, laneHeight)
		}
		if s.backed > 0 {
			fmt.Fprintf(&b, `<rect class="backed" x="%d" y="%d" width="1" height="%d"/>`, x, laneHeight+4, laneHeight)
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) // numbers and constants alone
}

// figures are the latest values of the charts, averaged over a few seconds.
type figures struct {
	Rate     string
	P50, P99 string
	Backed   string
	MostRate string // the top of the chart
}

const latest = 3 // seconds

func newFigures(seconds []second) figures {
	var h histogram
	requests, most := 0, 0
	stored, backed := 0, 0
	for i, s := range seconds {
		most = max(most, s.requests)
		if i < len(seconds)-latest {
			continue
		}
		requests += s.requests
		stored += s.stored
		backed += s.backed
		for j, n := range s.took {
			h[j] += n
		}
	}
	f := figures{
		Rate: fmt.Sprintf("%.0f", float64(requests)/latest), MostRate: strconv.Itoa(ceiling(most)),
		P50: "–", P99: "–", Backed: "–",
	}
	if requests > 0 {
		f.P50, f.P99 = millis(h.quantile(.5)), millis(h.quantile(.99))
	}
	if n := stored + backed; n > 0 {
		f.Backed = fmt.Sprintf("%.0f %%", 100*float64(backed)/float64(n))
	}
	return f
}

func millis(d time.Duration) string {
	ms := d.Seconds() * 1000
	if ms < 10 {
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.0f ms", ms)
}

// charts are the three of the page.
type charts struct{ Rate, Latency, Backed template.HTML }

func drawCharts(seconds []second) charts {
	most := 0
	for _, s := range seconds {
		most = max(most, s.requests)
	}
	top := float64(ceiling(most))
	of := func(q float64) func(second) (float64, bool) {
		return func(s second) (float64, bool) { return logScale(s.took.quantile(q)), s.requests > 0 }
	}
	return charts{
		Rate:    chart(seconds, curve("rate", seconds, func(s second) (float64, bool) { return float64(s.requests) / top, true })),
		Latency: chart(seconds, curve("p99", seconds, of(.99))+curve("p50", seconds, of(.5))),
		Backed: chart(seconds, curve("share", seconds, func(s second) (float64, bool) {
			return float64(s.backed) / float64(max(1, s.stored+s.backed)), s.stored+s.backed > 0
		})),
	}
}

// logScale is 0 at 0.1 ms and 1 at a second.
func logScale(d time.Duration) float64 {
	return math.Log10(max(1, d.Seconds()*1e4)) / 4
}

// ceiling rounds up to a number that reads well.
func ceiling(n int) int {
	for unit := 10; ; unit *= 10 {
		for _, f := range []int{1, 2, 5} {
			if n <= f*unit {
				return f * unit
			}
		}
	}
}

// chart draws lines over the seconds in which the store was away.
func chart(seconds []second, lines string) template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" preserveAspectRatio="none" aria-hidden="true">`, reach, chartHeight)
	for x, s := range seconds {
		if s.store == away || s.store == returning {
			fmt.Fprintf(&b, `<rect class="outage" x="%d" y="0" width="1" height="%d"/>`, x, chartHeight)
		}
	}
	b.WriteString(lines + `</svg>`)
	return template.HTML(b.String()) // numbers and constants alone
}

// curve draws one line, broken where there is nothing. A value is from 0 to 1.
func curve(class string, seconds []second, value func(second) (float64, bool)) string {
	var b strings.Builder
	pen := "M"
	for x, s := range seconds {
		v, ok := value(s)
		if !ok {
			pen = "M"
			continue
		}
		fmt.Fprintf(&b, "%s%d %.1f", pen, x, chartHeight-1-min(1, max(0, v))*(chartHeight-2))
		pen = "L"
	}
	return fmt.Sprintf(`<path class="%s" d="%s"/>`, class, b.String())
}
