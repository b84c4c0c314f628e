package metrics

import (
	"strings"

	"github.com/holdfast-go/session"
)

// Kind is the type of a Figure, in Prometheus's words.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"   // only grows, and begins at zero with the process
	Gauge     Kind = "gauge"     // goes up and down
	Histogram Kind = "histogram" // counts durations by their length
)

// Figure is one metric as it is now, for programs that send metrics elsewhere than to
// Prometheus. Module otelmetrics does so for OpenTelemetry.
type Figure struct {
	Name    string // as on the page of Handler
	Kind    Kind
	Help    string   // a sentence for people
	Samples []Sample // empty where nothing has happened yet, or where the figure is about a backup and there is none
}

// Sample is a value of a Figure. Its labels tell it from the other ones.
type Sample struct {
	Labels []Label
	Value  float64      // of a Counter or a Gauge
	Calls  *Measurement // of a Histogram, else nil
}

// Label is a name and a value.
type Label struct{ Name, Value string }

// Measurement is how long calls took.
type Measurement struct {
	Bounds []float64 // upper bounds, in seconds
	Counts []uint64  // how many calls took longer than the bound before and no longer than this one; the last counts those above all bounds
	Sum    float64   // of all calls, in seconds
}

// Unit returns the unit of the figure's values as OpenTelemetry writes it: "s", "By" for
// bytes, or "" where it is a number of things.
func (f Figure) Unit() string {
	name := strings.TrimSuffix(f.Name, "_total")
	switch {
	case strings.HasSuffix(name, "_seconds"):
		return "s"
	case strings.HasSuffix(name, "_bytes"):
		return "By"
	}
	return ""
}

// Figures returns all figures of a Manager as they are now, in the order of the page, and
// always the same ones. Figures that only hooks can count are zero unless the Manager has the
// hooks of x. It sends nothing to the store.
func (x *Metrics) Figures(m *session.Manager) []Figure {
	var l list
	st := m.Stats()
	l.operations(st, x)
	l.calls(x)
	l.shards(st, x)
	l.order(st.Order)
	l.backup(st, x)
	l.journal(st.Journal, x)
	return l
}

// list is figures that are being collected.
type list []Figure

// add adds a figure.
func (l *list) add(kind Kind, name, help string, samples ...Sample) {
	*l = append(*l, Figure{Name: name, Kind: kind, Help: help, Samples: samples})
}

// counter adds a figure of one value that only grows.
func (l *list) counter(name, help string, value uint64) {
	l.add(Counter, name, help, Sample{Value: float64(value)})
}

// gauge adds a figure of one value that goes up and down.
func (l *list) gauge(name, help string, value float64) {
	l.add(Gauge, name, help, Sample{Value: value})
}

// sample returns a value with its labels, a name and a value by turns.
func sample(value float64, labels ...string) Sample {
	s := Sample{Value: value}
	for i := 0; i < len(labels); i += 2 {
		s.Labels = append(s.Labels, Label{labels[i], labels[i+1]})
	}
	return s
}
