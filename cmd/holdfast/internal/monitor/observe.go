package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
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
	strange := map[string]bool{} // instances that name none of the shards, and were logged
	ticks(ctx, m.o.Every, func() {
		var wg sync.WaitGroup
		failures := make([]error, len(m.o.Shards))
		for i, shard := range m.o.Shards {
			wg.Go(func() { failures[i] = m.o.Probe(ctx, shard) })
		}
		var reports map[string]report
		wg.Go(func() { reports = m.ask(ctx, client) })
		wg.Wait()
		m.compare(ctx, reports, strange)
		for i, shard := range m.o.Shards {
			p := verdict.Probed{At: time.Now(), Failed: failures[i] != nil}
			for _, r := range reports {
				switch r[shard] {
				case served:
					p.Asked++
					p.Serving++
				case away:
					p.Asked++
				default: // it does not know the shard, or leaves it alone by an order
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

// compare logs once for each instance that names none of the probed shards: its answer does
// not keep this monitor from voting.
func (m *Monitor) compare(ctx context.Context, reports map[string]report, told map[string]bool) {
	for url, r := range reports {
		known := slices.ContainsFunc(m.o.Shards, func(shard string) bool { return r[shard] != "" })
		if len(r) > 0 && !known && !told[url] {
			told[url] = true
			m.o.Log.ErrorContext(ctx, "an instance names other shards than this monitor probes; write --store as the instances do",
				"instance", url, "its", slices.Sorted(maps.Keys(r)), "probed", m.o.Shards)
		}
	}
}

// report is how an instance finds its store, by shard.
type report map[string]finding

type finding string

const (
	served  finding = "served"
	away    finding = "away"
	ordered finding = "ordered" // the instance leaves the shard alone by an order
)

// ask returns the reports of the instances that answer, by URL.
func (m *Monitor) ask(ctx context.Context, client *http.Client) map[string]report {
	var mu sync.Mutex
	all := map[string]report{}
	var wg sync.WaitGroup
	for _, url := range m.o.Instances {
		wg.Go(func() {
			r, err := fetch(ctx, client, url)
			if err != nil {
				return // an instance that cannot be asked says nothing
			}
			mu.Lock()
			defer mu.Unlock()
			all[url] = r
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
		switch {
		case s.Cause == session.CauseOverride:
			said[s.Name] = ordered
		case s.State == session.Serving:
			said[s.Name] = served
		default:
			said[s.Name] = away
		}
	}
	return said, nil
}
