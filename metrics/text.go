package metrics

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
)

// text is a page in Prometheus's text format, version 0.0.4.
type text struct{ bytes.Buffer }

// figure adds a figure, unless it has no samples.
func (t *text) figure(f Figure) {
	if len(f.Samples) == 0 {
		return
	}
	t.WriteString("# HELP " + f.Name + " " + escapeHelp.Replace(f.Help) + "\n# TYPE " + f.Name + " " + string(f.Kind) + "\n")
	for _, s := range f.Samples {
		if s.Calls == nil {
			t.sample(f.Name, s.Value, s.Labels)
			continue
		}
		total := uint64(0)
		for i, n := range s.Calls.Counts {
			total += n
			le := "+Inf"
			if i < len(s.Calls.Bounds) {
				le = strconv.FormatFloat(s.Calls.Bounds[i], 'g', -1, 64)
			}
			t.sample(f.Name+"_bucket", float64(total), append(slices.Clone(s.Labels), Label{"le", le}))
		}
		t.sample(f.Name+"_sum", s.Calls.Sum, s.Labels)
		t.sample(f.Name+"_count", float64(total), s.Labels)
	}
}

// sample adds a value.
func (t *text) sample(name string, value float64, labels []Label) {
	t.WriteString(name)
	for i, l := range labels {
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		t.WriteByte(separator)
		t.WriteString(l.Name + `="` + escapeLabel.Replace(strings.ToValidUTF8(l.Value, "\uFFFD")) + `"`)
	}
	if len(labels) > 0 {
		t.WriteByte('}')
	}
	t.WriteByte(' ')
	t.Write(strconv.AppendFloat(t.AvailableBuffer(), value, 'g', -1, 64))
	t.WriteByte('\n')
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
