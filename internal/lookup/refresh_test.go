package lookup_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
	"github.com/holdfast-go/session/internal/token"
)

// The expiry is put off in the background, if that is due, over the version just read.
func TestARefresh(t *testing.T) {
	due := func(w *world) lookup.Loaded {
		time.Sleep(instance.Refresh)
		return w.fetch(lookup.Known{})
	}
	story(t, "is due after a while, once", func(w *world) {
		time.Sleep(instance.Refresh - 11*time.Millisecond)
		if w.Reader.Due(w.fetch(lookup.Known{})) {
			w.Error("it is due too early")
		}
		time.Sleep(time.Millisecond)
		l := w.fetch(lookup.Known{})
		if !w.Reader.Due(l) || w.Reader.Due(l) {
			w.Error("it is not due once")
		}
		time.Sleep(10 * time.Millisecond)
		now := time.Now().UnixMilli()
		after := w.Reader.PutOff(context.Background(), l)
		st, v := w.Store.Get("a")
		if st.LastSeen != now || after.Version != v || after.State.LastSeen != now || after.Confirmed != now {
			w.Errorf("the store has %+v, and the session is %+v", st, after)
		}
		if w.Reader.Refreshed.Load() != 1 {
			w.Errorf("%d are counted", w.Reader.Refreshed.Load())
		}
		time.Sleep(instance.Refresh)
		if !w.Reader.Due(after) {
			w.Error("it is never due again")
		}
		w.Reader.Refreshes.Done("a")
	})
	story(t, "is dropped where another writer came first", func(w *world) {
		l := due(w)
		death := w.Clock.Death(state.Destroyed)
		w.Store.Set("a", state.State{Death: death})
		w.Reader.Refresh(context.Background(), l)
		time.Sleep(time.Second)
		if st, _ := w.Store.Get("a"); st.Death != death {
			w.Errorf("the store has %+v", st)
		}
		if w.Reader.Refreshed.Load() != 0 {
			w.Error("it is counted")
		}
	})
	story(t, "is dropped where the store is not asked", func(w *world) {
		l := due(w)
		w.Order(circuit.BackupOnly)
		w.Store.Calls()
		if !w.Reader.Due(l) {
			w.Error("it is not due")
		}
		if after := w.Reader.PutOff(context.Background(), l); after.Version != l.Version || len(w.Store.Calls()) != 0 {
			w.Errorf("it came to %+v", after)
		}
	})
	story(t, "goes on where its request ends", func(w *world) {
		l := due(w)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		w.Reader.Refresh(ctx, l)
		time.Sleep(time.Second)
		if st, _ := w.Store.Get("a"); st.LastSeen != l.State.LastSeen+instance.Refresh.Milliseconds()+10 {
			w.Errorf("the store has %+v", st)
		}
	})
}

// The token of before a rotation leads to the session while the grace lasts.
func TestARotationIsFollowed(t *testing.T) {
	story(t, "for ten seconds", func(w *world) {
		old := token.New()
		random := [state.LinkRandom]byte{1}
		next := old.Successor(string(random[:]))
		death := w.Clock.Death(state.Rotated)
		death.Link = state.NewLink(death.Dot, time.Now(), random, next.ID())
		follows := func(tok token.Token, d state.Death) bool {
			got, ok := w.Reader.Follow(tok, d)
			return ok && got == next
		}
		time.Sleep(state.RotationGrace - time.Millisecond)
		if !follows(old, death) {
			w.Error("it is not followed")
		}
		if _, ok := w.Reader.Follow(token.New(), death); ok {
			w.Error("another token leads there too")
		}
		renewed := death
		renewed.Reason = state.Renewed
		if follows(old, renewed) {
			w.Error("it is followed across a Renew")
		}
		time.Sleep(time.Millisecond)
		if follows(old, death) {
			w.Error("it is followed for too long")
		}
		ahead := death
		ahead.Link = state.NewLink(death.Dot, time.Now().Add(state.MaxAhead+time.Millisecond), random, next.ID())
		if follows(old, ahead) {
			w.Error("a clock that is far ahead prolongs it")
		}
		want := state.Superseded{ID: "a", Dot: death.Dot, Predecessor: true, Durable: true}
		if got := w.Reader.RotatedFrom("a", death); got != want {
			w.Errorf("the session before is named %+v, want %+v", got, want)
		}
		w.Store.Away(true)
		_ = w.Shards.Of("a").AddTombstone(context.Background(), journal.Moved("a", w.Clock.Death(state.Renewed), "next"))
		if got := w.Reader.RotatedFrom("a", death); got.Durable {
			w.Errorf("a renewal that waits is durable: %+v", got)
		}
	})
}
