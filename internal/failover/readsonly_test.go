package failover_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/test/instance"
)

// refuseSaves makes the store answer loads and refuse saves.
func (w *world) refuseSaves() {
	w.Store.PlanFor(instance.Saves, instance.Fate{Err: errors.New("out of memory")})
}

// A tombstone of another instance may be missing from when a probe was sent that saved
// in all ways, and no other probe after it did.
func TestAShardIsUnwritableForALeaseAfterItsLastProbeThatSaved(t *testing.T) {
	story(t, "in all ways", func(w *world) {
		const lease = time.Minute
		var saves int
		var began, last atomic.Int64 // in Unix milliseconds
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if !c.Save {
				return instance.Fate{}
			}
			if saves++; saves%2 == 1 { // a probe saves twice
				began.Store(time.Now().UnixMilli())
			} else {
				last.Store(began.Load())
			}
			return instance.Fate{Takes: 20 * time.Millisecond}
		})
		time.Sleep(5 * time.Second)
		w.refuseSaves()
		time.Sleep(20 * time.Second)
		if w.Shards.TakesSaves("a") || last.Load() == 0 {
			w.Fatalf("it takes saves: %v; the last probe that saved was sent at %d", w.Shards.TakesSaves("a"), last.Load())
		}
		end := time.UnixMilli(last.Load()).Add(lease)
		time.Sleep(time.Until(end) - time.Millisecond)
		if w.Shards.Of("a").UnwritableFor(lease) {
			w.Error("it is unwritable a moment before the lease is over")
		}
		time.Sleep(time.Millisecond)
		if !w.Shards.Of("a").UnwritableFor(lease) {
			w.Error("it is writable when the lease is over")
		}
	})
}

// A shard serves when it is sent saves, and not while its probes only begin to save.
func TestAShardIsOnlyReadFromUntilItIsSentSaves(t *testing.T) {
	story(t, "and since it was not", func(w *world) {
		time.Sleep(5 * time.Second)
		for _, is := range []struct {
			state failover.State
			order func()
		}{
			{failover.ReadsOnly, w.refuseSaves},
			{failover.Serving, func() { w.Store.Plan(nil) }},
		} {
			began := time.Now()
			is.order()
			for range 200 {
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
				st := w.Shards.Stats().Shards[0]
				if takes := w.Shards.TakesSaves("a"); takes != (st.State == failover.Serving) {
					w.Fatalf("it is %v, and takes saves: %v", st.State, takes)
				}
			}
			st := w.Shards.Stats().Shards[0]
			if st.State != is.state || st.Since.Before(began) {
				w.Errorf("it is %v since %v, want %v since after %v", st.State, st.Since, is.state, began)
			}
		}
	})
}

// What comes of the saves of visitors says nothing about loads, nor the other way
// round.
func TestLoadsAndSavesOfVisitorsCountForThemselves(t *testing.T) {
	for name, is := range map[string]struct {
		fails failover.Work
		want  failover.State
	}{
		"saves fail": {failover.Swapping, failover.ReadsOnly},
		"loads fail": {failover.Loading, failover.Away},
	} {
		story(t, name, func(w *world) {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			ctx := context.Background()
			for range 10 {
				c, err := w.Shards.AllowSave(ctx, "a")
				if err != nil {
					break
				}
				c.Failed(ctx, is.fails, instance.ErrRefused)
			}
			if st := w.Shards.Stats().Shards[0]; st.State != is.want {
				w.Errorf("it is %v, want %v", st.State, is.want)
			}
		})
	}
}
