package lookup_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// world is an instance with a session of the ID "a" in its store.
type world struct {
	*testing.T
	*instance.Instance
	st      state.State
	version record.Version
	stale   int // how often a copy that does not vouch was told of
}

func story(t *testing.T, name string, do func(w *world)) {
	t.Helper()
	storyOf(t, name, true, nil, do)
}

func storyOf(t *testing.T, name string, backup bool, adjust func(*instance.Instance), do func(w *world)) {
	t.Helper()
	instance.Test(t, name, backup, adjust, func(t *testing.T, i *instance.Instance) {
		w := &world{T: t, Instance: i}
		w.Stale = func(string) { w.stale++ }
		now := time.Now().UnixMilli()
		w.st = w.write(state.State{Created: now, Authenticated: now, LastSeen: now, End: now + instance.Lifetime.Milliseconds()}, "x", "1")
		w.version = w.Store.Set("a", w.st)
		time.Sleep(10 * time.Millisecond)
		do(w)
	})
}

func (w *world) write(st state.State, name, value string) state.State {
	return st.Write([]state.Change{{Name: name, Value: []byte(value)}}, w.Clock.Dot(st))
}

// known is what a request has carried: a copy that vouches.
func (w *world) known(st state.State, supersedes ...state.Superseded) lookup.Known {
	return w.knownAs(st, func(b *state.Copy) { b.Supersedes = supersedes })
}

// knownAs is known for a copy that is altered.
func (w *world) knownAs(st state.State, alter func(b *state.Copy)) (k lookup.Known) {
	b := state.Copy{ID: "a", State: st, Confirmed: time.Now().UnixMilli(), Saved: st.Entries.Latest()}
	alter(&b)
	k.Add(&b, time.Now())
	return k
}

func (w *world) fetch(k lookup.Known) lookup.Loaded {
	return w.Reader.Fetch(context.Background(), "a", k, false)
}

func (w *world) want(l lookup.Loaded, phase lookup.Phase, source lookup.Source, placement lookup.Placement, away bool) {
	w.Helper()
	if l.Phase != phase || l.Source != source || l.Placement != placement || l.Away() != away {
		w.Errorf("the session is %v, from %v, placed %v, away %v, want %v, %v, %v, %v", l.Phase, l.Source, l.Placement, l.Away(), phase, source, placement, away)
	}
}

func (w *world) value(st state.State, name, want string) {
	w.Helper()
	if got, err := state.Lookup(st, nil, name); string(got) != want {
		w.Errorf("%s is %q, %v, want %q", name, got, err, want)
	}
}

// A live record is joined with what the copies know.
func TestALiveRecord(t *testing.T) {
	story(t, "is confirmed as of when it was asked for", func(w *world) {
		w.Store.Plan(func(instance.Call) instance.Fate { return instance.Fate{Takes: 20 * time.Millisecond} })
		sent := time.Now()
		l := w.fetch(lookup.Known{})
		w.want(l, lookup.Live, lookup.FromStore, lookup.Complete, false)
		if l.ID != "a" || l.Version != w.version || l.Confirmed != sent.UnixMilli() || l.Saved != w.st.Entries.Latest() || !l.InStore() {
			w.Errorf("it is %+v", l)
		}
	})
	story(t, "that lacks what a copy knows is to be repaired", func(w *world) {
		k := w.knownAs(w.write(w.st, "y", "2"), func(b *state.Copy) { b.Saved, b.Supersedes = 1, []state.Superseded{{ID: "old"}} })
		l := w.fetch(k)
		w.want(l, lookup.Live, lookup.FromStore, lookup.Behind, false)
		w.value(l.State, "x", "1")
		w.value(l.State, "y", "2")
		if l.Saved != 1 || len(l.Supersedes) != 1 || !l.Supersedes[0].Durable || l.InStore() {
			w.Errorf("it is %+v", l)
		}
	})
	story(t, "that the journal knows more of is to be repaired", func(w *world) {
		w.Store.PlanFor(instance.SavesOf("a"), instance.Fate{Err: instance.ErrRefused})
		w.Shards.Of("a").AddHint(context.Background(), state.Copy{ID: "a", State: w.write(w.st, "y", "2"), Confirmed: time.Now().UnixMilli()})
		l := w.fetch(lookup.Known{})
		w.want(l, lookup.Live, lookup.FromStore, lookup.Behind, false)
		w.value(l.State, "y", "2")
	})
	story(t, "that a copy saw used a refresh later is to be repaired", func(w *world) {
		time.Sleep(instance.Refresh) // a date from the future would count as now
		w.want(w.fetch(w.known(w.st.Seen(time.UnixMilli(w.st.LastSeen).Add(instance.Refresh-time.Millisecond)))), lookup.Live, lookup.FromStore, lookup.Complete, false)
		w.want(w.fetch(w.known(w.st.Seen(time.UnixMilli(w.st.LastSeen).Add(instance.Refresh)))), lookup.Live, lookup.FromStore, lookup.Behind, false)
	})
	story(t, "of a cache confirms no lease", func(w *world) {
		w.Store.Cache()
		k := w.knownAs(w.st, func(b *state.Copy) { b.Confirmed -= 1000 })
		l := w.fetch(k)
		w.want(l, lookup.Live, lookup.FromStore, lookup.Complete, false)
		if l.Confirmed != k.Copy().Confirmed {
			w.Errorf("it is confirmed as of %d, want %d", l.Confirmed, k.Copy().Confirmed)
		}
	})
	story(t, "of a cache takes no lease from copies that the operator does not trust", func(w *world) {
		w.Store.Cache()
		w.Order(circuit.StoreOnly)
		k := w.knownAs(w.write(w.st, "y", "2"), func(b *state.Copy) { b.Confirmed -= 1000 })
		l := w.fetch(k)
		w.want(l, lookup.Live, lookup.FromStore, lookup.Complete, false)
		w.value(l.State, "y", "")
		if l.Confirmed != k.Copy().Confirmed {
			w.Errorf("it is confirmed as of %d, want %d", l.Confirmed, k.Copy().Confirmed)
		}
		w.Order(circuit.Auto)
		older := w.knownAs(w.st, func(b *state.Copy) { b.Confirmed -= 2000 })
		if l := w.fetch(older); l.Confirmed != older.Copy().Confirmed {
			w.Errorf("after an order it is confirmed as of %d, want %d", l.Confirmed, older.Copy().Confirmed)
		}
	})
	story(t, "of a cache that lacks something is asked of the store itself", func(w *world) {
		w.Store.Cache()
		newer := w.write(w.st, "y", "2")
		w.Store.Set("a", newer)
		w.Store.Calls()
		l := w.fetch(w.known(newer))
		w.want(l, lookup.Live, lookup.FromStore, lookup.Complete, false)
		if calls := w.Store.Calls(); len(calls) != 2 || calls[0].Fresh || !calls[1].Fresh {
			w.Errorf("the calls are %+v, want one by the cache and one past it", calls)
		}
		if l.Confirmed != time.Now().UnixMilli() {
			w.Error("the store itself confirms no lease")
		}
	})
	story(t, "of another program settles what it wrote itself", func(w *world) {
		w.Reader.Foreign = true
		old := w.st
		old.Entries = state.PackChanges([]state.Change{{Name: "gone", Value: []byte("1")}}, state.Dot{Clock: 5})
		l := w.fetch(w.known(old))
		w.value(l.State, "gone", "")
	})
}

// oldUntil has all sessions in one shard, and in a new one once they have moved.
func oldUntil(moved *atomic.Bool) func(*instance.Instance) {
	return func(i *instance.Instance) {
		i.Store.ShardOf = func(string) string {
			if moved.Load() {
				return "new"
			}
			return "old"
		}
	}
}

// A shard that was never seen to save may take saves all the same.
func TestARecordBeforeTheFirstProbe(t *testing.T) {
	var moved atomic.Bool
	storyOf(t, "is believed without a copy", true, oldUntil(&moved), func(w *world) {
		w.Store.PlanFor(instance.Saves, instance.Fate{Takes: instance.ReadTimeout - time.Millisecond})
		moved.Store(true)
		if s := w.Shards.Of("a"); !s.Writable() || s.Confirms(w.Clock.Now()) || s.UnwritableFor(instance.Lease) {
			w.Fatalf("the new shard is writable: %v, and was seen to save: %v", s.Writable(), s.Confirms(w.Clock.Now()))
		}
		if l := w.fetch(lookup.Known{}); l.Phase != lookup.Live || l.Err != nil || l.Confirmed != 0 {
			w.Errorf("the session is %v, %v, confirmed as of %d, want live and not confirmed", l.Phase, l.Err, l.Confirmed)
		}
	})
}

// If the store's layout changes while a session is looked for, the second load is of the new
// shard, which was never seen to save.
func TestALoadBeyondTheCacheOfAShardThatIsNew(t *testing.T) {
	var moved atomic.Bool
	storyOf(t, "confirms no lease", true, oldUntil(&moved), func(w *world) {
		w.Store.Cache()
		newer := w.write(w.st, "y", "2")
		w.Store.Set("a", newer)
		known := w.knownAs(newer, func(b *state.Copy) { b.Confirmed -= 2000 })
		w.Store.Plan(func(c instance.Call) instance.Fate {
			switch {
			case c.Save: // the new shard takes none before the session is loaded from it
				return instance.Fate{Takes: instance.ReadTimeout - time.Millisecond}
			case c.ID == "a" && !c.Fresh:
				moved.Store(true)
			}
			return instance.Fate{}
		})
		l := w.fetch(known)
		w.want(l, lookup.Live, lookup.FromStore, lookup.Complete, false)
		if l.Confirmed != known.Copy().Confirmed {
			w.Errorf("it is confirmed as of %d, want %d as the copy says", l.Confirmed, known.Copy().Confirmed)
		}
	})
}
