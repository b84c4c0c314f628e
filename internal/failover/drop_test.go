package failover_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// A shard that the store has no more hands on what it owed to the shards that have its
// sessions now: what its log lacked, what was heard and waits for the end of a grace, and
// what it had lost.
func TestAShardThatIsDroppedHandsOn(t *testing.T) {
	moves := idOn(0, "abc", "c", "ab", "a")
	with := func(name string, do func(t *testing.T, all servers, w *world, l *list)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := newServers()
				i, l := all.with(t, "abc")
				do(t, all, &world{T: t, Instance: i}, l)
			})
		})
	}
	full := instance.Fate{Err: errors.New("out of memory")}

	with("what its log lacked", func(t *testing.T, all servers, w *world, l *list) {
		all["c"].PlanFor(func(c instance.Call) bool { return c.Save && segments(c) }, full)
		w.Shards.Wrote(t.Context(), moves, w.Clock.Death(state.Destroyed))
		time.Sleep(2 * time.Second)
		l.set("ab")
		time.Sleep(3 * time.Second)
		if got := w.log("a"); !slices.Contains(got, moves) {
			t.Errorf("the log of the shard that has the session now has %q", got)
		}
	})
	with("what waits for the end of a grace", func(t *testing.T, all servers, w *world, l *list) {
		other, _ := all.with(t, "abc")
		other.Shards.Wrote(t.Context(), moves, w.rotated("b"))
		time.Sleep(2 * time.Second)
		closed(t, other)
		w.knows(moves, 0)
		l.set("ab")
		time.Sleep(15 * time.Second)
		w.knows(moves, state.Rotated)
	})
	with("what it had lost and refused", func(t *testing.T, all servers, w *world, l *list) {
		w.Shards.Wrote(t.Context(), moves, w.Clock.Death(state.Destroyed))
		time.Sleep(2 * time.Second)
		all["c"].PlanFor(instance.SavesOf(moves), full)
		all["c"].Empty()
		time.Sleep(5 * time.Second)
		if st := w.Shards.Stats(); st.Refused != 1 {
			t.Fatalf("%d tombstones are refused, want 1", st.Refused)
		}
		l.set("ab")
		time.Sleep(5 * time.Second)
		if st, _ := all["a"].Get(moves); st.Death.Reason != state.Destroyed {
			t.Errorf("the server that has the session now has %+v", st)
		}
		if j := w.Shards.Stats(); j.Refused+j.Journal.Again != 0 {
			t.Errorf("%d tombstones are to come, %d are refused", j.Journal.Again, j.Refused)
		}
	})
	with("what is added by a call that met it before", func(t *testing.T, all servers, w *world, l *list) {
		s := w.Shards.Of(moves)
		l.set("ab")
		time.Sleep(3 * time.Second)
		if err := s.AddTombstone(t.Context(), journal.Stored(moves, w.Clock.Death(state.Destroyed))); err != nil {
			t.Error(err)
		}
		hinted, owed := idOn(1, "abc", "c", "ab", "a"), idOn(2, "abc", "c", "ab", "b")
		if kept, _ := s.AddHint(t.Context(), w.copyOf(hinted, w.live("x", "1"))); !kept {
			t.Error("there is no room for a hint")
		}
		if err := s.AddTombstone(t.Context(), journal.Owed(owed, w.Clock.Death(state.Destroyed))); err != nil {
			t.Error(err)
		}
		time.Sleep(12 * time.Second) // restores wait for the logs of the new layout
		if got := w.log("a"); !slices.Contains(got, moves) {
			t.Errorf("the log of the shard that has the session now has %q", got)
		}
		if st, _ := all["a"].Get(hinted); st.Created == 0 {
			t.Error("the hint did not arrive")
		}
		if st, _ := all["b"].Get(owed); !st.Dead() {
			t.Error("the tombstone did not arrive")
		}
		w.wantOwed(0, 0)
	})
	with("and nothing that belongs to it", func(t *testing.T, all servers, w *world, l *list) {
		l.set("ab")
		time.Sleep(3 * time.Second)
		asked := 0
		all["c"].Plan(func(instance.Call) instance.Fate { asked++; return instance.Fate{} })
		w.Shards.Wrote(t.Context(), moves, w.Clock.Death(state.Destroyed))
		time.Sleep(time.Minute)
		if asked > 0 {
			t.Errorf("it was asked %d times", asked)
		}
	})
}

// Logs that are heard again after their shard was dropped and came back have numbers.
func TestShardsThatComeAndGoUseUpNoNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newServers()
		other, _ := all.with(t, "abc")
		i, l := all.with(t, "abc")
		w := &world{T: t, Instance: i}
		for range 300 {
			l.set("ab")
			time.Sleep(1100 * time.Millisecond)
			l.set("abc")
			time.Sleep(1100 * time.Millisecond)
		}
		time.Sleep(2 * instance.TombstoneLife) // tombstones go into the log of their own shard alone again
		x := idOn(0, "abc", "c", "abc", "c")
		ends(t, other, x)
		time.Sleep(2 * time.Second)
		if g := w.knows(x, state.Destroyed); g.From == 255 {
			t.Error("the log that it was heard from has no number")
		}
	})
}

// A store that names shards which it does not have gets its loads answered all the same.
func TestALoadFromAShardThatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(instance.Store)
		store.ShardOf = func(string) string { return "z" }
		l := &list{all: servers{"a": store}, names: []string{"a"}}
		i := instance.Start(t, store, true, func(i *instance.Instance) { i.Shards.Store = odd{l} })
		w := &world{T: t, Instance: i}
		store.Set("a", w.live("x", "1"))
		began := time.Now()
		if got := i.Reader.Fetch(t.Context(), "a", lookup.Known{}, false); got.Phase != lookup.Live || time.Since(began) != 0 {
			t.Errorf("the session is %v after %v, want live at once", got.Phase, time.Since(began))
		}
	})
}

// odd is a list that puts every session on a server which it does not have.
type odd struct{ *list }

func (odd) Shard(string) string { return "z" }
