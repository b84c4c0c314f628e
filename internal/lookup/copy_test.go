package lookup_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// A copy takes the place of a store that does not answer, or has nothing, while it
// vouches, and never the place of a request's own end.
func TestWithoutARecord(t *testing.T) {
	story(t, "nothing, and a copy vouches", func(w *world) {
		w.Store.Remove("a")
		l := w.fetch(w.known(w.st))
		w.want(l, lookup.Live, lookup.FromBackup, lookup.Missing, false)
		w.value(l.State, "x", "1")
	})
	story(t, "nothing, and the predecessor holds something", func(w *world) {
		w.Store.Remove("a")
		w.Store.Set("old", w.write(w.st, "late", "1"))
		l := w.fetch(w.known(w.st, state.Superseded{ID: "old", Dot: w.Clock.Death(state.Renewed).Dot, Predecessor: true}))
		w.want(l, lookup.Live, lookup.FromBackup, lookup.Missing, false)
		w.value(l.State, "late", "1")
	})
	story(t, "nothing, and the predecessor is durably dead", func(w *world) {
		w.Store.Remove("a")
		k := w.known(w.st, state.Superseded{ID: "old", Dot: w.Clock.Death(state.Renewed).Dot, Predecessor: true, Durable: true})
		w.Store.Calls()
		w.want(w.fetch(k), lookup.Live, lookup.FromBackup, lookup.Missing, false)
		if calls := w.Store.Calls(); len(calls) != 1 {
			w.Errorf("the store was asked %+v, want the session alone", calls)
		}
	})
	story(t, "nothing, and the predecessor cannot be read", func(w *world) {
		w.Store.Remove("a")
		w.Store.PlanFor(instance.CallsFor("old"), instance.Fate{Err: instance.ErrRefused})
		k := w.known(w.st, state.Superseded{ID: "old", Dot: w.Clock.Death(state.Renewed).Dot, Predecessor: true})
		w.want(w.fetch(k), lookup.Live, lookup.FromBackup, lookup.Missing, true)
	})
	story(t, "nothing, and the predecessor is contested", func(w *world) {
		w.Store.Remove("a")
		w.Store.Set("old", w.st)
		w.Store.PlanFor(instance.SavesOf("old"), instance.Fate{Takes: 30 * time.Millisecond, Err: failure.ErrConflict})
		k := w.known(w.st, state.Superseded{ID: "old", Dot: w.Clock.Death(state.Renewed).Dot, Predecessor: true})
		if l := w.fetch(k); l.Phase != lookup.Unknown || failure.IsAway(l.Err) || l.Err == nil {
			w.Errorf("it is %+v", l)
		}
	})
	story(t, "nothing, and restores are bounded", func(w *world) {
		w.Store.Remove("a")
		for w.Shards.AllowRestore() {
			continue
		}
		k := w.known(w.st, state.Superseded{ID: "old", Dot: w.Clock.Death(state.Renewed).Dot, Predecessor: true})
		w.want(w.fetch(k), lookup.Live, lookup.FromBackup, lookup.Missing, true)
	})
	story(t, "nothing, and no copy vouches", func(w *world) {
		w.Store.Remove("a")
		w.want(w.fetch(lookup.Known{}), lookup.Nobody, lookup.FromNowhere, lookup.Complete, false)
		k := w.known(w.st)
		time.Sleep(instance.Lease)
		w.want(w.fetch(k), lookup.Nobody, lookup.FromNowhere, lookup.Complete, false)
		if w.stale != 1 {
			w.Errorf("the hook was told %d times of a copy that does not vouch, want once", w.stale)
		}
	})
	story(t, "the record of a session that has ended, whose version the next one goes over", func(w *world) {
		w.st.End = time.Now().UnixMilli()
		w.version = w.Store.Set("a", w.st)
		l := w.fetch(lookup.Known{})
		w.want(l, lookup.Nobody, lookup.FromNowhere, lookup.Complete, false)
		if l.Version != w.version {
			w.Error("the version is lost")
		}
	})
	story(t, "nothing, in quarantine", func(w *world) {
		w.Store.Empty()
		time.Sleep(time.Second)
		w.want(w.fetch(w.known(w.st)), lookup.Live, lookup.FromBackup, lookup.Missing, true)
		if l := w.fetch(lookup.Known{}); l.Phase != lookup.Unknown || !errors.Is(l.Err, failure.ErrForgetful) {
			w.Errorf("it is %+v", l)
		}
	})
	story(t, "nothing, and a copy is sealed with an unknown key", func(w *world) {
		w.Store.Remove("a")
		if l := w.fetch(lookup.Known{Excused: true}); l.Phase != lookup.Unknown || !errors.Is(l.Err, lookup.ErrExcused) {
			w.Errorf("it is %+v", l)
		}
	})
	story(t, "no answer, and a copy vouches", func(w *world) {
		w.Store.Away(true)
		before := w.Reader.Degraded.Load()
		l := w.fetch(w.known(w.st))
		w.want(l, lookup.Live, lookup.FromBackup, lookup.Missing, true)
		if l.AwaySince != time.Now() || w.Reader.Degraded.Load() != before+1 {
			w.Errorf("it is away since %v, and %d were served so", l.AwaySince, w.Reader.Degraded.Load()-before)
		}
	})
	story(t, "a record of a session that began here without an answer", func(w *world) {
		born := state.Copy{ID: "a", State: w.st, Confirmed: time.Now().UnixMilli(), Born: true, NeverStored: true}
		w.Store.PlanFor(instance.SavesOf("a"), instance.Fate{Err: instance.ErrRefused})
		w.Shards.Of("a").AddHint(context.Background(), born)
		w.want(w.fetch(lookup.Known{}), lookup.Live, lookup.FromStore, lookup.Complete, false)
		if held, ok := w.Shards.Of("a").Copy("a"); !ok || held.Born || held.NeverStored {
			w.Errorf("the journal has %+v, %v, want that the store has the session", held, ok)
		}
	})
	story(t, "no answer, and this process knows what was written to the session before another instance renewed it", func(w *world) {
		w.Store.Away(true)
		for _, id := range []string{"old", "older", "stranger"} {
			w.Shards.Of(id).AddHint(context.Background(), state.Copy{ID: id, State: w.write(w.st, id, "1"), Confirmed: time.Now().UnixMilli()})
		}
		renewed := func() state.Dot { return w.Clock.Death(state.Renewed).Dot }
		l := w.fetch(w.known(w.st,
			state.Superseded{ID: "old", Dot: renewed(), Predecessor: true},
			state.Superseded{ID: "older", Dot: renewed(), Predecessor: true, Durable: true},
			state.Superseded{ID: "stranger", Dot: renewed()}))
		w.want(l, lookup.Live, lookup.FromBackup, lookup.Missing, true)
		w.value(l.State, "x", "1")
		w.value(l.State, "old", "1")
		w.value(l.State, "older", "") // the store has had the end of it, with all that was written before
		w.value(l.State, "stranger", "")
	})
	story(t, "no answer, and no copy vouches", func(w *world) {
		w.Store.Away(true)
		if l := w.fetch(lookup.Known{}); l.Phase != lookup.Unknown || !failure.IsAway(l.Err) || l.ID != "a" {
			w.Errorf("it is %+v", l)
		}
	})
	story(t, "no answer, and the operator trusts no copy", func(w *world) {
		w.Order(circuit.StoreOnly)
		w.Store.Away(true)
		if l := w.fetch(w.known(w.st)); l.Phase != lookup.Unknown {
			w.Errorf("it is %+v", l)
		}
	})
	story(t, "no answer, as the operator trusts no store", func(w *world) {
		w.Order(circuit.BackupOnly)
		w.Store.Calls()
		w.want(w.fetch(w.known(w.st)), lookup.Live, lookup.FromBackup, lookup.Missing, true)
		if calls := w.Store.Calls(); len(calls) != 0 {
			w.Errorf("the store was asked %+v", calls)
		}
	})
	story(t, "the request has ended", func(w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		l := w.Reader.Fetch(ctx, "a", w.known(w.st), false)
		if l.Phase != lookup.Unknown || failure.IsAway(l.Err) {
			w.Errorf("it is %+v", l)
		}
	})
	story(t, "a record that cannot be read", func(w *world) {
		w.Store.SetRaw("a", []byte("not ours"))
		if l := w.fetch(w.known(w.st)); l.Phase != lookup.Unknown || failure.IsAway(l.Err) {
			w.Errorf("it is %+v", l)
		}
	})
}

// A copy vouches while its lease lasts and the session does.
func TestWhatVouches(t *testing.T) {
	story(t, "a copy", func(w *world) {
		k := w.known(w.st)
		time.Sleep(instance.Lease - time.Millisecond)
		if !w.Reader.CopyVouches(*k.Copy()) {
			w.Error("its lease is over too early")
		}
		time.Sleep(time.Millisecond)
		if w.Reader.CopyVouches(*k.Copy()) {
			w.Error("its lease lasts too long")
		}
		time.Sleep(instance.Idle + instance.Refresh)
		if k := w.known(w.st); w.Reader.CopyVouches(*k.Copy()) {
			w.Error("a session that is over vouches")
		}
		var ahead lookup.Known
		ahead.Add(&state.Copy{ID: "a", State: w.st, Confirmed: time.Now().Add(state.MaxAhead).UnixMilli()}, time.Now())
		if ahead.Copy().Confirmed == 0 {
			w.Error("a clock that is a minute ahead vouches for nothing")
		}
		ahead.Add(&state.Copy{ID: "a", State: w.st, Confirmed: time.Now().Add(state.MaxAhead + time.Millisecond).UnixMilli()}, time.Now())
		if ahead.Copy().Confirmed != time.Now().Add(state.MaxAhead).UnixMilli() {
			w.Error("a clock that is further ahead vouches")
		}
		late := time.Now().Add(time.Hour)
		for _, b := range []state.Copy{
			{ID: "a", State: w.st, Confirmed: late.UnixMilli()},
			{ID: "a", State: w.st.Seen(late), Confirmed: time.Now().UnixMilli()},
		} {
			var k lookup.Known
			before := b
			k.Add(&b, time.Now())
			if got := k.Copy(); got.Confirmed > time.Now().UnixMilli() || got.State.LastSeen > time.Now().UnixMilli() {
				w.Errorf("%+v counts although its clock is an hour ahead", got)
			}
			if b.Confirmed != before.Confirmed || b.State.LastSeen != before.State.LastSeen {
				w.Errorf("the copy was altered: %+v, was %+v", b, before)
			}
		}
	})
}

// Without a backup there are the same three answers.
func TestAReadWithoutABackup(t *testing.T) {
	storyOf(t, "of each kind", false, nil, func(w *world) {
		l := w.fetch(lookup.Known{})
		w.want(l, lookup.Live, lookup.FromStore, lookup.Complete, false)
		if l.ID != "a" || l.Version != w.version || l.Saved != 0 {
			w.Errorf("it is %+v", l)
		}
		w.Reader.Foreign = true
		if l := w.fetch(lookup.Known{}); l.Saved != w.st.Entries.Latest() {
			w.Errorf("what the store has of another program's session is not known: %+v", l)
		}
		w.Reader.Foreign = false
		w.Store.Away(true)
		if l := w.fetch(lookup.Known{}); l.Phase != lookup.Unknown || !failure.IsAway(l.Err) || l.ID != "a" {
			w.Errorf("it is %+v", l)
		}
		w.Store.Away(false)
		v := w.Store.Set("a", state.State{Death: w.Clock.Death(state.Destroyed)})
		if l := w.fetch(lookup.Known{}); l.Phase != lookup.Dead || l.State.Death.Reason != state.Destroyed || l.Version != v || l.ID != "a" {
			w.Errorf("it is %+v", l)
		}
		w.Store.Remove("a")
		if l := w.fetch(lookup.Known{}); l.Phase != lookup.Nobody || l.ID != "" {
			w.Errorf("it is %+v", l)
		}
	})
}
