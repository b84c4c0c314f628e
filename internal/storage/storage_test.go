package storage_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/foreign"
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
}

func story(t *testing.T, name string, do func(w *world)) {
	t.Helper()
	storyOf(t, name, nil, do)
}

func storyOf(t *testing.T, name string, adjust func(*instance.Instance), do func(w *world)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := &world{T: t, Instance: instance.New(t, new(instance.Store), true, adjust)}
			now := time.Now().UnixMilli()
			w.st = state.State{Created: now, Authenticated: now, LastSeen: now, End: now + instance.Lifetime.Milliseconds()}
			w.version = w.Store.Set("a", w.st)
			do(w)
		})
	})
}

func (w *world) load(ctx context.Context, fresh bool) (record.Session, error) {
	var r record.Session
	err := w.Storage.Load(ctx, "a", false, fresh, &r)
	return r, err
}

// takes makes each load take so long.
func (w *world) takes(d time.Duration) {
	w.Store.Plan(func(c instance.Call) instance.Fate {
		if c.ID == "a" && !c.Save {
			return instance.Fate{Takes: d}
		}
		return instance.Fate{}
	})
}

// Loads of one session are coalesced, and nobody is shown what was asked for before
// they came.
func TestLoadsAreCoalesced(t *testing.T) {
	story(t, "one that comes meanwhile waits for the next", func(w *world) {
		w.takes(5 * time.Millisecond)
		var wg sync.WaitGroup
		for n := range 6 {
			wg.Go(func() {
				time.Sleep(time.Duration(n) * time.Millisecond / 2)
				if r, err := w.load(context.Background(), false); err != nil || r.Version != w.version {
					w.Errorf("load %d came to %+v, %v", n, r, err)
				}
			})
		}
		wg.Wait()
		if calls := w.Store.Calls(); len(calls) != 2 {
			w.Errorf("the store was asked %d times, want 2", len(calls))
		}
		if n := w.Storage.Loads.Load(); n != 2 {
			w.Errorf("%d loads are counted, want 2", n)
		}
	})
	story(t, "not for longer than a part of its time", func(w *world) {
		w.takes(40 * time.Millisecond)
		go func() { _, _ = w.load(context.Background(), false) }()
		time.Sleep(time.Millisecond)
		began := time.Now()
		if _, err := w.load(context.Background(), false); err != nil {
			w.Errorf("it came to %v", err)
		}
		if took := time.Since(began); took < 50*time.Millisecond || took > 53*time.Millisecond {
			w.Errorf("it took %v, want a quarter of 50 ms and 40 ms", took)
		}
	})
	story(t, "not past a cache", func(w *world) {
		w.Store.Cache()
		newer := w.Store.Set("a", w.st.Seen(time.Now().Add(time.Second)))
		if r, err := w.load(context.Background(), false); err != nil || r.Version != w.version || !r.Cached {
			w.Errorf("the cache answered %+v, %v", r, err)
		}
		if r, err := w.load(context.Background(), true); err != nil || r.Version != newer || r.Cached {
			w.Errorf("past the cache it came to %+v, %v", r, err)
		}
	})
	story(t, "and the end of one request spoils no other", func(w *world) {
		w.takes(5 * time.Millisecond)
		go func() { _, _ = w.load(context.Background(), false) }()
		time.Sleep(time.Millisecond)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { _, _ = w.load(ctx, false) }()
		time.Sleep(time.Millisecond)
		time.AfterFunc(2*time.Millisecond, cancel)
		if r, err := w.load(context.Background(), false); err != nil || r.Version != w.version {
			w.Errorf("it came to %+v, %v", r, err)
		}
	})
}

// A load has three answers, and the failure is the store's or not.
func TestWhatALoadComesTo(t *testing.T) {
	story(t, "nothing", func(w *world) {
		w.Store.Remove("a")
		if _, err := w.load(context.Background(), false); !errors.Is(err, failure.ErrNotFound) {
			w.Errorf("it came to %v", err)
		}
	})
	story(t, "what has expired, with its version", func(w *world) {
		time.Sleep(instance.Idle + instance.Refresh - time.Millisecond)
		if _, err := w.load(context.Background(), false); err != nil {
			w.Errorf("it came to %v before its time was over", err)
		}
		time.Sleep(time.Millisecond)
		if r, err := w.load(context.Background(), false); !errors.Is(err, failure.ErrNotFound) || r.Version != w.version || r.State.Created != w.st.Created {
			w.Errorf("it came to %+v, %v", r, err)
		}
	})
	story(t, "silence for a whole budget", func(w *world) {
		w.takes(time.Hour)
		began, failures := time.Now(), w.Shards.Failures.Load()
		if _, err := w.load(context.Background(), false); !failure.IsAway(err) {
			w.Errorf("it came to %v", err)
		}
		if took := time.Since(began); took > instance.ReadTimeout || took < instance.ReadTimeout*31/32 {
			w.Errorf("it took %v", took)
		}
		if n := w.Shards.Failures.Load() - failures; n != 1 {
			w.Errorf("%d failures are counted, want 1", n)
		}
	})
	story(t, "the end of the request, before", func(w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := w.load(ctx, false); failure.IsAway(err) || !errors.Is(err, failure.ErrUnavailable) || len(w.Store.Calls()) != 0 {
			w.Errorf("it came to %v", err)
		}
	})
	story(t, "the end of the request, meanwhile", func(w *world) {
		w.takes(time.Hour)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		began, failures := time.Now(), w.Shards.Failures.Load()
		if _, err := w.load(ctx, false); failure.IsAway(err) || !errors.Is(err, failure.ErrUnavailable) {
			w.Errorf("it came to %v", err)
		}
		if took := time.Since(began); took != 20*time.Millisecond {
			w.Errorf("it took %v", took)
		}
		if n := w.Shards.Failures.Load() - failures; n != 0 {
			w.Errorf("%d failures of the store are counted, want none", n)
		}
	})
	story(t, "a record that cannot be read", func(w *world) {
		v := w.Store.SetRaw("a", []byte("not ours"))
		r, err := w.load(context.Background(), false)
		if failure.IsAway(err) || !errors.Is(err, failure.ErrUnavailable) || errors.Is(err, failure.ErrNotFound) || r.Unreadable != v {
			w.Errorf("it came to %+v, %v", r, err)
		}
	})
	story(t, "an answer that waited while this process stood still", func(w *world) {
		calls := 0
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.ID != "a" {
				return instance.Fate{}
			}
			if calls++; calls == 1 {
				return instance.Fate{Takes: instance.ReadTimeout + 21*time.Millisecond, Deaf: true, Err: context.DeadlineExceeded}
			}
			return instance.Fate{}
		})
		if r, err := w.load(context.Background(), false); err != nil || r.Version != w.version {
			w.Errorf("it came to %+v, %v", r, err)
		}
		calls = 0
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.ID != "a" {
				return instance.Fate{}
			}
			calls++
			return instance.Fate{Takes: instance.ReadTimeout + 20*time.Millisecond, Deaf: true, Err: context.DeadlineExceeded}
		})
		if _, err := w.load(context.Background(), false); !failure.IsAway(err) || calls != 1 {
			w.Errorf("after a timer of a busy scheduler it came to %v, in %d calls", err, calls)
		}
	})
}

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
		w.Store.Refuses = func([]byte, time.Time) error { return failure.ErrTooLarge }
		if _, err := save(w, w.version); !errors.Is(err, failure.ErrTooLarge) || failure.IsAway(err) {
			w.Errorf("it came to %v", err)
		}
		w.Store.Refuses = nil
	})
	story(t, "silence", func(w *world) {
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.ID == "a" {
				return instance.Never
			}
			return instance.Fate{}
		})
		began, failures := time.Now(), w.Shards.Failures.Load()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
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
