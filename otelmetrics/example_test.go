package otelmetrics_test

import (
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/metrics"
	"github.com/holdfast-go/session/otelmetrics"
)

func Example() {
	meter := otel.Meter("github.com/holdfast-go/session")
	store, err := otelmetrics.Store(memstore.New(nil), meter, "memory")
	if err != nil {
		panic(err)
	}
	var figures metrics.Metrics
	sessions, err := session.New(store, &session.Options{Hooks: figures.Hooks(session.LogHooks(slog.Default()))})
	if err != nil {
		panic(err)
	}
	registration, err := otelmetrics.Register(meter, &figures, sessions)
	if err != nil {
		panic(err)
	}
	defer func() { _ = registration.Unregister() }()
}

// A dashboard for the application asks for the instruments by their names.
func ExampleName() {
	var figures metrics.Metrics
	sessions, err := session.New(memstore.New(nil), &session.Options{Hooks: figures.Hooks(session.Hooks{})})
	if err != nil {
		panic(err)
	}
	for _, f := range figures.Figures(sessions) {
		if f.Name == "session_logins_total" {
			fmt.Println(otelmetrics.Name(f))
		}
	}
	fmt.Println(otelmetrics.Duration)
	// Output:
	// session.logins
	// db.client.operation.duration
}
