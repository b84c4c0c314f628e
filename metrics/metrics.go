// Package metrics serves what a session.Manager has seen as metrics for Prometheus, and
// for whatever else reads its text format.
//
//	var figures metrics.Metrics
//	sessions, err := session.New(store, &session.Options{
//		Hooks: figures.Hooks(session.LogHooks(slog.Default())),
//	})
//	mux.Handle("GET /metrics", figures.Handler(sessions))
//
// Pass the store through [Metrics.Store] to have its calls timed as well. docs/alerts.yaml
// has rules for Prometheus on these figures.
//
// All names begin with "session_", but for db_client_operation_duration_seconds, which is
// named by the semantic conventions of OpenTelemetry. No label holds an ID, a token or a value. The figures
// tell how busy a site is and when its store fails, so the route is not for everybody.
package metrics

import (
	"context"
	"net/http"
	"sync"

	"github.com/holdfast-go/session"
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
	h := next
	h.Down = func(ctx context.Context, shard string, err error) {
		x.outages.add(shard)
		if next.Down != nil {
			next.Down(ctx, shard, err)
		}
	}
	h.Forgot = func(ctx context.Context, shard string) {
		x.forgot.add(shard)
		if next.Forgot != nil {
			next.Forgot(ctx, shard)
		}
	}
	h.Backup = func(ctx context.Context, id session.ID, fault session.BackupFault, err error) {
		x.faults.add(fault)
		if next.Backup != nil {
			next.Backup(ctx, id, fault, err)
		}
	}
	h.Overflow = func(ctx context.Context, id session.ID) {
		x.overflows.add(struct{}{})
		if next.Overflow != nil {
			next.Overflow(ctx, id)
		}
	}
	h.Login = func(ctx context.Context, id, previous session.ID, user string) {
		x.logins.add(struct{}{})
		if next.Login != nil {
			next.Login(ctx, id, previous, user)
		}
	}
	h.Revoked = func(ctx context.Context, user string, d session.Durability) {
		x.revoked.add(d)
		if next.Revoked != nil {
			next.Revoked(ctx, user, d)
		}
	}
	h.PlainHTTP = func(ctx context.Context, host string) {
		x.plainHTTP.add(struct{}{})
		if next.PlainHTTP != nil {
			next.PlainHTTP(ctx, host)
		}
	}
	h.Failed = func(ctx context.Context, operation session.Operation, id session.ID, err error) {
		x.failed.add(operation)
		if next.Failed != nil {
			next.Failed(ctx, operation, id, err)
		}
	}
	h.BadValue = func(ctx context.Context, id session.ID, err *session.ValueError) {
		x.badValues.add(err.Key)
		if next.BadValue != nil {
			next.BadValue(ctx, id, err)
		}
	}
	h.Dropped = func(ctx context.Context, id session.ID, err error) {
		x.dropped.add(reasonOf(err))
		if next.Dropped != nil {
			next.Dropped(ctx, id, err)
		}
	}
	return h
}

// Handler serves the metrics of a Manager. What only hooks tell is zero unless the Manager
// has the hooks of x. It asks the store for nothing.
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
