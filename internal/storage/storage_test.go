package storage_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
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
	instance.Test(t, name, true, adjust, func(t *testing.T, i *instance.Instance) {
		w := &world{T: t, Instance: i}
		now := time.Now().UnixMilli()
		w.st = state.State{Created: now, Authenticated: now, LastSeen: now, End: now + instance.Lifetime.Milliseconds()}
		w.version = w.Store.Set("a", w.st)
		do(w)
	})
}

func (w *world) load(ctx context.Context, fresh bool) (record.Session, error) {
	var r record.Session
	err := w.Storage.Load(ctx, "a", false, fresh, &r)
	return r, err
}

// takes makes each load take so long.
func (w *world) takes(d time.Duration) {
	w.Store.PlanFor(func(c instance.Call) bool { return c.ID == "a" && !c.Save }, instance.Fate{Takes: d})
}

// Loads of one session are coalesced, and no caller gets an answer that was asked for
// before it came.
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
	story(t, "what the store has is not idle, whatever the clock says", func(w *world) {
		for _, ago := range []time.Duration{0, instance.Idle + instance.Refresh - time.Millisecond} {
			time.Sleep(ago)
			if r, err := w.load(context.Background(), false); err != nil || r.State.LastSeen != w.st.LastSeen {
				w.Errorf("after %v it came to %+v, %v", ago, r.State, err)
			}
		}
		time.Sleep(time.Millisecond)
		r, err := w.load(context.Background(), false)
		if seen := time.Since(time.UnixMilli(r.State.LastSeen)); err != nil || seen != instance.Refresh {
			w.Errorf("it came to %v, seen %v ago, want a refresh of %v", err, seen, instance.Refresh)
		}
	})
	story(t, "and for a delivery it was used when it was used", func(w *world) {
		time.Sleep(instance.Idle + instance.Refresh)
		c, err := w.Shards.AllowSave(context.Background(), "a")
		if err != nil {
			w.Fatal(err)
		}
		if r, err := w.Storage.Read(context.Background(), c); err != nil || r.State.LastSeen != w.st.LastSeen {
			w.Errorf("it came to %+v, %v", r.State, err)
		}
	})
	story(t, "what has ended, with its version", func(w *world) {
		w.st.End = time.Now().Add(time.Second).UnixMilli()
		w.version = w.Store.Set("a", w.st)
		time.Sleep(time.Second - time.Millisecond)
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

// dated is another program's format, whose records are those of ours.
type dated struct{ foreign.Format }

func (dated) Decode(data []byte, _ time.Time) (state.State, error) { return state.Decode(data) }

// Where a shard went back further than tombstones live, what was used before may have ended
// since. A tombstone in it still ends its session.
func TestASessionOfBeforeTheShardWentBackIsNone(t *testing.T) {
	ctx := context.Background()
	members := recordid.Numbered(recordid.Members, 0)
	story(t, "and a tombstone is one", func(w *world) {
		r, err := w.Shards.Store.Load(ctx, members, true)
		if err != nil {
			w.Fatal(err)
		}
		time.Sleep(2 * instance.TombstoneLife)
		if _, err := w.load(ctx, true); err != nil {
			w.Errorf("before it went back: %v", err)
		}
		w.Store.SetRaw(members, r.Data)
		time.Sleep(2 * time.Second)
		if r, err := w.load(ctx, true); !errors.Is(err, failure.ErrNotFound) {
			w.Errorf("a session that was used before: %+v, %v", r, err)
		}
		w.Storage.Format = dated{}
		if _, err := w.load(ctx, true); err != nil {
			w.Errorf("another program's session, of which the store alone decides: %v", err)
		}
		w.Storage.Format = nil
		w.Store.Set("a", state.State{Death: w.Clock.Death(state.Destroyed)})
		if r, err := w.load(ctx, true); err != nil || !r.State.Dead() {
			w.Errorf("a tombstone: %+v, %v", r, err)
		}
	})
}
