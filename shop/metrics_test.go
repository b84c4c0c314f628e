package main

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

func TestTheMetricsAreWhatWasMeasured(t *testing.T) {
	var h histogram
	if got := h.quantile(.5); got != 0 {
		t.Errorf("of nothing: got %v", got)
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]time.Duration{.5: 500 * time.Millisecond, .99: 990 * time.Millisecond} {
		if got := h.quantile(q); got < want*9/10 || got > want*11/10 {
			t.Errorf("the quantile %v is %v, want %v to a tenth", q, got, want)
		}
	}
	for _, d := range []time.Duration{0, -1, time.Hour} {
		h.add(d)
	}
	m, now := &metrics{}, time.Now()
	m.add(sample{source: session.FromBackup, status: 200, began: now.Add(-time.Second)})
	m.add(sample{source: session.FromStore, status: 503, began: now.Add(-time.Second)})
	m.add(sample{source: session.FromStore, status: 200, began: now.Add(-2 * reach * time.Second)})
	m.see(now.Add(-time.Second), away)
	m.see(now.Add(-time.Second), serving)
	l := m.last(now, reach)
	if s := l[reach-1]; len(l) != reach || s.requests != 2 || s.backed != 1 || s.stored != 1 || s.failed != 1 || s.store != away {
		t.Errorf("got %+v in the last second", s)
	}
	if s := m.last(now.Add(reach*time.Second), reach)[reach-1]; s.requests != 0 || s.store != unseen {
		t.Errorf("three minutes later: got %+v", s)
	}
}

func TestChartsOfNothingAndOfMuch(t *testing.T) {
	seconds := make([]second, reach)
	for _, svg := range []string{string(drawLanes(seconds[:laneSeconds])), string(drawCharts(seconds).Rate), string(drawCharts(seconds).Latency), string(drawCharts(seconds).Backed)} {
		if strings.Contains(svg, "NaN") || !strings.HasPrefix(svg, "<svg ") || strings.Contains(svg, "style=") {
			t.Errorf("got %s", svg)
		}
	}
	if f := newFigures(seconds); f.Rate != "0" || f.P50 != "–" || f.Backed != "–" {
		t.Errorf("got %+v", f)
	}
	for i := range seconds {
		seconds[i] = second{requests: 4321, backed: 1000, stored: 3000, store: away}
		seconds[i].took.add(2 * time.Millisecond)
	}
	if f := newFigures(seconds); f.Rate != "4321" || f.MostRate != "5000" || f.P50 != "2.0 ms" && f.P50 != "2.1 ms" || f.Backed != "25 %" {
		t.Errorf("got %+v", f)
	}
	if n := strings.Count(string(drawCharts(seconds).Rate), `class="outage"`); n != reach {
		t.Errorf("%d seconds are shaded, want %d", n, reach)
	}
}
