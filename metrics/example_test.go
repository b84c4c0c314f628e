package metrics_test

import (
	"log/slog"
	"net/http"

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
