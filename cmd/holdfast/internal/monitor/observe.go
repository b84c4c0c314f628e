package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/cmd/holdfast/internal/verdict"
)

// mostStatus is how much of an instance's answer is read.
const mostStatus = 1 << 20

// observe probes all shards at every tick and keeps the votes.
func (m *Monitor) observe(ctx context.Context) {
	observers := map[string]*verdict.Observer{}
	for _, shard := range m.o.Shards {
		observers[shard] = &verdict.Observer{Every: m.o.Every}
	}
	client := &http.Client{Timeout: m.o.Every / 2}
	defer client.CloseIdleConnections()
	ticks(ctx, m.o.Every, func() {
		var wg sync.WaitGroup
		failures := make([]error, len(m.o.Shards))
		for i, shard := range m.o.Shards {
			wg.Go(func() { failures[i] = m.o.Probe(ctx, shard) })
		}
		var reports []report
		wg.Go(func() { reports = m.ask(ctx, client) })
		wg.Wait()
		for i, shard := range m.o.Shards {
			p := verdict.Probed{At: time.Now(), Failed: failures[i] != nil}
			for _, r := range reports {
				serving, says := r[shard]
				if says {
					p.Asked++
				}
				if serving {
					p.Serving++
				}
			}
			m.vote(ctx, shard, observers[shard].See(p), failures[i])
		}
	})
}

// vote notes a vote for the next ballot.
func (m *Monitor) vote(ctx context.Context, shard string, v verdict.Vote, why error) {
	m.mu.Lock()
	before := m.votes[shard]
	m.votes[shard] = v
	m.mu.Unlock()
	if before != v {
		m.o.Log.InfoContext(ctx, "this observer votes", "shard", shard, "vote", string(v), "probe", why)
	}
}

// report is whether an instance is served, by shard. A shard that the instance leaves
// alone by an order is not in it.
type report map[string]bool

// ask returns the reports of the instances that answer.
func (m *Monitor) ask(ctx context.Context, client *http.Client) []report {
	var mu sync.Mutex
	var all []report
	var wg sync.WaitGroup
	for _, url := range m.o.Instances {
		wg.Go(func() {
			r, err := fetch(ctx, client, url)
			if err != nil {
				return // an instance that cannot be asked says nothing
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, r)
		})
	}
	wg.Wait()
	return all
}

func fetch(ctx context.Context, client *http.Client, url string) (report, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("monitor: %s answers %s", url, answer.Status)
	}
	var status struct {
		Shards []struct {
			Name  string
			State session.ShardState
			Cause session.Cause
		}
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, mostStatus)).Decode(&status); err != nil {
		return nil, err
	}
	said := report{}
	for _, s := range status.Shards {
		if s.Cause != session.CauseOverride {
			said[s.Name] = s.State == session.Serving
		}
	}
	return said, nil
}
