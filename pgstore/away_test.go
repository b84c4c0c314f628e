package pgstore_test

import (
	"context"
	"flag"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/internal/test/relay"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5/pgxpool"
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

var overloadFor = flag.Duration("overload", 100*time.Millisecond, "how long each of the overloads lasts; of a second and more there are six instead of two")

// What is answered in time while more callers come than can be served: each answer takes
// 5 ms on its way, so the server and not this machine's processors is what they wait for.
// A synctest in package background decides how many that is; this one measures on the
// real server, and decides that no connection is lost.
func TestAnsweredUnderOverload(t *testing.T) {
	crowds := []int{20, 200}
	if *overloadFor >= time.Second {
		crowds = []int{10, 20, 50, 100, 200, 400}
	}
	server := postgrestest.Start(t)
	slow := func(b []byte) []byte { time.Sleep(5 * time.Millisecond); return b }
	url := server.URLAt(relay.Relay{Down: slow}.Start(t, server.Addr()))
	table := emptyTable(t, newPool(t, server.URL()))
	for _, test := range []struct {
		name    string
		options []pgstore.Option
	}{{"with background", nil}, {"without", []pgstore.Option{pgstore.Direct()}}} {
		best := 0.0
		for _, callers := range crowds {
			pool := newPool(t, url)
			n, connections := answeredPerSecond(t, pool, callers, append(test.options, table)...)
			best = max(best, n)
			t.Logf("%s, %4d callers: %6.0f answered a second, %3.0f %% of the best; %d connections made", test.name, callers, n, 100*n/best, connections)
			if most := int64(pool.Config().MaxConns); test.options == nil && connections > most {
				t.Errorf("%s, %d callers: got %d connections made, want at most %d", test.name, callers, connections, most)
			}
		}
	}
}

func answeredPerSecond(t *testing.T, pool *pgxpool.Pool, callers int, all ...pgstore.Option) (perSecond float64, connections int64) {
	t.Helper()
	s := newStore(t, pool, append(all, pgstore.CleanEvery(0))...)
	v := mustSave(t, s, "x", session.Record{Data: make([]byte, 2000), Expires: time.Now().Add(time.Hour)}, session.Any)
	var answered atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now().Add(time.Second) // with all connections made
	end := begin.Add(*overloadFor)
	for range callers {
		wg.Go(func() {
			for time.Now().Before(end) {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				r, err := s.Load(ctx, "x")
				cancel()
				if err == nil && r.Version == v && time.Now().After(begin) {
					answered.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return float64(answered.Load()) / overloadFor.Seconds(), pool.Stat().NewConnsCount()
}
