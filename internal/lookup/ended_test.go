package lookup_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
)

// A session that some process knows to have ended.
func TestASessionThatHasEnded(t *testing.T) {
	dead := func(w *world, l lookup.Loaded, why state.Reason) {
		w.Helper()
		w.want(l, lookup.Dead, lookup.FromNowhere, lookup.Complete, false)
		if l.State.Death.Reason != why || l.ID != "a" {
			w.Errorf("it is %+v, want a death for reason %d", l, why)
		}
	}
	story(t, "the store knows", func(w *world) {
		death := w.Clock.Death(state.Destroyed)
		v := w.Store.Set("a", state.State{Death: death})
		l := w.fetch(w.known(w.st))
		dead(w, l, state.Destroyed)
		if l.Version != v {
			w.Error("it has another version")
		}
		if known, ok := w.Shards.Of("a").Tombstone("a"); !ok || known.Death != death || known.Pending {
			w.Errorf("this process knows %+v, %v", known, ok)
		}
	})
	story(t, "this process knows, and tells the store again", func(w *world) {
		w.Shards.Learn(context.Background(), "a", w.Clock.Death(state.Destroyed))
		dead(w, w.fetch(w.known(w.st)), state.Destroyed)
		time.Sleep(time.Second)
		if st, _ := w.Store.Get("a"); !st.Dead() {
			w.Error("the store was not told")
		}
		if j := w.Shards.Stats().Journal; j.Delivered != 0 {
			w.Error("it is counted as delivered, although the store had it")
		}
	})
	story(t, "this process knows, in an outage", func(w *world) {
		w.Shards.Learn(context.Background(), "a", w.Clock.Death(state.Destroyed))
		w.Store.Away(true)
		dead(w, w.fetch(w.known(w.st)), state.Destroyed)
		if j := w.Shards.Stats().Journal; j.Tombstones+j.Again != 0 {
			w.Errorf("the journal has %+v", j)
		}
	})
	story(t, "a token that nobody had is not, and its tombstone is written where there is a record", func(w *world) {
		at := journal.Unseen("a", w.Clock.Death(state.Destroyed))
		_ = w.Shards.Of("a").AddTombstone(context.Background(), at)
		dead(w, w.fetch(lookup.Known{}), state.Destroyed)
		time.Sleep(time.Second)
		if st, _ := w.Store.Get("a"); !st.Dead() {
			w.Error("the store was not told")
		}
		if j := w.Shards.Stats().Journal; j.Delivered != 1 {
			w.Errorf("%d are counted as delivered, want 1", j.Delivered)
		}
	})
	story(t, "the visitor's cookie knows", func(w *world) {
		k := w.known(w.st)
		k.Ended = []state.Superseded{{ID: "other"}, {ID: "a", Dot: w.Clock.Death(state.Destroyed).Dot}}
		l := w.fetch(k)
		dead(w, l, state.Destroyed)
		if l.State.Death.Dot != k.Ended[1].Dot {
			w.Errorf("it is %+v", l.State.Death)
		}
	})
	predecessor := func(w *world) state.Superseded {
		return state.Superseded{ID: "old", Dot: w.Clock.Death(state.Renewed).Dot, Predecessor: true}
	}
	story(t, "with its predecessor, as its visitor's cookie knows", func(w *world) {
		k := w.known(w.st, predecessor(w))
		k.Ended = []state.Superseded{{ID: "old", Dot: w.Clock.Death(state.Destroyed).Dot}}
		dead(w, w.fetch(k), state.Revoked)
		time.Sleep(time.Second)
		if st, _ := w.Store.Get("a"); !st.Dead() {
			w.Error("the store was not told")
		}
	})
	story(t, "but not where that one may have been dead already", func(w *world) {
		k := w.known(w.st, predecessor(w))
		k.Ended = []state.Superseded{{ID: "old", Dot: w.Clock.Death(state.Destroyed).Dot, IfLive: true}}
		w.want(w.fetch(k), lookup.Live, lookup.FromStore, lookup.Complete, false)
		k.Ended = []state.Superseded{{ID: "old", Dot: k.Copy().Supersedes[0].Dot}}
		w.want(w.fetch(k), lookup.Live, lookup.FromStore, lookup.Complete, false)
	})
	story(t, "with its predecessor, as this process knows, where the store lacks it", func(w *world) {
		k := w.known(w.st, predecessor(w))
		w.Shards.Learn(context.Background(), "old", w.Clock.Death(state.Destroyed))
		w.want(w.fetch(k), lookup.Live, lookup.FromStore, lookup.Complete, false)
		w.Store.Remove("a")
		dead(w, w.fetch(k), state.Revoked)
		k.Copy().Supersedes[0].Durable = true
		w.Store.Away(true)
		dead(w, w.fetch(k), state.Revoked) // as this process knows now
	})
	story(t, "with its predecessor, as the store knows, where it lacks the session", func(w *world) {
		k := w.known(w.st, predecessor(w))
		w.Store.Remove("a")
		w.Store.Set("old", state.State{Death: w.Clock.Death(state.Destroyed)})
		dead(w, w.fetch(k), state.Revoked)
	})
}
