package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// mostStats is how much of an instance's answer is read.
const mostStats = 1 << 20

// watch asks the instances how they are.
type watch struct {
	urls   []string
	client *http.Client
}

func newWatch(urls []string) *watch {
	return &watch{urls, &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{}}}
}

func (w *watch) close() { w.client.CloseIdleConnections() }

// fleet is the stats of each instance.
type fleet []session.Stats

// ask asks all instances at once.
func (w *watch) ask(ctx context.Context) (fleet, error) {
	all, errs := make(fleet, len(w.urls)), make([]error, len(w.urls))
	var wg sync.WaitGroup
	for i, url := range w.urls {
		wg.Go(func() { all[i], errs[i] = w.fetch(ctx, url) })
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

func (w *watch) fetch(ctx context.Context, url string) (st session.Stats, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return st, err
	}
	answer, err := w.client.Do(r)
	if err != nil {
		return st, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return st, fmt.Errorf("drill: %s answers %s", url, answer.Status)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, mostStats)).Decode(&st); err != nil {
		return st, fmt.Errorf("drill: %s is not session.Stats as JSON: %w", url, err)
	}
	return st, nil
}

// follows reports whether every instance leaves the shard alone, and no other one; all of them
// where the name is empty.
func (f fleet) follows(shard string) bool {
	for _, st := range f {
		for _, s := range st.Shards {
			want := session.Auto
			if shard == "" || s.Name == shard {
				want = session.BackupOnly
			}
			if s.Mode != want {
				return false
			}
		}
	}
	return true
}

// has returns an error where an instance does not know the shard.
func (f fleet) has(shard string) error {
	for i, st := range f {
		names := make([]string, len(st.Shards))
		for j, s := range st.Shards {
			names[j] = s.Name
		}
		if shard != "" && !slices.Contains(names, shard) {
			return fmt.Errorf("drill: instance %d has no shard %q; it has %q", i+1, shard, names)
		}
	}
	return nil
}

// ready returns why not every instance is served by its store and owes it nothing.
func (f fleet) ready() error {
	for i, st := range f {
		if len(st.Shards) == 0 {
			return fmt.Errorf("drill: instance %d names no shard; a drill needs a backup", i+1)
		}
		for _, shard := range st.Shards {
			if shard.State != session.Serving || shard.Mode != session.Auto {
				return fmt.Errorf("drill: instance %d: shard %s is %v, and its mode %v", i+1, shard.Name, shard.State, shard.Mode)
			}
		}
		if owed := st.Journal.States + st.Journal.Tombstones; owed > 0 {
			return fmt.Errorf("drill: instance %d owes its store %d changes", i+1, owed)
		}
	}
	return nil
}

func (f fleet) sum(of func(session.Stats) uint64) uint64 {
	n := uint64(0)
	for _, st := range f {
		n += of(st)
	}
	return n
}

func (f fleet) lost() uint64 { return f.sum(func(st session.Stats) uint64 { return st.Journal.Lost }) }
