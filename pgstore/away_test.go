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
	var accepted, sent atomic.Int64
	url := server.URLAt(relay.Relay{
		Accepted: func() { accepted.Add(1) },
		Up:       func(b []byte) []byte { sent.Add(1); return b },
	}.Start(t, server.Addr()))
	table := emptyTable(t, newPool(t, server.URL()))
	type result struct{ answered, connections int }
	measure := func(all ...pgstore.Option) (r result) {
		s := newStore(t, newPool(t, url), append(all, table, pgstore.CleanEvery(0))...)
		mustSave(t, s, "x", session.Record{Data: make([]byte, 300), Expires: time.Now().Add(time.Hour)}, session.Any)
		// load waits for 100 callers, who leave at their deadlines, or once left is closed.
		load := func(budget time.Duration, left <-chan struct{}) int {
			var answered atomic.Int64
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), budget)
					defer cancel()
					if left != nil {
						go func() { <-left; cancel() }()
					}
					if _, err := s.Load(ctx, "x"); err == nil {
						answered.Add(1)
					}
				})
			}
			all.Wait()
			return int(answered.Load())
		}
		for range 3 {
			load(timeleft.Patience, nil)
		}
		before := accepted.Load()
		server.Freeze()
		// Some have asked before they leave, however busy this machine is.
		asked, left := sent.Load(), make(chan struct{})
		go func() {
			defer close(left)
			for end := time.Now().Add(timeleft.Within(t, timeleft.Patience)); sent.Load() == asked && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(50 * time.Millisecond)
		}()
		load(timeleft.Patience, left)
		for range 2 {
			load(50*time.Millisecond, nil)
		}
		server.Thaw()
		for range 10 {
			r.answered += load(100*time.Millisecond, nil)
		}
		load(timeleft.Patience, nil) // over connections that stand by now
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
