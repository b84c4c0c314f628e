package failover_test

import (
	"context"
	"errors"
	"fmt"
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

// end ends a session and what rotations have made of it, and wants no error.
func (w *world) end(t *journal.Tombstone, over record.Version, want failover.Durability) []state.Superseded {
	w.Helper()
	d, ended, err := w.Shards.End(context.Background(), t, over)
	if err != nil || d != want {
		w.Errorf("the end of %s came to %v, %v, want %v", t.ID, d, err, want)
	}
	return ended
}

func (w *world) destroyed(id string) *journal.Tombstone {
	return &journal.Tombstone{ID: id, Death: w.Clock.Death(state.Destroyed)}
}

// An end is a tombstone in the store, or waits for it.
func TestAnEnd(t *testing.T) {
	both := func(name string, do func(w *world)) {
		t.Helper()
		storyOf(t, name+", with a backup", true, nil, do)
		storyOf(t, name+", without one", false, nil, do)
	}
	both("over the version that was read", func(w *world) {
		v := w.Store.Set("a", w.live("x", "1"))
		at := w.destroyed("a")
		death := at.Death
		ended := w.end(at, v, failover.Durable)
		if got := w.wantDead("a", state.Destroyed); got != death || at.Death != death {
			w.Errorf("it is %+v, and was told as %+v, want %+v", got, at.Death, death)
		}
		if calls := w.Store.Calls(); len(calls) != 1 || calls[0].Over != v {
			w.Errorf("the calls are %+v, want one save over the version", calls)
		}
		want := state.Superseded{ID: "a", Dot: death.Dot, Durable: true}
		if w.backup() && (len(ended) != 1 || ended[0] != want) || !w.backup() && ended != nil {
			w.Errorf("it ended %+v, want %+v where copies carry it", ended, want)
		}
	})
	both("over what others have written twice meanwhile, although the store is slow", func(w *world) {
		v := w.Store.Set("a", w.live("x", "1"))
		w.overtakeTimes("a", 2, instance.SaveTimeout*9/10, w.live("x", "2"))
		w.end(w.destroyed("a"), v, failover.Durable)
		w.wantDead("a", state.Destroyed)
	})
	both("over what another writer has written since", func(w *world) {
		v := w.Store.Set("a", w.live("x", "1"))
		w.Store.Set("a", w.live("x", "2"))
		w.end(w.destroyed("a"), v, failover.Durable)
		w.wantDead("a", state.Destroyed)
		calls := w.Store.Calls()
		if len(calls) != 3 || calls[2].Over == record.Any {
			w.Errorf("the calls are %+v, want a save, a load and a save over what was loaded", calls)
		}
	})
	both("over a tombstone whose link it keeps", func(w *world) {
		rotated := w.rotated("next")
		w.Store.Set("a", state.State{Death: rotated})
		w.Store.Set(longID("next"), w.live("x", "1"))
		ended := w.end(w.destroyed("a"), record.Any, failover.Durable)
		if got := w.wantDead("a", state.Destroyed); got.Link != rotated.Link {
			w.Errorf("it is %+v, without the link", got)
		}
		w.wantDead(longID("next"), state.Destroyed)
		if w.backup() && (len(ended) != 2 || ended[1].ID != longID("next") || ended[1].IfLive) {
			w.Errorf("it ended %+v", ended)
		}
	})
	both("beside a later one, which stays", func(w *world) {
		at := w.destroyed("a")
		time.Sleep(time.Second)
		later := w.death(state.Revoked)
		v := w.Store.Set("a", state.State{Death: later})
		w.end(at, record.Any, failover.Durable)
		if _, now := w.Store.Get("a"); now != v || at.Death != later {
			w.Errorf("it was written over, or is told as %+v", at.Death)
		}
	})
	both("of a record that nobody can read", func(w *world) {
		w.Store.SetRaw("a", []byte("not ours"))
		w.end(w.destroyed("a"), record.Any, failover.Durable)
		w.wantDead("a", state.Destroyed)
		w.Store.SetRaw("b", []byte("not ours"))
		live := journal.IfLive("b", w.Clock.Death(state.Revoked))
		w.end(&live, record.Any, failover.Durable)
		w.wantDead("b", state.Revoked)
	})
	both("that is not to change another writer's", func(w *world) {
		death := w.death(state.Destroyed)
		w.Store.Set("a", state.State{Death: death})
		time.Sleep(time.Second)
		at := journal.IfLive("a", w.Clock.Death(state.Revoked))
		w.end(&at, record.Any, failover.Durable)
		if w.wantDead("a", state.Destroyed) != death || at.Death != death {
			w.Errorf("it is told as %+v", at.Death)
		}
		live := journal.IfLive("b", w.Clock.Death(state.Revoked))
		w.Store.Set("b", w.live("x", "1"))
		w.end(&live, record.Any, failover.Durable)
		w.wantDead("b", state.Revoked)
	})
	both("of a made-up token makes no record", func(w *world) {
		at := journal.Unseen("made-up", w.Clock.Death(state.Destroyed))
		w.end(&at, record.Any, failover.Durable)
		w.wantNothing("made-up")
	})
	line := func(w *world) []string {
		ids := []string{longID("a"), longID("b"), longID("c"), longID("d")}
		w.Store.Set(ids[0], state.State{Death: w.rotated("b")})
		w.Store.Set(ids[1], state.State{Death: w.rotated("c")})
		w.Store.Set(ids[2], state.State{Death: w.death(state.Renewed).Follow(ids[3])})
		w.Store.Set(ids[3], w.live("x", "1"))
		return ids
	}
	both("by a token that was replaced, of the line up to a renewal", func(w *world) {
		ids := line(w)
		shown := journal.IfLive(ids[0], w.Clock.Death(state.Destroyed))
		ended := w.end(&shown, record.Any, failover.Durable)
		w.wantDead(ids[0], state.Rotated) // it had ended already, and led on
		w.wantDead(ids[1], state.Rotated)
		w.wantDead(ids[2], state.Renewed)
		if st, _ := w.Store.Get(ids[3]); st.Dead() || st.Created == 0 {
			w.Errorf("the store has %+v, want the session that the login has made", st)
		}
		if w.backup() && len(ended) != 3 {
			w.Errorf("it ended %+v", ended)
		}
	})
	both("of the whole line, where the session was held for live", func(w *world) {
		ids := line(w)
		ended := w.end(w.destroyed(ids[0]), record.Any, failover.Durable)
		for _, id := range ids {
			w.wantDead(id, state.Destroyed)
		}
		if w.backup() && len(ended) != 4 {
			w.Errorf("it ended %+v", ended)
		}
	})
	both("that others always come before", func(w *world) {
		w.Store.Set("a", w.live("x", "1"))
		w.Store.PlanFor(instance.SavesOf("a"), instance.Fate{Takes: 30 * time.Millisecond, Err: failure.ErrConflict})
		began := time.Now()
		d, _, err := w.Shards.End(context.Background(), w.destroyed("a"), record.Any)
		if took := time.Since(began); took != 120*time.Millisecond {
			w.Errorf("it took %v, want four saves", took)
		}
		if backup := w.Shards.JournalBytes != 0; backup && (d != failover.Pending || err != nil) || !backup && !errors.Is(err, failure.ErrUnavailable) {
			w.Errorf("it came to %v, %v", d, err)
		}
	})
	storyOf(t, "a line without end", false, nil, func(w *world) {
		for n := range 1001 {
			w.Store.Set(longID(fmt.Sprint(n)), state.State{Death: w.rotated(fmt.Sprint(n + 1))})
		}
		_, _, err := w.Shards.End(context.Background(), w.destroyed(longID("0")), record.Any)
		if !errors.Is(err, failure.ErrUnavailable) {
			w.Errorf("it came to %v", err)
		}
	})
}

// In an outage an end waits for the store, but the store is asked once nevertheless.
func TestAnEndInAnOutage(t *testing.T) {
	story(t, "waits", func(w *world) {
		end := w.outage()
		w.Store.Calls()
		at := w.destroyed("a")
		w.end(at, record.Any, failover.Pending)
		if len(w.Store.Calls()) == 0 {
			w.Error("the store was not asked")
		}
		w.wantOwed(0, 1)
		if n := w.Shards.Ended.Load(); n != 0 {
			w.Errorf("%d ends are counted, want 0", n)
		}
		w.Store.Set("a", w.live("x", "1"))
		end()
		time.Sleep(5 * time.Second)
		w.wantDead("a", state.Destroyed)
	})
	story(t, "is durable where the breaker alone keeps requests away", func(w *world) {
		w.Store.Set("a", w.live("x", "1"))
		_ = w.outage()
		w.Store.Away(false)
		w.end(w.destroyed("a"), record.Any, failover.Durable)
		w.wantDead("a", state.Destroyed)
		w.wantOwed(0, 0)
		if n := w.Shards.Ended.Load(); n != 1 {
			w.Errorf("%d ends are counted, want 1", n)
		}
	})
	story(t, "fails where the operator trusts the store only", func(w *world) {
		_ = w.outage()
		w.Order(circuit.StoreOnly)
		if _, _, err := w.Shards.End(context.Background(), w.destroyed("a"), record.Any); !errors.Is(err, failure.ErrUnavailable) {
			w.Errorf("it came to %v", err)
		}
		w.wantOwed(0, 0)
	})
	story(t, "is told once", func(w *world) {
		w.Store.Set("a", w.live("x", "1"))
		w.Store.Plan(func(instance.Call) instance.Fate { return instance.Fate{Takes: time.Millisecond} })
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.end(w.destroyed("a"), record.Any, failover.Durable)
		}()
		time.Sleep(500 * time.Microsecond)
		if n := w.Shards.Telling(); n != 1 {
			w.Errorf("while it is under way %d are being told, want 1", n)
		}
		<-done
		if n := w.Shards.Telling(); n != 0 {
			w.Errorf("afterwards %d are being told, want 0", n)
		}
	})
	story(t, "waits where the operator trusts the backup only", func(w *world) {
		w.Store.Set("a", w.live("x", "1"))
		w.Order(circuit.BackupOnly)
		w.end(w.destroyed("a"), record.Any, failover.Pending)
		w.stored("a", "x", "1")
	})
	storyOf(t, "fails without a backup", false, nil, func(w *world) {
		w.Store.Away(true)
		if _, _, err := w.Shards.End(context.Background(), w.destroyed("a"), record.Any); !errors.Is(err, failure.ErrUnavailable) {
			w.Errorf("it came to %v", err)
		}
	})
	story(t, "of a renewal is one that a lookup asks for", func(w *world) {
		end := w.outage()
		w.entomb(journal.Moved("old", w.death(state.Renewed), "new"))
		w.entomb(journal.Owed("gone", w.death(state.Destroyed)))
		for id, want := range map[string]bool{"old": true, "gone": false, "other": false} {
			if got := w.Shards.MovePending(id); got != want {
				w.Errorf("a renewal of %s waits: %v, want %v", id, got, want)
			}
		}
		end()
		time.Sleep(5 * time.Second)
		if w.Shards.MovePending("old") {
			w.Error("it waits still")
		}
	})
	story(t, "that another writer makes of a session that was renewed ends the successor", func(w *world) {
		end := w.outage()
		w.hint(w.copyOf("new", w.live("x", "1")))
		w.entomb(journal.Moved("old", w.death(state.Renewed), "new"))
		time.Sleep(time.Second)
		w.entomb(journal.Owed("old", w.Clock.Death(state.Destroyed)))
		if known, ok := w.Shards.Of("new").Tombstone("new"); !ok || known.Death.Reason != state.Revoked {
			w.Errorf("this process knows %+v, %v of the successor", known, ok)
		}
		end()
		time.Sleep(5 * time.Second)
		w.wantDead("new", state.Revoked)
	})
	story(t, "ends what rotations have made of the session as well", func(w *world) {
		ids := []string{longID("a"), longID("b"), longID("c")}
		end := w.outage()
		w.end(w.destroyed(ids[0]), record.Any, failover.Pending)
		w.Store.Set(ids[0], state.State{Death: w.rotated("b")})
		w.Store.Set(ids[1], state.State{Death: w.rotated("c")})
		w.Store.Set(ids[2], w.live("x", "1"))
		end()
		time.Sleep(5 * time.Second)
		w.wantDead(ids[2], state.Revoked) // by another hand than its visitor's, who begins anew at once
	})
	story(t, "ends them for that reason, also where this process hears of the rotation later", func(w *world) {
		end := w.outage()
		at := journal.Named(state.Superseded{ID: "a", Dot: w.death(state.Destroyed).Dot, IfLive: true})
		w.entomb(at)
		rotated := w.rotated("next")
		w.learns("a", rotated)
		w.Store.Set("a", state.State{Death: rotated})
		w.Store.Set(longID("next"), w.live("x", "1"))
		end()
		time.Sleep(5 * time.Second)
		w.wantDead(longID("next"), state.Destroyed)
	})
	story(t, "by a token that was replaced ends the line up to a renewal", func(w *world) {
		ids := []string{longID("a"), longID("b"), longID("c"), longID("d")}
		end := w.outage()
		shown := journal.IfLive(ids[0], w.Clock.Death(state.Destroyed))
		w.end(&shown, record.Any, failover.Pending)
		w.Store.Set(ids[0], state.State{Death: w.rotated("b")})
		w.Store.Set(ids[1], state.State{Death: w.rotated("c")})
		w.Store.Set(ids[2], state.State{Death: w.renewed("d")})
		w.Store.Set(ids[3], w.live("x", "1"))
		end()
		time.Sleep(5 * time.Second)
		for n, id := range ids[:3] {
			if _, known := w.Shards.Tombstone(id); !known {
				w.Errorf("this process does not know that session %d of the line has ended", n)
			}
		}
		w.stored(ids[3], "x", "1")
		w.wantOwed(0, 0)
	})
	story(t, "by a token that was replaced ends the session that rotations have led to", func(w *world) {
		end := w.outage()
		shown := journal.IfLive(longID("a"), w.Clock.Death(state.Destroyed))
		w.end(&shown, record.Any, failover.Pending)
		w.Store.Set(longID("a"), state.State{Death: w.rotated("b")})
		w.Store.Set(longID("b"), state.State{Death: w.rotated("c")})
		w.Store.Set(longID("c"), w.live("x", "1"))
		end()
		time.Sleep(5 * time.Second)
		w.wantDead(longID("c"), state.Destroyed)
		w.wantOwed(0, 0)
	})
	// fill fills the journal with tombstones that the store lacks.
	fill := func(w *world) (all map[string]bool) {
		all = make(map[string]bool)
		for n := 0; ; n++ {
			id := longID(fmt.Sprint(n))
			if err := w.Shards.Of(id).AddTombstone(w.Context(), journal.Owed(id, w.Clock.Death(state.Destroyed))); err != nil {
				return all
			}
			all[id] = true
		}
	}
	// full is a story of a session that ends with its predecessor, and whose tombstone alone the
	// store takes while the journal has no room for another one. Another instance has made a
	// session of it, by this death.
	full := func(name string, death func(w *world, successor string) state.Death, before func(w *world, successor string), do func(w *world, successor string)) {
		t.Helper()
		small := func(i *instance.Instance) { i.Shards.JournalBytes = 1 << 15 }
		storyOf(t, name+", although the journal is full when it is delivered", true, small, func(w *world) {
			old := longID("old")
			next, last := longID("next"), longID("last")
			w.Store.Set(last, w.live("x", "1"))
			before(w, last)
			end := w.outage()
			w.hint(w.copyOf(next, w.live("x", "1")))
			w.entomb(journal.Moved(old, w.death(state.Renewed).Follow(next), next))
			time.Sleep(time.Second)
			w.entomb(journal.Owed(old, w.Clock.Death(state.Destroyed)))
			others := fill(w)
			others[old] = true
			w.Store.Set(next, state.State{Death: death(w, "last")})
			w.Store.PlanFor(func(c instance.Call) bool { return c.Save && others[c.ID] }, instance.Fate{Err: errors.New("out of memory")})
			end()
			time.Sleep(40 * time.Second)
			w.wantDead(next, state.Revoked)
			if st := w.Shards.Stats().Shards[0]; st.State != failover.Serving {
				w.Errorf("the shard is %v: it has been asked for long enough", st.State)
			}
			w.Store.Plan(nil)
			time.Sleep(30 * time.Second)
			w.wantDead(last, state.Revoked)
			w.wantOwed(0, 0)
			do(w, last)
		})
	}
	nothing := func(*world, string) {}
	full("ends what a rotation has made of the successor", (*world).rotated, nothing, nothing)
	full("ends what a Renew has made of the successor", (*world).renewed, nothing, nothing)
	full("ends what a Renew has made of that, which this process knows", (*world).renewed, func(w *world, last string) {
		w.Store.Set(longID("later"), w.live("x", "1"))
		w.Store.Set(last, state.State{Death: w.renewed("later")})
		st, _ := w.Store.Get(last)
		w.Shards.Learn(w.Context(), last, st.Death)
	}, func(w *world, _ string) {
		w.wantDead(longID("later"), state.Revoked)
	})
	storyOf(t, "ends what a Renew elsewhere has made, although the journal is full when a store that has lost it gets it again", true,
		func(i *instance.Instance) { i.Shards.JournalBytes = 1 << 15 }, func(w *world) {
			old, last := longID("old"), longID("last")
			w.entomb(journal.Stored(old, w.Clock.Death(state.Destroyed)))
			w.Store.Empty()
			w.Store.Set(old, state.State{Death: w.renewed("last")})
			w.Store.Set(last, w.live("x", "1"))
			others := fill(w)
			w.Store.PlanFor(func(c instance.Call) bool { return c.Save && others[c.ID] }, instance.Fate{Err: errors.New("out of memory")})
			time.Sleep(30 * time.Second)
			w.wantDead(old, state.Destroyed)
			w.Store.Plan(nil)
			time.Sleep(2 * time.Minute)
			w.wantDead(last, state.Revoked)
			w.wantOwed(0, 0)
		})
	story(t, "of a made-up token says so", func(w *world) {
		end := w.outage()
		at := journal.Unseen("made-up", w.Clock.Death(state.Destroyed))
		if ended := w.end(&at, record.Any, failover.Pending); len(ended) != 1 || !ended[0].IfStored || !ended[0].IfLive || ended[0].Durable {
			w.Errorf("it ended %+v", ended)
		}
		end()
		time.Sleep(5 * time.Second)
		w.Store.Set("a", w.live("x", "1"))
		at = journal.Unseen("a", w.Clock.Death(state.Destroyed))
		if ended := w.end(&at, record.Any, failover.Durable); len(ended) != 1 || ended[0].IfStored || !ended[0].Durable {
			w.Errorf("it ended %+v", ended)
		}
		if known, _ := w.Shards.Of("a").Tombstone("a"); known.IfStored || known.Unverified {
			w.Errorf("the store had it, and this process knows %+v", known)
		}
	})
}

// A tombstone of a session that a copy supersedes is forgotten with its life.
func TestForgotten(t *testing.T) {
	story(t, "when its life is over", func(w *world) {
		k := state.Superseded{Dot: w.Clock.Death(state.Renewed).Dot}
		time.Sleep(instance.TombstoneLife)
		if w.Shards.Forgotten(k) {
			w.Error("it is forgotten too early")
		}
		time.Sleep(time.Millisecond)
		if !w.Shards.Forgotten(k) {
			w.Error("it is not forgotten")
		}
	})
}
