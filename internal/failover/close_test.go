package failover_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// An operator's order holds at once, and ends as any outage does.
func TestAnOperatorsOrder(t *testing.T) {
	story(t, "the backup only", func(w *world) {
		w.hint(w.copyOf("before", w.live("x", "1")))
		time.Sleep(time.Second)
		w.stored("before", "x", "1")
		w.Order(circuit.BackupOnly)
		if _, err := w.Shards.AllowLoad(context.Background(), "a", false); !errors.Is(err, failure.ErrNotAsked) {
			w.Errorf("the store is asked: %v", err)
		}
		w.wantHeard("down : session: by order of the operator")
		w.hint(w.copyOf("a", w.live("x", "1")))
		time.Sleep(10 * time.Second)
		w.wantNothing("a")
		w.Order(circuit.Auto)
		time.Sleep(5 * time.Second)
		w.stored("a", "x", "1")
		if st := w.Shards.Stats().Shards[0]; st.State != failover.Serving {
			w.Errorf("it is %v", st)
		}
	})
	story(t, "the store only, which refuses saves", func(w *world) {
		w.Store.PlanFor(instance.Saves, instance.Fate{Err: errors.New("out of memory")})
		time.Sleep(10 * time.Second)
		if w.Shards.TakesSaves("a") {
			w.Error("it is sent saves")
		}
		w.Order(circuit.StoreOnly)
		if _, err := w.Shards.AllowSave(context.Background(), "a"); err != nil {
			w.Errorf("the store is not asked: %v", err)
		}
		w.Store.Plan(nil)
		w.heard()
	})
	story(t, "the store only", func(w *world) {
		end := w.outage()
		defer end()
		w.Order(circuit.StoreOnly)
		if _, err := w.Shards.AllowLoad(context.Background(), "a", true); err != nil {
			w.Errorf("the store is not asked: %v", err)
		}
	})
}

// A shard that has no sessions any more, because the store's layout has changed, hands
// on what it lacked.
func TestALayoutThatChanges(t *testing.T) {
	var moved atomic.Bool
	storyOf(t, "the shard is dropped", true, func(i *instance.Instance) {
		moved.Store(false)
		i.Store.ShardOf = func(string) string {
			if moved.Load() {
				return "new"
			}
			return "old"
		}
	}, func(w *world) {
		end := w.outage()
		w.hint(w.copyOf("a", w.live("x", "1")))
		w.entomb(journal.Owed("gone", w.death(state.Destroyed)))
		moved.Store(true)
		end()
		time.Sleep(20 * time.Second)
		st := w.Shards.Stats()
		if len(st.Shards) != 1 || st.Shards[0].Name != "new" || st.Failing {
			w.Errorf("the shards are %+v", st)
		}
		w.stored("a", "x", "1")
		w.wantDead("gone", state.Destroyed)
		w.wantOwed(0, 0)
	})
	storyOf(t, "and those that have its sessions get to work at once", true, func(i *instance.Instance) {
		moved.Store(false)
		i.Store.ShardOf = func(id string) string {
			if moved.Load() || strings.HasSuffix(id, "0") {
				return "new"
			}
			return "old"
		}
	}, func(w *world) {
		w.refuse("a", errors.New("out of memory"))
		w.hint(w.copyOf("a", w.live("x", "1"))) // tried again after 50, 150, 350 and 750 ms
		time.Sleep(400 * time.Millisecond)
		moved.Store(true)
		w.Store.Plan(nil)
		time.Sleep(400 * time.Millisecond)
		w.stored("a", "x", "1")
	})
}

// Close makes a last attempt to deliver, and says what is left.
func TestCloseDelivers(t *testing.T) {
	story(t, "what it can", func(w *world) {
		end := w.outage()
		w.hint(w.copyOf("a", w.live("x", "1")))
		w.entomb(journal.Owed("gone", w.death(state.Destroyed)))
		end()
		if err := w.Shards.Close(context.Background()); err != nil {
			w.Error(err)
		}
		w.stored("a", "x", "1")
		w.wantDead("gone", state.Destroyed)
		w.Shards.Of("a") // which starts nothing any more
	})
	story(t, "and says what it cannot", func(w *world) {
		w.outage()
		w.hint(w.copyOf("a", w.live("x", "1")))
		w.entomb(journal.Owed("gone", w.death(state.Destroyed)))
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		err := w.Shards.Close(ctx)
		if err == nil || !strings.Contains(err.Error(), "1 sessions and 1 tombstones") {
			w.Errorf("it came to %v", err)
		}
	})
	story(t, "as soon as it can", func(w *world) {
		end := w.outage()
		w.hint(w.copyOf("a", w.live("x", "1")))
		time.AfterFunc(5*time.Second, end)
		began := time.Now()
		if err := w.Shards.Close(context.Background()); err != nil {
			w.Error(err)
		}
		if took := time.Since(began); took > 6*time.Second {
			w.Errorf("it took %v", took)
		}
	})
}

// The records that probes keep are the library's own.
func TestProbesKeepToTheirOwnRecords(t *testing.T) {
	story(t, "a minute of them", func(w *world) {
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if !recordid.Reserved(c.ID) {
				w.Errorf("%s was asked for", c.ID)
			}
			return instance.Fate{}
		})
		time.Sleep(time.Minute)
	})
}
