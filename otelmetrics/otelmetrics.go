// Package otelmetrics sends what a session.Manager has seen as metrics of OpenTelemetry.
//
//	var figures metrics.Metrics // of package metrics, also for its page for Prometheus
//	store, err := otelmetrics.Store(redisstore.New(client), meter, "redis")
//	sessions, err := session.New(store, &session.Options{
//		Hooks: figures.Hooks(session.LogHooks(slog.Default())),
//	})
//	registration, err := otelmetrics.Register(meter, &figures, sessions)
//
// The instruments are the figures of package metrics, observed when the SDK collects them.
// Their names are those of that package without "_total", with a dot behind "session":
// session_journal_lost_total is session.journal_lost. Kind, unit, labels and meaning are the
// same. Calls of the store are the histogram db.client.operation.duration of the semantic
// conventions.
package otelmetrics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/timed"
	"github.com/holdfast-go/session/metrics"
)

// Register makes an instrument of the meter for each figure of x, and has them observed at
// each collection until Unregister of what it returns. It asks the store for nothing.
// The calls that x itself has timed are left out: Store records them one by one.
func Register(meter metric.Meter, x *metrics.Metrics, m *session.Manager) (metric.Registration, error) {
	if meter == nil || x == nil || m == nil {
		return nil, errors.New("otelmetrics: Register: the meter, the metrics or the manager is nil")
	}
	instruments := make(map[string]metric.Float64Observable)
	var all []metric.Observable
	for _, f := range x.Figures(m) {
		i, err := instrumentOf(meter, f)
		if err != nil {
			return nil, fmt.Errorf("otelmetrics: %s: %w", f.Name, err)
		}
		if i != nil {
			instruments[f.Name] = i
			all = append(all, i)
		}
	}
	r, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, f := range x.Figures(m) {
			i, known := instruments[f.Name]
			if !known {
				continue
			}
			for _, s := range f.Samples {
				o.ObserveFloat64(i, s.Value, metric.WithAttributeSet(attributesOf(s.Labels)))
			}
		}
		return nil
	}, all...)
	if err != nil {
		return nil, fmt.Errorf("otelmetrics: %w", err)
	}
	return r, nil
}

// Name returns the name of a figure's instrument.
func Name(f metrics.Figure) string {
	return strings.Replace(strings.TrimSuffix(f.Name, "_total"), "session_", "session.", 1)
}

// instrumentOf returns the instrument of a figure, nil for a histogram.
func instrumentOf(meter metric.Meter, f metrics.Figure) (metric.Float64Observable, error) {
	unit := f.Unit()
	if unit == "" {
		unit = "1"
	}
	switch f.Kind {
	case metrics.Counter:
		return meter.Float64ObservableCounter(Name(f), metric.WithDescription(f.Help), metric.WithUnit(unit))
	case metrics.Gauge:
		return meter.Float64ObservableGauge(Name(f), metric.WithDescription(f.Help), metric.WithUnit(unit))
	case metrics.Histogram:
		return nil, nil
	}
	return nil, fmt.Errorf("kind %q is not known", f.Kind)
}

func attributesOf(labels []metrics.Label) attribute.Set {
	all := make([]attribute.KeyValue, len(labels))
	for i, l := range labels {
		all[i] = attribute.String(l.Name, l.Value)
	}
	return attribute.NewSet(all...)
}

// Duration is the histogram that Store records, and its unit is seconds.
const Duration = "db.client.operation.duration"

// bounds are what the semantic conventions advise for it.
var bounds = []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10}

// Store returns s with the duration of each call recorded, in the histogram
// db.client.operation.duration with the attributes db.system.name, db.operation.name (load,
// save, probe or list) and, where it failed, error.type (conflict, too_large, timeout,
// canceled or _OTHER). The context of the call goes along, for exemplars. The returned store is what s
// is: a [session.Lister], a [session.Prober] and so on. system is db.system.name, as in
// "redis", "memcached" or "postgresql". It is for the Manager.
func Store(s session.Store, meter metric.Meter, system string) (session.Store, error) {
	if s == nil || meter == nil {
		return nil, errors.New("otelmetrics: Store: the store or the meter is nil")
	}
	histogram, err := meter.Float64Histogram(Duration, metric.WithUnit("s"),
		metric.WithDescription("How long the calls of the session store took."),
		metric.WithExplicitBucketBoundaries(slices.Clone(bounds)...))
	if err != nil {
		return nil, fmt.Errorf("otelmetrics: %s: %w", Duration, err)
	}
	var options [timed.Operations][timed.Outcomes][]metric.RecordOption // made once: a call allocates none
	for o := range timed.Operations {
		for outcome := range timed.Outcomes {
			all := []attribute.KeyValue{attribute.String("db.system.name", system), attribute.String("db.operation.name", o.String())}
			if outcome != timed.Answered {
				all = append(all, attribute.String("error.type", outcome.String()))
			}
			options[o][outcome] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(all...))}
		}
	}
	return timed.New(s, func(ctx context.Context, o timed.Operation, outcome timed.Outcome, took time.Duration) {
		histogram.Record(ctx, took.Seconds(), options[o][outcome]...)
	}), nil
}
