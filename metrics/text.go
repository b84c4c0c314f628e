package metrics

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// text is a page in Prometheus's text format, version 0.0.4.
type text struct{ bytes.Buffer }

// label is a name and a value that tell one sample of a metric from another.
type label struct{ name, value string }

// about begins a metric.
func (t *text) about(name, kind, help string) {
	t.WriteString("# HELP " + name + " " + escapeHelp.Replace(help) + "\n# TYPE " + name + " " + kind + "\n")
}

// sample adds a value of the metric that about has begun.
func (t *text) sample(name string, value float64, labels ...label) {
	t.WriteString(name)
	for i, l := range labels {
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		t.WriteByte(separator)
		t.WriteString(l.name + `="` + escapeLabel.Replace(strings.ToValidUTF8(l.value, "\uFFFD")) + `"`)
	}
	if len(labels) > 0 {
		t.WriteByte('}')
	}
	t.WriteByte(' ')
	t.Write(strconv.AppendFloat(t.AvailableBuffer(), value, 'g', -1, 64))
	t.WriteByte('\n')
}

// counter adds a metric of one value that only grows.
func (t *text) counter(name, help string, value uint64) {
	t.about(name, "counter", help)
	t.sample(name, float64(value))
}

// gauge adds a metric of one value that goes up and down.
func (t *text) gauge(name, help string, value float64) {
	t.about(name, "gauge", help)
	t.sample(name, value)
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds returns how long ago something was, and zero for what has never been.
func seconds(since, now time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return max(0, now.Sub(since).Seconds())
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)
