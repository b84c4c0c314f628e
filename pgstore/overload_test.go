package pgstore_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
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

var overloadFor = flag.Duration("overload", 50*time.Millisecond, "how long a turn of an overload lasts; from a second on the share that is answered decides")

const (
	crowd   = 500 // sessions that are asked for
	callers = 20  // at once, where the store is at its best: twice its connections
)

// desk is a store that more callers come to than it can serve. Each leaves after its
// budget; every fifth saves.
type desk struct {
	t      *testing.T
	store  *pgstore.Store
	pool   *pgxpool.Pool
	budget time.Duration // of a call
	calls  atomic.Int64
}

func newDesk(t *testing.T, url string, budget time.Duration, all ...pgstore.Option) *desk {
	t.Helper()
	d := &desk{t: t, pool: newPool(t, url), budget: budget}
	d.store = newStore(t, d.pool, append(all, pgstore.CleanEvery(0))...)
	return d
}

func visitor(n int) session.ID { return session.ID(fmt.Sprintf("%032x", n%crowd)) }

func visit() session.Record {
	return session.Record{Data: make([]byte, 2000), Expires: time.Now().Add(time.Hour)}
}

// call reports whether a caller had its answer in time.
func (d *desk) call() bool {
	n := int(d.calls.Add(1))
	ctx, cancel := context.WithTimeout(d.t.Context(), d.budget)
	defer cancel()
	if n%5 == 0 {
		_, err := d.store.Save(ctx, visitor(n), visit(), session.Any)
		return err == nil
	}
	r, err := d.store.Load(ctx, visitor(n))
	return err == nil && len(r.Data) == 2000
}

// best returns how many calls a second are answered where each caller waits for its answer
// and then comes again.
func (d *desk) best() float64 {
	var answered atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range callers {
		all.Go(func() {
			for time.Since(began) < *overloadFor {
				if d.call() {
					answered.Add(1)
				}
			}
		})
	}
	all.Wait()
	return float64(answered.Load()) / time.Since(began).Seconds()
}

// under returns how many calls a second are answered where so many come, whether those of
// before were answered or not.
func (d *desk) under(perSecond float64) float64 {
	var answered atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for came, isOver := 0, false; !isOver; time.Sleep(time.Millisecond) {
		passed := time.Since(began)
		isOver = passed >= *overloadFor
		for ; float64(came) < perSecond*min(passed, *overloadFor).Seconds(); came++ {
			all.Go(func() {
				if d.call() {
					answered.Add(1)
				}
			})
		}
	}
	all.Wait()
	return float64(answered.Load()) / time.Since(began).Seconds()
}

// What is answered in time where twice and four times as many callers come as can be
// served, beside what is answered where each waits for its turn. Turns alternate, and each
// round has ratios of its own. A synctest in package background decides what is answered;
// this test decides that no connection is lost, and with -overload=1s that the median of
// the ratios is 95 % at least.
func TestAnsweredUnderOverload(t *testing.T) {
	server := postgrestest.Start(t)
	pool := newPool(t, server.URL())
	table := emptyTable(t, pool)
	near := newStore(t, pool, table)
	for i := range crowd {
		mustSave(t, near, visitor(i), visit(), session.Any)
	}
	for _, test := range []struct{ answer, budget time.Duration }{
		{5 * time.Millisecond, 50 * time.Millisecond},   // of a load, with a backup
		{20 * time.Millisecond, 250 * time.Millisecond}, // and without
	} {
		t.Run(fmt.Sprintf("answers of %v, callers of %v", test.answer, test.budget), func(t *testing.T) {
			slow := func(b []byte) []byte { time.Sleep(test.answer); return b }
			url := server.URLAt(relay.Relay{Down: slow}.Start(t, server.Addr()))
			d, direct := newDesk(t, url, test.budget, table), newDesk(t, url, test.budget, table, pgstore.Direct())
			d.best() // makes the connections
			var best, twice, four, without []float64
			for range timeleft.Each(t, "rounds", 7) {
				n := d.best()
				best = append(best, n)
				twice = append(twice, d.under(2*n)/n)
				four = append(four, d.under(4*n)/n)
				without = append(without, direct.under(4*n)/n)
			}
			t.Logf("at its best %.0f answered a second; of that %.0f %% with twice as many callers, %.0f %% with four times as many, and %.0f %% without background; all: %.2f, %.2f, %.2f",
				median(best), 100*median(twice), 100*median(four), 100*median(without), twice, four, without)
			made, most := d.pool.Stat().NewConnsCount(), int64(d.pool.Config().MaxConns)
			t.Logf("%d connections made, and %d without background", made, direct.pool.Stat().NewConnsCount())
			if made > most {
				t.Errorf("got %d connections made, want at most %d", made, most)
			}
			least := min(median(twice), median(four))
			isEnough := least >= 0.95 // and a number
			if *overloadFor >= time.Second && !isEnough {
				t.Errorf("%.1f %% are answered, want 95", 100*least)
			}
		})
	}
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
