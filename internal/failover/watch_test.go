package failover_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// A shard that fails is away, and back after three good probes.
func TestAShardGoesAwayAndComesBack(t *testing.T) {
	story(t, "and the hooks are told", func(w *world) {
		w.Store.Away(true)
		began := time.Now()
		time.Sleep(5 * time.Second)
		if st := w.Shards.Stats(); !st.Failing || st.Shards[0].State != failover.Away {
			w.Errorf("it is %+v", st)
		}
		time.Sleep(2 * time.Minute)
		w.Store.Away(false)
		time.Sleep(2 * time.Second)
		if _, err := w.Shards.AllowLoad(context.Background(), "x", true); !errors.Is(err, failure.ErrNotAsked) {
			w.Errorf("with a copy it was let through: %v", err)
		}
		if _, err := w.Shards.AllowLoad(context.Background(), "x", false); err != nil {
			w.Errorf("without a copy it was not let through: %v", err)
		}
		time.Sleep(3 * time.Second)
		told := w.heard()
		var short []string
		for _, s := range told {
			if !strings.HasPrefix(s, "failed") {
				short = append(short, strings.Fields(s)[0]+" "+strings.Fields(s)[1])
			}
		}
		if got := strings.Join(short, ", "); got != "down :, still down, still down, up after" {
			w.Errorf("the hooks were told %q", told)
		}
		if st := w.Shards.Stats(); st.Failing || st.Since.Before(began.Add(2*time.Minute)) {
			w.Errorf("it is %+v", st)
		}
	})
	story(t, "and what it lacked has settled then", func(w *world) {
		end := w.outage()
		w.hint(w.copyOf("a", w.live("x", "1")))
		w.refuse("a", errors.New("out of memory"))
		end()
		time.Sleep(10 * time.Second)
		if told := strings.Join(w.heard(), "\n"); !strings.Contains(told, "1 wait") || strings.Contains(told, "settled") {
			w.Errorf("the hooks were told %q", told)
		}
		w.Store.Plan(nil)
		time.Sleep(3 * time.Second)
		w.wantHeard("settled , delivered 1, lost 0")
	})
	story(t, "with its tombstones delivered", func(w *world) {
		end := w.outage()
		w.refuse("gone", errors.New("out of memory"))
		w.entomb(journal.Owed("gone", w.death(state.Destroyed)))
		end()
		time.Sleep(4 * time.Second)
		if st := w.Shards.Stats().Shards[0]; st.State != failover.Returning {
			w.Errorf("it is %v, want returning", st)
		}
		time.Sleep(2 * time.Second)
		if st := w.Shards.Stats().Shards[0]; st.State != failover.Serving {
			w.Errorf("it is %v, want serving, although it has refused the tombstone twenty times", st)
		}
		w.Store.Plan(nil)
		time.Sleep(2 * time.Second)
		w.wantDead("gone", state.Destroyed)
	})
}

// A shard that loads and refuses one kind of save is sent none.
func TestAShardThatRefusesAKindOfSaveIsReadFrom(t *testing.T) {
	for name, refuses := range map[string]func(c instance.Call) bool{
		"creates":          func(c instance.Call) bool { return c.Over == record.Absent },
		"compare-and-sets": func(c instance.Call) bool { return c.Over != record.Absent && c.Over != record.Any },
	} {
		story(t, name, func(w *world) {
			w.Store.PlanFor(func(c instance.Call) bool { return c.Save && refuses(c) }, instance.Fate{Err: errors.New("out of memory")})
			time.Sleep(20 * time.Second)
			if st := w.Shards.Stats().Shards[0]; st.State != failover.ReadsOnly {
				w.Errorf("it is %v, want that it is only read from", st)
			}
			if _, err := w.Shards.AllowLoad(context.Background(), "a", true); err != nil || w.Shards.TakesSaves("a") {
				w.Errorf("a load: %v; it takes saves: %v", err, w.Shards.TakesSaves("a"))
			}
			if _, err := w.Shards.AllowSave(context.Background(), "a"); !errors.Is(err, failure.ErrNotAsked) {
				w.Errorf("a save: %v, want that it is not asked", err)
			}
			w.Store.Plan(nil)
			time.Sleep(5 * time.Second)
			if st := w.Shards.Stats().Shards[0]; st.State != failover.Serving {
				w.Errorf("it is %v, want serving", st)
			}
		})
	}
	story(t, "within half of the time that saves have", func(w *world) {
		end := w.outage()
		w.Store.PlanFor(instance.Saves, instance.Fate{Takes: instance.SaveTimeout * 9 / 10})
		end()
		time.Sleep(20 * time.Second)
		if st := w.Shards.Stats().Shards[0]; st.State != failover.ReadsOnly {
			w.Errorf("it is %v, want that it is only read from", st)
		}
		w.Store.PlanFor(instance.Saves, instance.Fate{Takes: instance.SaveTimeout / 10})
		time.Sleep(5 * time.Second)
		if st := w.Shards.Stats().Shards[0]; st.State != failover.Serving {
			w.Errorf("it is %v, want serving", st)
		}
	})
	story(t, "by the saves of visitors", func(w *world) {
		for n := range 5 {
			if st := w.Shards.Stats().Shards[0]; st.State != failover.Serving {
				w.Fatalf("it is %v after %d saves that failed", st, n)
			}
			for range 3 { // loads that work keep the breaker from tripping
				c, _ := w.Shards.AllowLoad(context.Background(), "a", true)
				c.Answered(context.Background(), failover.Loading)
			}
			_ = w.Shards.Refused(context.Background(), "a", record.Version{1})
		}
		st := w.Shards.Stats().Shards[0]
		if st.State != failover.ReadsOnly || st.Cause != circuit.SavesFailed {
			w.Errorf("it is %v", st)
		}
		if w.Shards.Failures.Load() != 5 {
			w.Errorf("%d failures are counted, want 5", w.Shards.Failures.Load())
		}
	})
	story(t, "but not by five that others came between", func(w *world) {
		for range 10 {
			c, _ := w.Shards.AllowSave(context.Background(), "a")
			_ = w.Shards.Refused(context.Background(), "a", record.Version{1})
			c.Answered(context.Background(), failover.Swapping)
		}
		if st := w.Shards.Stats().Shards[0]; st.State != failover.Serving {
			w.Errorf("it is %v, want serving", st)
		}
	})
}

// Without a backup the hooks are told of a store that fails, and each call is made.
func TestWithoutABackupAStoreThatFailsIsTold(t *testing.T) {
	storyOf(t, "the store", false, nil, func(w *world) {
		ctx := context.Background()
		call := func(fails bool) {
			c, err := w.Shards.AllowLoad(ctx, "a", true)
			if err != nil {
				w.Fatalf("the store is not asked: %v", err)
			}
			if fails {
				c.Failed(ctx, failover.Loading, instance.ErrRefused)
			} else {
				c.Answered(ctx, failover.Loading)
			}
		}
		call(false)
		for range 10 {
			call(true)
		}
		if st := w.Shards.Stats(); !st.Failing || st.Since != time.Now() || len(st.Shards) != 0 {
			w.Errorf("it is %+v", st)
		}
		time.Sleep(time.Minute)
		call(true)
		call(false)
		w.wantHeard("down : connection refused", "still down  for 1m0s: connection refused", "up  after 1m0s, 0 wait")
		if st := w.Shards.Stats(); st.Failing {
			w.Errorf("it is %+v", st)
		}
		for range 10 {
			_ = w.Shards.Refused(ctx, "a", record.Absent)
		}
		if told := strings.Join(w.heard(), "\n"); !strings.Contains(told, "down") {
			w.Errorf("a store that refuses saves is told %q", told)
		}
		if w.Shards.MovePending("a") {
			w.Error("a renewal waits")
		}
		w.Shards.Learn(ctx, "a", w.death(state.Destroyed))
		if err := w.Shards.Close(ctx); err != nil {
			w.Error(err)
		}
	})
}

// A shard that lost its memory gets every tombstone again, and is not believed for
// five seconds.
func TestAShardThatLostItsMemory(t *testing.T) {
	empties := func(name string, adjust func(*instance.Instance), lose func(w *world)) {
		t.Helper()
		storyOf(t, name, true, adjust, func(w *world) {
			death := w.death(state.Destroyed)
			w.Store.Set(longID("gone"), state.State{Death: death})
			w.learns(longID("gone"), death)
			lose(w)
			w.Store.Calls()
			time.Sleep(1100 * time.Millisecond)
			w.wantHeard("forgot ")
			if got := w.wantDead(longID("gone"), state.Destroyed); got != death {
				w.Errorf("the tombstone is %+v, want %+v", got, death)
			}
			if len(w.saved()) != 1 {
				w.Error("the tombstone was not written again")
			}
			shard := w.Shards.Of(longID("gone"))
			if !shard.Quarantined() {
				w.Error("it is believed")
			}
			w.hint(w.copyOf("a", w.live("x", "1")))
			time.Sleep(3500 * time.Millisecond)
			w.wantNothing("a")
			time.Sleep(1500 * time.Millisecond)
			if shard.Quarantined() {
				w.Error("it is not believed after five seconds")
			}
			time.Sleep(time.Second)
			w.stored("a", "x", "1")
			if j := w.Shards.Stats().Journal; j.Delivered != 1 {
				w.Errorf("%d are counted as delivered, want 1: the tombstone had been there", j.Delivered)
			}
		})
	}
	empties("it is empty", nil, func(w *world) { w.Store.Empty() })
	var incarnation atomic.Int32
	empties("it was started again", func(i *instance.Instance) {
		i.Store.Incarnation = func(string) (string, error) { return strconv.Itoa(int(incarnation.Load())), nil }
	}, func(w *world) {
		w.Store.Remove(longID("gone"))
		incarnation.Add(1)
	})
	story(t, "is told to nobody where it is new", func(w *world) {
		w.Store.Empty()
		time.Sleep(2 * time.Second)
		w.wantHeard("forgot ")
		other := &world{T: w.T}
		other.Instance = instance.New(w.T, w.Store, true, func(i *instance.Instance) { i.Shards.Hooks = other.hooks() })
		other.wantHeard()
	})
}
