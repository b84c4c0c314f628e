package metrics_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/metrics"
)

func Example() {
	var figures metrics.Metrics
	sessions, err := session.New(memstore.New(nil), &session.Options{
		Hooks: figures.Hooks(session.LogHooks(slog.Default())),
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", figures.Handler(sessions))
}

// A program that sends metrics elsewhere than to Prometheus asks for the figures themselves.
func ExampleFigure() {
	var figures metrics.Metrics
	sessions, err := session.New(memstore.New(nil), &session.Options{Hooks: figures.Hooks(session.Hooks{})})
	if err != nil {
		panic(err)
	}
	page := sessions.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		s.SetUser("ada")
	})
	page.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/login", nil))
	for _, f := range figures.Figures(sessions) {
		if f.Name != "session_logins_total" {
			continue
		}
		for _, s := range f.Samples {
			fmt.Println(f.Name, f.Kind, s.Labels, s.Value)
		}
	}
	// Output: session_logins_total counter [] 1
}

// How long the calls of a store take, beside what the hooks count.
func ExampleMetrics() {
	var figures metrics.Metrics
	store := figures.Store(memstore.New(nil), "memory")
	sessions, err := session.New(store, &session.Options{Hooks: figures.Hooks(session.Hooks{})})
	if err != nil {
		panic(err)
	}
	page := sessions.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := session.From(r.Context())
		session.NewKey[int]("visits").Set(s, 1)
	})
	page.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
	for _, f := range figures.Figures(sessions) {
		if f.Kind != metrics.Histogram {
			continue
		}
		for _, s := range f.Samples {
			total, slow := uint64(0), uint64(0)
			for i, n := range s.Calls.Counts {
				total += n
				if i == len(s.Calls.Bounds) { // above the last bound
					slow = n
				}
			}
			if total > 0 {
				mean := s.Calls.Sum / float64(total)
				fmt.Println(f.Name, s.Labels[0].Value, s.Labels[1].Value, total, slow, mean > 0)
			}
		}
	}
	// Output: db_client_operation_duration_seconds memory save 1 0 true
}
