package otelmetrics_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/metrics"
	"github.com/holdfast-go/session/otelmetrics"
	"github.com/holdfast-go/session/seal"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

var cart = session.NewKey[string]("cart")

// site is a Manager whose metrics go to a reader, on a store that fails on request.
type site struct {
	*testing.T
	store    *storetest.Faulty
	figures  metrics.Metrics
	sessions *session.Manager
	visitor  *sessiontest.Visitor
	reader   *metric.ManualReader
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, store: storetest.NewFaulty(memstore.New(nil)), reader: metric.NewManualReader()}
	meter := metric.NewMeterProvider(metric.WithReader(s.reader)).Meter("test")
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	store, err := otelmetrics.Store(s.store, meter, "memory")
	if err != nil {
		t.Fatal(err)
	}
	s.sessions, err = session.New(store, &session.Options{
		Cookie: session.Cookie{Insecure: true}, Hooks: s.figures.Hooks(session.Hooks{}),
		Backup: &session.Backup{Keys: keys, Audience: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		late, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.sessions.Close(late)
	})
	registration, err := otelmetrics.Register(meter, &s.figures, s.sessions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registration.Unregister() })
	s.visitor = sessiontest.NewVisitor(t, s.sessions, func(x *session.Session) { cart.Set(x, "bread") })
	return s
}

// visit is a request that changes the session.
func (s *site) visit() {
	s.visitor.Do(s.sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		cart.Set(x, time.Now().String())
	})), s.visitor.Request(http.MethodPost, "/", nil))
}

// collect returns the metrics by their names.
func (s *site) collect() map[string]metricdata.Metrics {
	s.Helper()
	var all metricdata.ResourceMetrics
	if err := s.reader.Collect(s.Context(), &all); err != nil {
		s.Fatal(err)
	}
	found := map[string]metricdata.Metrics{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			found[m.Name] = m
		}
	}
	return found
}

// points returns the values of a counter or a gauge, by their labels.
func points(t *testing.T, m metricdata.Metrics) map[string]float64 {
	t.Helper()
	var all []metricdata.DataPoint[float64]
	switch d := m.Data.(type) {
	case metricdata.Sum[float64]:
		all = d.DataPoints
		if !d.IsMonotonic || d.Temporality != metricdata.CumulativeTemporality {
			t.Errorf("%s is no counter", m.Name)
		}
	case metricdata.Gauge[float64]:
		all = d.DataPoints
	default:
		t.Fatalf("%s is a %T", m.Name, m.Data)
	}
	values := map[string]float64{}
	for _, p := range all {
		values[p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Value
	}
	return values
}

// What OpenTelemetry gets is what stands on the page for Prometheus: the same figures, kinds,
// units, labels and values, in an outage too.
func TestTheFiguresAreThoseOfThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.visit()
		s.store.Fail(errors.New("refused"))
		s.visit()
		time.Sleep(time.Minute)
		synctest.Wait()
		got := s.collect()
		delete(got, otelmetrics.Duration)
		for _, f := range s.figures.Figures(s.sessions) {
			if f.Kind == metrics.Histogram {
				continue
			}
			m, found := got[otelmetrics.Name(f)]
			delete(got, otelmetrics.Name(f))
			want := map[string]float64{}
			for _, x := range f.Samples {
				var all []attribute.KeyValue
				for _, l := range x.Labels {
					all = append(all, attribute.String(l.Name, l.Value))
				}
				set := attribute.NewSet(all...)
				want[set.Encoded(attribute.DefaultEncoder())] = x.Value
			}
			if !found {
				if len(want) > 0 {
					t.Errorf("there is no %s", otelmetrics.Name(f))
				}
				continue
			}
			if values := points(t, m); !maps.Equal(values, want) {
				t.Errorf("%s is %v, want %v", m.Name, values, want)
			}
			if unit := f.Unit(); m.Unit != unit && unit != "" || m.Description != f.Help {
				t.Errorf("%s has the unit %q and says %q", m.Name, m.Unit, m.Description)
			}
			if _, counts := m.Data.(metricdata.Sum[float64]); counts != (f.Kind == metrics.Counter) {
				t.Errorf("%s is a %T, want a %s", m.Name, m.Data, f.Kind)
			}
		}
		for name := range got {
			t.Errorf("%s is not on the page", name)
		}
	})
}

// Each name on the page has its instrument, and none was written down by hand.
func TestNoNameOfThePageIsLeftOut(t *testing.T) {
	s := newSite(t)
	s.visit()
	w := httptest.NewRecorder()
	s.figures.Handler(s.sessions).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	found := s.collect()
	names := regexp.MustCompile(`(?m)^# TYPE (session_\S+) `).FindAllStringSubmatch(w.Body.String(), -1)
	if len(names) < 40 {
		t.Errorf("the page has %d figures", len(names))
	}
	for _, name := range names {
		if _, ok := found["session."+strings.TrimSuffix(strings.TrimPrefix(name[1], "session_"), "_total")]; !ok {
			t.Errorf("%s has no instrument", name[1])
		}
	}
}

func TestTheCallsOfTheStoreAreRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		time.Sleep(10 * time.Second)
		s.store.Delay(7 * time.Millisecond)
		s.visit()
		s.store.Heal()
		s.store.Fail(errors.New("refused"))
		s.visit()
		m := s.collect()[otelmetrics.Duration]
		h, ok := m.Data.(metricdata.Histogram[float64])
		if !ok || m.Unit != "s" {
			t.Fatalf("got %T in %q, want a histogram in s", m.Data, m.Unit)
		}
		kinds := map[string]uint64{}
		slow := uint64(0)
		for _, p := range h.DataPoints {
			kinds[p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Count
			if !slices.Equal(p.Bounds, []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10}) {
				t.Errorf("the bounds are %v, want those of the semantic conventions", p.Bounds)
			}
			if _, failed := p.Attributes.Value("error.type"); !failed {
				slow += p.BucketCounts[2] // 5 to 10 ms
			}
		}
		if slow < 2 {
			t.Errorf("%d calls took 7 ms, want a load and a save at least", slow)
		}
		for _, want := range []string{
			"db.operation.name=load,db.system.name=memory", "db.operation.name=save,db.system.name=memory",
			"db.operation.name=load,db.system.name=memory,error.type=_OTHER", "db.operation.name=probe,db.system.name=memory",
		} {
			if kinds[want] == 0 {
				t.Errorf("no call is %q: %v", want, kinds)
			}
		}
	})
}

func TestARecordedStoreIsWhatItWas(t *testing.T) {
	store, err := otelmetrics.Store(memstore.New(nil), noop.Meter{}, "memory")
	if err != nil {
		t.Fatal(err)
	}
	_, lists := store.(session.Lister)
	_, local := store.(session.Local)
	_, probes := store.(session.Prober)
	if !lists || !local || probes {
		t.Errorf("a memstore became a %T", store)
	}
}

func TestWhatIsMissingIsAnError(t *testing.T) {
	m, err := session.New(memstore.New(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := otelmetrics.Register(nil, new(metrics.Metrics), m); err == nil {
		t.Error("no meter: no error")
	}
	if _, err := otelmetrics.Register(noop.Meter{}, nil, m); err == nil {
		t.Error("no metrics: no error")
	}
	if _, err := otelmetrics.Register(noop.Meter{}, new(metrics.Metrics), nil); err == nil {
		t.Error("no manager: no error")
	}
	if _, err := otelmetrics.Store(nil, noop.Meter{}, "redis"); err == nil {
		t.Error("no store: no error")
	}
}
