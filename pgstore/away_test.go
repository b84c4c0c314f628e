package pgstore_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/pgstore"
)

// What package background is for: without it, callers who leave a server that is slow for
// a moment take their connections along.
func TestCallersWhoLeaveCostConnectionsWithoutTheBackground(t *testing.T) {
	server := postgrestest.Start(t)
	var accepted atomic.Int64
	url := server.URLAt(relay.Relay{Accepted: func() { accepted.Add(1) }}.Start(t, server.Addr()))
	table := emptyTable(t, newPool(t, server.URL()))
	type result struct{ answered, connections int }
	measure := func(all ...pgstore.Option) (r result) {
		s := newStore(t, newPool(t, url), append(all, table, pgstore.CleanEvery(0))...)
		mustSave(t, s, "x", session.Record{Data: make([]byte, 300), Expires: time.Now().Add(time.Hour)}, session.Any)
		load := func(budget time.Duration) int {
			var answered atomic.Int64
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), budget)
					defer cancel()
					if _, err := s.Load(ctx, "x"); err == nil {
						answered.Add(1)
					}
				})
			}
			all.Wait()
			return int(answered.Load())
		}
		for range 3 {
			load(timeleft.Patience)
		}
		before := accepted.Load()
		server.Freeze()
		for range 3 {
			load(50 * time.Millisecond)
		}
		server.Thaw()
		for range 10 {
			r.answered += load(100 * time.Millisecond)
		}
		r.connections = int(accepted.Load() - before)
		return r
	}
	without, with := measure(pgstore.Direct()), measure()
	t.Logf("of 1000 loads after a server was frozen for 150 ms: without background %d answered, %d connections more; with it %d, %d",
		without.answered, without.connections, with.answered, with.connections)
	if without.connections == 0 {
		t.Error("without background no connection was lost: this test shows nothing")
	}
	if with.connections != 0 {
		t.Errorf("with background: got %d connections more, want none", with.connections)
	}
}
