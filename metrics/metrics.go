// Package metrics serves the figures of a session.Manager as metrics for Prometheus, and for
// all other readers of its text format.
//
//	var figures metrics.Metrics
//	sessions, err := session.New(store, &session.Options{
//		Hooks: figures.Hooks(session.LogHooks(slog.Default())),
//	})
//	mux.Handle("GET /metrics", figures.Handler(sessions))
//
// Pass the store through [Metrics.Store] to have its calls timed as well. docs/alerts.yaml has
// rules for Prometheus on these figures.
//
// All names begin with "session_", but for db_client_operation_duration_seconds, which is named
// by the semantic conventions of OpenTelemetry. No label holds an ID, a token or a value. The
// figures show how busy a site is and when its store fails, so do not serve them to the public.
package metrics

import (
	"context"
	"net/http"
	"sync"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/chain"
)

// Metrics counts what a Manager's hooks report. The zero Metrics is ready, and any number
// of goroutines may use it. Use one for each Manager.
type Metrics struct {
	failed    counts[session.Operation]
	faults    counts[session.BackupFault]
	badValues counts[string]
	forgot    counts[string]
	outages   counts[string]
	dropped   counts[reason]
	overflows counts[struct{}]
	logins    counts[struct{}]
	revoked   counts[session.Durability]
	plainHTTP counts[struct{}]

	mu     sync.Mutex
	stores []*calls
}

// counts is how often something has happened, of each kind.
type counts[K comparable] struct {
	mu sync.Mutex
	of map[K]uint64
}

func (c *counts[K]) add(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = make(map[K]uint64)
	}
	c.of[k]++
}

func (c *counts[K]) get(k K) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[k]
}

// Hooks returns hooks that count, and then call next's.
func (x *Metrics) Hooks(next session.Hooks) session.Hooks {
	return chain.Hooks(session.Hooks{
		Down:      func(_ context.Context, shard string, _ error) { x.outages.add(shard) },
		Forgot:    func(_ context.Context, shard string) { x.forgot.add(shard) },
		Backup:    func(_ context.Context, _ session.ID, fault session.BackupFault, _ error) { x.faults.add(fault) },
		Overflow:  func(context.Context, session.ID) { x.overflows.add(struct{}{}) },
		Login:     func(context.Context, session.ID, session.ID, string) { x.logins.add(struct{}{}) },
		Revoked:   func(_ context.Context, _ string, d session.Durability) { x.revoked.add(d) },
		PlainHTTP: func(context.Context, string) { x.plainHTTP.add(struct{}{}) },
		Failed:    func(_ context.Context, operation session.Operation, _ session.ID, _ error) { x.failed.add(operation) },
		BadValue:  func(_ context.Context, _ session.ID, err *session.ValueError) { x.badValues.add(err.Key) },
		Dropped:   func(_ context.Context, _ session.ID, err error) { x.dropped.add(reasonOf(err)) },
	}, next)
}

// Handler serves the metrics of a Manager. Figures that only hooks can count are zero
// unless the Manager has the hooks of x. It sends nothing to the store.
func (x *Metrics) Handler(m *session.Manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var t text
		for _, f := range x.Figures(m) {
			t.figure(f)
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = t.WriteTo(w) // the reader has left
	})
}
