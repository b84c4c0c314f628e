package failover_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// The look at the logs that comes before a restore may say that the session has ended.
func TestASessionThatTheLogsSayHasEndedIsNotPutBack(t *testing.T) {
	for _, made := range []bool{false, true} {
		story(t, "made up: "+strconv.FormatBool(made), func(w *world) {
			at := journal.Stored("a", w.death(state.Destroyed))
			if made { // by the tombstone, somebody made the token up; the copy knows better
				at = journal.Unseen("a", w.death(state.Destroyed))
			}
			w.entomb(at)
			_, err := w.Shards.PrepareRestore(context.Background(), w.copyOf("a", w.live("x", "1")), true)
			if ended := errors.Is(err, failure.ErrEnded); ended == made {
				w.Errorf("it came to %v", err)
			}
		})
	}
}

// Before a session is put back all that it supersedes must be dead.
func TestWhatASessionSupersedesIsDeadBeforeItIsPutBack(t *testing.T) {
	predecessor := func(w *world) state.Superseded {
		return state.Superseded{ID: "old", Dot: w.death(state.Renewed).Dot, Predecessor: true}
	}
	prepare := func(w *world, visitor bool, k ...state.Superseded) (state.Entries, error) {
		return w.Shards.PrepareRestore(context.Background(), w.copyOf("new", w.live("x", "1"), k...), visitor)
	}
	for _, visitor := range []bool{true, false} {
		name := map[bool]string{true: ", for a visitor", false: ", in the background"}[visitor]
		story(t, "its predecessor, which leaves what it held"+name, func(w *world) {
			w.Store.Set("old", w.live("late", "1"))
			more, err := prepare(w, visitor, predecessor(w))
			if err != nil {
				w.Fatal(err)
			}
			w.wantDead("old", state.Renewed)
			if e, ok := more.Find("late"); !ok || string(e.Value) != "1" {
				w.Error("what it held is lost")
			}
			if known, ok := w.Shards.Of("old").Tombstone("old"); !ok || known.Pending {
				w.Errorf("this process knows %+v, %v", known, ok)
			}
		})
		story(t, "and what its predecessor held is not lost with the answer"+name, func(w *world) {
			w.Store.Set("old", w.live("late", "1"))
			if _, err := prepare(w, visitor, predecessor(w)); err != nil {
				w.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			w.stored("new", "late", "1")
			w.stored("new", "x", "1")
			w.wantHeard()
		})
		story(t, "nor where another request of this process has ended it first"+name, func(w *world) {
			w.Store.Set("old", w.live("late", "1"))
			k := predecessor(w)
			if _, err := prepare(w, visitor, k); err != nil {
				w.Fatal(err)
			}
			more, err := prepare(w, visitor, k)
			if _, ok := more.Find("late"); err != nil || !ok {
				w.Errorf("it came to %v, %v", more, err)
			}
		})
		story(t, "its predecessor, of which the store has nothing"+name, func(w *world) {
			if _, err := prepare(w, visitor, predecessor(w)); err != nil {
				w.Fatal(err)
			}
			w.wantDead("old", state.Renewed)
		})
		story(t, "a session before that, which leaves nothing"+name, func(w *world) {
			w.Store.Set("old", w.live("late", "1"))
			k := predecessor(w)
			k.Predecessor = false
			more, err := prepare(w, visitor, k)
			if err != nil || len(more) != 0 {
				w.Errorf("it came to %v, %v", more, err)
			}
			w.wantDead("old", state.Renewed)
		})
		story(t, "a predecessor that is durably dead"+name, func(w *world) {
			w.Store.Set("old", state.State{Death: w.death(state.Destroyed)})
			k := predecessor(w)
			k.Durable = true
			if _, err := prepare(w, visitor, k); err != nil {
				w.Errorf("it came to %v", err)
			}
			w.wantDead("old", state.Destroyed)
		})
		story(t, "and it ends where another writer has ended its predecessor"+name, func(w *world) {
			w.Store.Set("old", state.State{Death: w.death(state.Destroyed)})
			if _, err := prepare(w, visitor, predecessor(w)); !errors.Is(err, failure.ErrEnded) {
				w.Errorf("it came to %v", err)
			}
		})
		story(t, "or this process knows so"+name, func(w *world) {
			w.learns("old", w.death(state.Destroyed))
			w.Store.Calls()
			if _, err := prepare(w, visitor, predecessor(w)); !errors.Is(err, failure.ErrEnded) {
				w.Errorf("it came to %v", err)
			}
			if calls := w.Store.Calls(); len(calls) != 0 {
				w.Errorf("the store was asked %+v", calls)
			}
		})
		story(t, "it waits where its predecessor cannot be read"+name, func(w *world) {
			w.Store.PlanFor(instance.CallsFor("old"), instance.Fate{Err: instance.ErrRefused})
			if _, err := prepare(w, visitor, predecessor(w)); !failure.IsAway(err) {
				w.Errorf("it came to %v", err)
			}
			before := predecessor(w)
			before.Predecessor = false
			if _, err := prepare(w, visitor, before); err != nil {
				w.Errorf("of a session before, which was dead once, it came to %v", err)
			}
		})
		story(t, "what is forgotten everywhere is not looked at"+name, func(w *world) {
			k := predecessor(w)
			time.Sleep(instance.TombstoneLife + time.Millisecond)
			w.Store.Set("old", w.live("x", "1"))
			w.Store.Calls()
			if _, err := prepare(w, visitor, k); err != nil || len(w.Store.Calls()) != 0 {
				w.Errorf("it came to %v", err)
			}
		})
		story(t, "a rotation elsewhere leads to nobody after a login"+name, func(w *world) {
			next := longID("next")
			w.Store.Set("old", state.State{Death: w.rotated("next")})
			w.Store.Set(next, w.live("late", "1"))
			more, err := prepare(w, visitor, predecessor(w))
			if err != nil {
				w.Fatal(err)
			}
			if _, ok := more.Find("late"); !ok {
				w.Error("what the rotation led to held something")
			}
			w.wantDead(next, state.Renewed)
		})
		story(t, "and to somebody after a rotation"+name, func(w *world) {
			next := longID("next")
			w.Store.Set("old", state.State{Death: w.rotated("next")})
			w.Store.Set(next, w.live("late", "1"))
			c := w.copyOf("new", w.live("x", "1"), predecessor(w))
			c.State.Rotated = c.State.Created
			if _, err := w.Shards.PrepareRestore(context.Background(), c, visitor); err != nil {
				w.Fatal(err)
			}
			w.stored(next, "late", "1")
			w.wantDead("old", state.Rotated)
		})
	}
	noRoom := func(i *instance.Instance) { i.Shards.JournalBytes = 1 }
	storyOf(t, "its predecessor, which leaves what it held, where the journal has room for nothing", true, noRoom, func(w *world) {
		w.Store.Set("old", w.live("late", "1"))
		more, err := prepare(w, true, predecessor(w))
		if _, ok := more.Find("late"); err != nil || !ok {
			w.Errorf("it came to %v, %v", more, err)
		}
	})
	storyOf(t, "and what a rotation elsewhere has led to, likewise", true, noRoom, func(w *world) {
		next := longID("next")
		w.Store.Set("old", state.State{Death: w.rotated("next")})
		w.Store.Set(next, w.live("late", "1"))
		more, err := prepare(w, true, predecessor(w))
		if _, ok := more.Find("late"); err != nil || !ok {
			w.Errorf("it came to %v, %v", more, err)
		}
	})
	story(t, "for a visitor who does not wait for a shard that is away", func(w *world) {
		end := w.outage()
		w.Store.Plan(nil)
		_ = end
		if _, err := prepare(w, true, predecessor(w)); !failure.IsAway(err) {
			w.Errorf("it came to %v", err)
		}
	})
	storyOf(t, "unless the simulation takes that away", true, func(i *instance.Instance) { i.Shards.Without = mechanism.Superseded }, func(w *world) {
		w.Store.Set("old", state.State{Death: w.death(state.Destroyed)})
		if _, err := prepare(w, true, predecessor(w)); err != nil {
			w.Error(err)
		}
	})
	story(t, "and keeps what one held whatever comes behind it", func(w *world) {
		w.Store.Set("old", w.live("late", "1"))
		more, err := prepare(w, true, predecessor(w), state.Superseded{ID: "before", Dot: w.death(state.Renewed).Dot})
		if _, ok := more.Find("late"); !ok || err != nil {
			w.Errorf("it came to %v, %v", more, err)
		}
	})
	story(t, "and keeps what another instance writes to it meanwhile", func(w *world) {
		st := w.live("late", "1")
		w.Store.Set("old", st)
		w.overtakeTimes("old", 2, instance.SaveTimeout*9/10, w.write(st, "late", "2"))
		more, err := prepare(w, true, predecessor(w))
		if e, _ := more.Find("late"); err != nil || string(e.Value) != "2" {
			w.Errorf("it came to %s, %v", e.Value, err)
		}
	})
	twoShards := func(i *instance.Instance) {
		i.Store.ShardOf = func(id string) string {
			if id == "old" || recordid.Reserved(id) && strings.HasSuffix(id, "1") {
				return "of the old one"
			}
			return "of the new one"
		}
	}
	storyOf(t, "and a visitor does not wait for the shard of its predecessor", true, twoShards, func(w *world) {
		w.Store.PlanFor(func(c instance.Call) bool { return w.Store.ShardOf(c.ID) == "of the old one" }, instance.Never)
		time.Sleep(20 * time.Second)
		for visitor, calls := range map[bool]int{true: 0, false: 1} {
			w.Store.Calls()
			if _, err := prepare(w, visitor, predecessor(w)); !failure.IsAway(err) {
				w.Errorf("it came to %v", err)
			}
			if got := w.Store.Calls(); len(got) != calls {
				w.Errorf("with a visitor waiting %v the store was asked %+v", visitor, got)
			}
		}
	})
	story(t, "but not for longer than others write to its predecessor", func(w *world) {
		w.Store.Set("old", w.live("late", "1"))
		w.Store.PlanFor(instance.SavesOf("old"), instance.Fate{Takes: 30 * time.Millisecond, Err: failure.ErrConflict})
		began := time.Now()
		if _, err := prepare(w, true, predecessor(w)); err == nil || failure.IsAway(err) || time.Since(began) != 120*time.Millisecond {
			w.Errorf("it came to %v after %v, want an end after four saves", err, time.Since(began))
		}
	})
}

// A shard that has nothing is believed only if it remembers what it should.
func TestAShardThatHasNothingIsAskedWhetherItRemembers(t *testing.T) {
	restore := func(ctx context.Context, w *world) error {
		_, err := w.Shards.PrepareRestore(ctx, w.copyOf("a", w.live("x", "1")), true)
		return err
	}
	story(t, "it does", func(w *world) {
		if err := restore(context.Background(), w); err != nil {
			w.Error(err)
		}
	})
	story(t, "it does not", func(w *world) {
		w.Store.Empty()
		if err := restore(context.Background(), w); !errors.Is(err, failure.ErrForgetful) {
			w.Errorf("it came to %v", err)
		}
		w.wantHeard("forgot ")
		time.Sleep(4900 * time.Millisecond)
		if err := restore(context.Background(), w); !errors.Is(err, failure.ErrForgetful) {
			w.Errorf("after five seconds less it came to %v", err)
		}
		time.Sleep(200 * time.Millisecond)
		if err := restore(context.Background(), w); err != nil {
			w.Errorf("after five seconds it came to %v", err)
		}
	})
	story(t, "it does not, and this process is told late", func(w *world) {
		w.Store.Empty()
		w.Store.PlanFor(instance.CallsFor(members), instance.Fate{Takes: 40 * time.Millisecond})
		if err := restore(context.Background(), w); !failure.IsAway(err) { // the loss is found after the read's budget
			w.Errorf("it came to %v", err)
		}
		time.Sleep(200 * time.Millisecond)
		w.wantHeard()
		w.Store.Plan(nil)
		time.Sleep(900 * time.Millisecond)
		w.wantHeard("forgot ")
		time.Sleep(4700 * time.Millisecond) // five seconds after the loss was found, and less than five after this process was told
		if err := restore(context.Background(), w); !errors.Is(err, failure.ErrForgetful) {
			w.Errorf("less than five seconds after this process was told it came to %v", err)
		}
		time.Sleep(300 * time.Millisecond)
		if err := restore(context.Background(), w); err != nil {
			w.Errorf("after five seconds it came to %v", err)
		}
	})
	story(t, "it does not, which is told once and gets to work at once", func(w *world) {
		w.Shards.Wrote(w.Context(), longID("gone"), w.Clock.Death(state.Destroyed))
		time.Sleep(2 * time.Second)
		for range 2 {
			w.Store.Empty()
			if err := restore(w.Context(), w); !errors.Is(err, failure.ErrForgetful) {
				w.Errorf("it came to %v", err)
			}
			time.Sleep(100 * time.Millisecond) // the next probe is due in 890 ms
			w.wantDead(longID("gone"), state.Destroyed)
			time.Sleep(1900 * time.Millisecond)
		}
		w.wantHeard("forgot ")
	})
	foreign := func(i *instance.Instance) { i.Shards.Foreign = true }
	storyOf(t, "it does not, and another system's tombstones are not ours to write again", true, foreign, func(w *world) {
		w.Shards.Wrote(w.Context(), longID("gone"), w.Clock.Death(state.Destroyed))
		time.Sleep(2 * time.Second)
		w.Store.Empty()
		time.Sleep(3 * time.Second)
		w.wantHeard("forgot ")
		w.wantNothing(longID("gone"))
	})
	story(t, "it does not answer", func(w *world) {
		w.Store.Away(true)
		if err := restore(context.Background(), w); !failure.IsAway(err) {
			w.Errorf("it came to %v", err)
		}
	})
	story(t, "within the time of a read", func(w *world) {
		w.Store.Plan(func(instance.Call) instance.Fate { return instance.Never })
		began := time.Now()
		if err := restore(context.Background(), w); !failure.IsAway(err) {
			w.Errorf("it came to %v", err)
		}
		if took := time.Since(began); took > instance.ReadTimeout {
			w.Errorf("it took %v", took)
		}
	})
	story(t, "but the end of a request says nothing about it", func(w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		w.Store.Away(true)
		if err := restore(ctx, w); failure.IsAway(err) || !errors.Is(err, failure.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			w.Errorf("it came to %v", err)
		}
	})
	story(t, "also for a tombstone of a token that nobody had", func(w *world) {
		w.Store.Empty()
		at := journal.Unseen("made-up", w.Clock.Death(state.Destroyed))
		w.end(&at, [16]byte{15: 0xff, 14: 0xff, 13: 0xff, 0: 0xff}, failover.Pending)
		w.wantOwed(0, 1)
		time.Sleep(10 * time.Second)
		w.wantOwed(0, 0)
	})
}

// Parts that the simulation takes away are missed.
func TestWhatTheSimulationTakesAway(t *testing.T) {
	without := func(name string, part mechanism.Set, do func(w *world)) {
		t.Helper()
		storyOf(t, name, true, func(i *instance.Instance) { i.Shards.Without = part }, do)
	}
	without("states", mechanism.PendingStates, func(w *world) {
		w.hint(w.copyOf("a", w.live("x", "1")))
		w.Shards.Of("a").Keep(context.Background(), w.copyOf("a", w.live("x", "1")))
		if _, ok := w.Shards.Of("a").Copy("a"); ok {
			w.Error("it is known")
		}
	})
	without("hints", mechanism.Hints, func(w *world) {
		w.entomb(journal.Owed("a", w.death(state.Destroyed)))
		w.wantOwed(0, 0)
	})
	without("revocations", mechanism.Revocations, func(w *world) {
		w.learns("a", w.death(state.Destroyed))
		if _, ok := w.Shards.Of("a").Tombstone("a"); ok {
			w.Error("it is known")
		}
	})
	without("logs", mechanism.Logs, func(w *world) {
		other := w.beside()
		ends(w.T, w.Instance, longID("a"))
		ends(w.T, other.Instance, longID("b"))
		for _, when := range []string{"told", "written again"} {
			time.Sleep(3 * time.Second)
			w.knows(longID("b"), 0)
			if log := w.log(""); len(log) > 0 {
				w.Errorf("%s, the log has %q", when, log)
			}
			w.Store.Empty()
		}
	})
	without("logs, which are not waited for", mechanism.Logs, func(w *world) {
		other := w.beside()
		w.Store.PlanFor(func(c instance.Call) bool { return !c.Save && segments(c) }, instance.Fate{Err: errors.New("corrupt")})
		ends(w.T, other.Instance, longID("b"))
		time.Sleep(4 * time.Second)
		if _, err := w.Shards.PrepareRestore(w.Context(), w.copyOf("a", w.live("x", "1")), true); err != nil {
			w.Errorf("it came to %v", err)
		}
	})
	without("quarantine", mechanism.Quarantine, func(w *world) {
		w.Store.Empty()
		time.Sleep(1100 * time.Millisecond)
		if w.Shards.Of("a").Quarantined() {
			w.Error("it is not believed")
		}
		if told := strings.Join(w.heard(), ""); !strings.Contains(told, "forgot") {
			w.Errorf("the hooks were told %q", told)
		}
	})
}
