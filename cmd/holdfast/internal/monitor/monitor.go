// Package monitor observes a store and, together with other monitors, gives a fleet its
// orders: observe.go probes the shards and asks the instances, decide.go votes and
// decides, store.go probes as visitors would. Package verdict has the rules.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/session/cmd/holdfast/internal/coordinator"
	"github.com/holdfast-go/session/cmd/holdfast/internal/verdict"
)

// Options are what a monitor needs. All fields but Instances are set.
type Options struct {
	Name      string // of this observer, another than any other's
	Observers int    // how many are configured
	Rules     verdict.Rules
	Every     time.Duration // between two probes

	Coordinator coordinator.Coordinator
	Order       string // the name of the order; the votes stand beside it

	// Shards are the shards of the store by name, and Probe asks one of them what
	// visitors would ask. It may be called for several at once.
	Shards []string
	Probe  func(ctx context.Context, shard string) error

	// Instances are the URLs at which instances show the state of their shards:
	// session.Stats as JSON, or the shop's /status. Where most of them are served, this
	// observer is the one that is cut off.
	Instances []string

	Log *slog.Logger
}

// Monitor observes, votes and decides until Run's context ends.
type Monitor struct {
	o Options

	mu    sync.Mutex // guards all below
	votes map[string]verdict.Vote
}

// New returns a Monitor that does nothing before Run.
func New(o Options) (*Monitor, error) {
	badName := o.Name == "" || strings.ContainsAny(o.Name, "/ ")
	switch {
	case badName:
		return nil, fmt.Errorf("monitor: the name %q; write one without slashes and blanks", o.Name)
	case o.Observers < 1:
		return nil, fmt.Errorf("monitor: %d observers; count all that are configured, this one too", o.Observers)
	case len(o.Shards) == 0:
		return nil, errors.New("monitor: the store has no shard")
	case o.Every <= 0:
		return nil, fmt.Errorf("monitor: a probe every %v; write a second, or less", o.Every)
	}
	return &Monitor{o: o, votes: map[string]verdict.Vote{}}, nil
}

// Run works until ctx ends. Its last ballot stays in place, and other monitors ignore it a
// few seconds later; an order that it renewed ends within a minute.
func (m *Monitor) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { m.observe(ctx) })
	wg.Go(func() { m.decide(ctx) })
	wg.Wait()
}

// ticks calls do every d until ctx ends, and one at a time.
func ticks(ctx context.Context, d time.Duration, do func()) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}
