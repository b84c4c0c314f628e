package storage_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// A save has a budget of its own and goes on when its request ends.
func TestWhatASaveComesTo(t *testing.T) {
	save := func(w *world, over record.Version) (record.Version, error) {
		return w.Storage.Save(context.Background(), "a", w.st.Seen(time.Now()), over)
	}
	story(t, "it stands", func(w *world) {
		v, err := save(w, w.version)
		if _, now := w.Store.Get("a"); err != nil || v != now || v == w.version {
			w.Errorf("it came to %v, %v", v, err)
		}
		if w.Storage.Saves.Load() != 1 {
			w.Errorf("%d saves are counted", w.Storage.Saves.Load())
		}
	})
	story(t, "another writer came first", func(w *world) {
		failures := w.Shards.Failures.Load()
		if _, err := save(w, record.Absent); !errors.Is(err, failure.ErrConflict) || w.Storage.Conflicts.Load() != 1 || w.Storage.Saves.Load() != 0 {
			w.Errorf("it came to %v, with %d conflicts and %d saves", err, w.Storage.Conflicts.Load(), w.Storage.Saves.Load())
		}
		if w.Shards.Failures.Load() != failures {
			w.Error("it is counted as a failure")
		}
	})
	story(t, "it is too large", func(w *world) {
		w.Store.Plan(func(instance.Call) instance.Fate { return instance.Fate{Err: failure.ErrTooLarge} })
		if _, err := save(w, w.version); !errors.Is(err, failure.ErrTooLarge) || failure.IsAway(err) {
			w.Errorf("it came to %v", err)
		}
	})
	story(t, "silence", func(w *world) {
		w.Store.PlanFor(instance.CallsFor("a"), instance.Never)
		began, failures := time.Now(), w.Shards.Failures.Load()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if _, err := w.Storage.Save(ctx, "a", w.st, w.version); !failure.IsAway(err) {
			w.Errorf("it came to %v", err)
		}
		if took := time.Since(began); took > instance.SaveTimeout || took < instance.SaveTimeout*31/32 {
			w.Errorf("it took %v", took)
		}
		if n := w.Shards.Failures.Load() - failures; n != 1 {
			w.Errorf("%d failures are counted, want 1", n)
		}
		if end := w.Storage.Attempts(); end != time.Now().Add(instance.SaveTimeout) {
			w.Errorf("attempts end at %v", end)
		}
	})
	story(t, "a shard that is away is not asked", func(w *world) {
		w.Store.Away(true)
		time.Sleep(10 * time.Second)
		w.Store.Calls()
		if _, err := save(w, w.version); !errors.Is(err, failure.ErrNotAsked) || len(w.Store.Calls()) != 0 {
			w.Errorf("it came to %v", err)
		}
	})
}

// A record lives as long as its session, or as a tombstone does.
func TestWhenTheStoreMayForget(t *testing.T) {
	story(t, "a session", func(w *world) {
		idle := time.UnixMilli(w.st.LastSeen).Add(instance.Idle + instance.Refresh)
		if at := w.Storage.Expires(w.st); !at.Equal(idle) {
			w.Errorf("a session expires at %v, want %v", at, idle)
		}
		short := w.st
		short.End = short.LastSeen + 1
		if at := w.Storage.Expires(short); at.UnixMilli() != short.End {
			w.Errorf("a session that ends before expires at %v", at)
		}
		dead := state.State{Death: w.Clock.Death(state.Destroyed)}
		if at := w.Storage.Expires(dead); !at.Equal(time.Now().Add(instance.TombstoneLife)) {
			w.Errorf("a tombstone expires at %v", at)
		}
		if w.Storage.Expired(w.st, idle.Add(-1)) || !w.Storage.Expired(w.st, idle) || w.Storage.Expired(dead, idle.Add(time.Hour)) {
			w.Error("it is not over when its time is")
		}
	})
}

// format is another program's, whose records are those of ours, without dates.
type format struct {
	foreign.Format
	expires time.Time
	err     error
}

func (f *format) Encode(_ context.Context, st state.State, _ time.Time) ([]byte, time.Time, error) {
	return st.Encode(), f.expires, f.err
}

func (f *format) Decode(data []byte, _ time.Time) (state.State, error) {
	st, err := state.Decode(data)
	if st.Dead() {
		return st, err
	}
	return state.State{Entries: st.Entries, Created: st.Created}, err
}

// Of another program's records the library says what they do not.
func TestAnotherProgramsRecords(t *testing.T) {
	f := new(format)
	storyOf(t, "dates", func(i *instance.Instance) {
		*f = format{}
		i.Storage.Format = f
	}, func(w *world) {
		now := time.Now()
		st, err := w.Storage.Decode(w.st.Encode())
		if err != nil || st.Created != w.st.Created || st.Authenticated != now.UnixMilli() || st.LastSeen != now.UnixMilli() || st.End < now.Add(99*365*24*time.Hour).UnixMilli() {
			w.Errorf("it came to %+v, %v", st, err)
		}
		time.Sleep(2 * instance.Idle)
		if r, err := w.load(context.Background(), false); err != nil || r.Version != w.version {
			w.Errorf("what the store has it has: %+v, %v", r, err)
		}
		_, at, _ := w.Storage.Encode(context.Background(), w.st)
		if !at.Equal(w.Storage.Expires(w.st)) {
			w.Errorf("it expires at %v", at)
		}
		f.expires = time.Now().Add(time.Second)
		if _, at, _ := w.Storage.Encode(context.Background(), w.st); at != f.expires {
			w.Errorf("it expires at %v, want when the other program says", at)
		}
		dead := state.State{Death: w.Clock.Death(state.Destroyed)}
		if _, at, _ := w.Storage.Encode(context.Background(), dead); !at.Equal(w.Storage.Expires(dead)) {
			w.Errorf("a tombstone expires at %v", at)
		}
		if st, err := w.Storage.Decode(dead.Encode()); err != nil || st.Death != dead.Death {
			w.Errorf("a tombstone is %+v, %v", st, err)
		}
		f.err = errors.New("no such value there")
		w.Store.Calls()
		if _, err := w.Storage.Save(context.Background(), "a", w.st, w.version); !errors.Is(err, f.err) || len(w.Store.Calls()) != 0 {
			w.Errorf("what cannot be said came to %v", err)
		}
	})
}

// Calls that bypass the breaker read past all caches.
func TestAReadIsPastAllCaches(t *testing.T) {
	story(t, "with the budget of its call", func(w *world) {
		w.Store.Cache()
		newer := w.Store.Set("a", w.st.Seen(time.Now().Add(time.Second)))
		c, err := w.Shards.AllowLoad(context.Background(), "a", true)
		if err != nil {
			w.Fatal(err)
		}
		c.Budget = 10 * time.Millisecond
		if r, err := w.Storage.Read(context.Background(), c); err != nil || r.Version != newer {
			w.Errorf("it came to %+v, %v", r, err)
		}
		w.takes(time.Hour)
		began := time.Now()
		if _, err := w.Storage.Read(context.Background(), c); !failure.IsAway(err) || time.Since(began) > 10*time.Millisecond {
			w.Errorf("it came to %v after %v", err, time.Since(began))
		}
	})
}

// The breaker is told what the store itself answers to loads.
func TestTheBreakerIsToldOfLoads(t *testing.T) {
	loads := func(w *world, fails bool, n int) {
		fate := instance.Fate{}
		if fails {
			fate.Err = instance.ErrRefused
		}
		w.Store.Plan(func(instance.Call) instance.Fate { return fate })
		for range n {
			_, _ = w.load(context.Background(), true)
		}
	}
	want := func(w *world, state failover.State) {
		w.Helper()
		if got := w.Shards.Stats().Shards[0].State; got != state {
			w.Errorf("the shard is %v, want %v", got, state)
		}
	}
	story(t, "five that fail in a row", func(w *world) {
		loads(w, true, 4)
		want(w, failover.Serving)
		loads(w, true, 1)
		want(w, failover.Away)
	})
	story(t, "and one that works between them", func(w *world) {
		for range 2 {
			loads(w, true, 4)
			loads(w, false, 1)
		}
		want(w, failover.Serving)
	})
	story(t, "but a cache says nothing about the store", func(w *world) {
		w.Store.Cache()
		for range 4 {
			loads(w, true, 1)
			w.Store.Plan(nil)
			if r, err := w.load(context.Background(), false); err != nil || !r.Cached {
				w.Errorf("the cache answered %+v, %v", r, err)
			}
		}
		loads(w, true, 1)
		want(w, failover.Away)
	})
}

// And what it answers to saves: one that fails them all is sent none any more.
func TestTheBreakerIsToldOfSaves(t *testing.T) {
	save := func(w *world, err error, n int) {
		w.Store.Plan(func(c instance.Call) (f instance.Fate) {
			if c.ID == "a" {
				f.Err = err
			}
			return f
		})
		for range n {
			_, _ = w.Storage.Save(context.Background(), "a", w.st.Seen(time.Now()), record.Any)
		}
	}
	story(t, "five that fail in a row", func(w *world) {
		save(w, instance.ErrRefused, 4)
		if !w.Shards.TakesSaves("a") {
			w.Error("after four it is sent none")
		}
		save(w, instance.ErrRefused, 1)
		if w.Shards.TakesSaves("a") {
			w.Error("after five it is sent more")
		}
	})
	story(t, "and one that works between them", func(w *world) {
		for range 2 {
			save(w, instance.ErrRefused, 4)
			save(w, nil, 1)
		}
		if !w.Shards.TakesSaves("a") {
			w.Error("it is sent none")
		}
	})
}
