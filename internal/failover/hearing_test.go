package failover_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// What a log lacks is told to it until it has it, and once.
func TestALogGetsWhatItLacks(t *testing.T) {
	ctx := context.Background()
	story(t, "once it takes saves", func(w *world) {
		other := w.beside()
		var fails atomic.Bool
		var saves atomic.Int64
		fails.Store(true)
		w.Store.Plan(func(c instance.Call) instance.Fate {
			switch {
			case !c.Save || !segments(c):
			case fails.Load():
				return instance.Fate{Err: errors.New("out of memory")}
			default:
				saves.Add(1)
			}
			return instance.Fate{}
		})
		w.Shards.Wrote(ctx, longID("a"), w.Clock.Death(state.Destroyed))
		time.Sleep(2300 * time.Millisecond)
		other.knows(longID("a"), 0)
		fails.Store(false)
		time.Sleep(3 * time.Second)
		other.knows(longID("a"), state.Destroyed)
		saves.Store(0)
		time.Sleep(10 * time.Second)
		if saves.Load() > 0 {
			w.Errorf("%d saves of what the log has", saves.Load())
		}
	})
	story(t, "although a request ends the session while the process ends", func(w *world) {
		other := w.beside()
		w.Store.PlanFor(func(c instance.Call) bool { return c.Save && strings.HasPrefix(c.ID, "probe-") }, instance.Fate{Takes: 90 * time.Millisecond, Deaf: true})
		time.Sleep(time.Second) // a probe is under way, and Close waits for it
		time.AfterFunc(10*time.Millisecond, func() { w.Shards.Wrote(ctx, longID("a"), w.Clock.Death(state.Destroyed)) })
		closed(w.T, w.Instance)
		time.Sleep(3 * time.Second)
		other.knows(longID("a"), state.Destroyed)
	})
	story(t, "although others write the members record first", func(w *world) {
		other := w.beside()
		var saves atomic.Int64
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.Save && c.ID == members {
				if saves.Add(1) == 1 {
					r, _ := w.Shards.Store.Load(ctx, members, true)
					w.Store.SetRaw(members, r.Data)
				}
			}
			return instance.Fate{}
		})
		w.Shards.Wrote(ctx, longID("a"), w.Clock.Death(state.Destroyed))
		time.Sleep(300 * time.Millisecond) // the next exchange has not begun
		if log := w.log(""); !slices.Equal(log, []string{longID("a")}) {
			w.Errorf("by the members record the log has %q", log)
		}
		time.Sleep(800 * time.Millisecond)
		if saves.Load() < 2 {
			w.Errorf("%d saves of the members record", saves.Load())
		}
		other.knows(longID("a"), state.Destroyed)
	})
	story(t, "and is read past all caches", func(w *world) {
		other := w.beside()
		w.Store.Cache()
		w.Shards.Wrote(ctx, longID("a"), w.Clock.Death(state.Destroyed))
		time.Sleep(3 * time.Second)
		other.knows(longID("a"), state.Destroyed)
	})
	story(t, "and keeps a rotation no longer than others", func(w *world) {
		other := w.beside()
		w.Shards.Wrote(ctx, longID("a"), w.rotated("b"))
		time.Sleep(13 * time.Second)
		other.knows(longID("a"), state.Rotated)
		time.Sleep(instance.TombstoneLife + 2*time.Minute)
		other.knows(longID("a"), 0)
	})
}

// An instance that starts does not take the name of a server for a restart.
func TestTheFirstIncarnationIsNoRestart(t *testing.T) {
	ctx := context.Background()
	named := func(i *instance.Instance) {
		i.Store.Incarnation = func(string) (string, error) { return "1", nil }
	}
	storyOf(t, "for those that are there", true, named, func(w *world) {
		w.beside()
		w.wantHeard()
	})
	var answers atomic.Bool
	late := func(i *instance.Instance) {
		i.Store.Incarnation = func(string) (string, error) {
			if !answers.Load() {
				return "", errors.New("no answer")
			}
			return "1", nil
		}
	}
	storyOf(t, "for one that learns the name after it has heard the logs", true, late, func(w *world) {
		for range 2 { // the first look finds a store without a members record
			_, _ = w.Shards.PrepareRestore(ctx, w.copyOf("a", w.live("x", "1")), true)
		}
		time.Sleep(10 * time.Second)
		answers.Store(true)
		time.Sleep(10 * time.Second)
		if told := w.heard(); slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, "forgot") }) {
			w.Errorf("the hooks were told %q", told)
		}
	})
}

// What a request has ended by a save of its own is told to the log at once, whatever the
// delivery loop does, and by one call at a time.
func TestALogIsToldAtOnce(t *testing.T) {
	ctx := context.Background()
	probes := func(c instance.Call) bool { return c.Save && strings.HasPrefix(c.ID, "probe-") }
	story(t, "while a probe is under way", func(w *world) {
		w.Store.PlanFor(probes, instance.Fate{Takes: 95 * time.Millisecond})
		for _, name := range []string{"a", "b"} {
			time.Sleep(time.Second) // 10 ms after the next probe began
			w.Shards.Wrote(ctx, longID(name), w.Clock.Death(state.Renewed))
			time.Sleep(5 * time.Millisecond)
			if j := w.logged(); j[longID(name)] != 1 {
				w.Errorf("5 ms later the log has %v", j)
			}
		}
	})
	story(t, "and what comes meanwhile next", func(w *world) {
		var saves atomic.Int64
		w.Store.Plan(func(c instance.Call) instance.Fate {
			switch {
			case probes(c):
				return instance.Fate{Takes: 95 * time.Millisecond}
			case c.Save && segments(c):
				saves.Add(1)
				return instance.Fate{Takes: 10 * time.Millisecond}
			}
			return instance.Fate{}
		})
		time.Sleep(time.Second)
		for n := range 20 {
			w.Shards.Wrote(ctx, longID(fmt.Sprint(n)), w.Clock.Death(state.Renewed))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(25 * time.Millisecond)
		if n := saves.Load(); n > 4 {
			w.Errorf("%d saves of the log in 45 ms, each of which takes 10 ms", n)
		}
		for id, n := range w.logged() {
			if n != 1 {
				w.Errorf("the log has %s %d times", id, n)
			}
		}
		if n := len(w.logged()); n != 20 {
			w.Errorf("the log has %d of 20", n)
		}
	})
	story(t, "and again, where it has refused an end", func(w *world) {
		refusals := 2 // the save of the end, and the one with which the log is tried again at once
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.Save && segments(c) && refusals > 0 {
				refusals--
				return instance.Fate{Err: errors.New("out of memory")}
			}
			return instance.Fate{}
		})
		endsAs(w.T, w.Instance, longID("a"), failover.Pending)
		time.Sleep(100 * time.Millisecond) // neither a probe nor an exchange has begun
		if log := w.logged(); log[longID("a")] == 0 {
			w.Errorf("the log has %v", log)
		}
	})
	story(t, "but not by each request where it refuses", func(w *world) {
		var tries atomic.Int64
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.Save && segments(c) {
				tries.Add(1)
				return instance.Fate{Err: errors.New("out of memory")}
			}
			return instance.Fate{}
		})
		for n := range 500 {
			w.Shards.Wrote(ctx, longID(fmt.Sprint(n)), w.Clock.Death(state.Renewed))
			time.Sleep(time.Millisecond)
		}
		if n := tries.Load(); n == 0 || n > 20 {
			w.Errorf("%d attempts in half a second", n)
		}
		w.Store.Plan(nil)
		time.Sleep(2500 * time.Millisecond)
		told := w.log("")
		slices.Sort(told) // one whose save failed may be there twice
		if n := len(slices.Compact(told)); n != 500 {
			w.Errorf("the log has %d of 500", n)
		}
	})
	story(t, "but not by an end that finds the shard away", func(w *world) {
		w.Store.Plan(func(instance.Call) instance.Fate { return instance.Never })
		time.Sleep(20 * time.Second)
		began := time.Now()
		endsAs(w.T, w.Instance, longID("a"), failover.Pending)
		if took := time.Since(began); took > instance.SaveTimeout {
			w.Errorf("it took %v, want a save's budget", took)
		}
	})
	story(t, "but not of a token that somebody may have made up", func(w *world) {
		w.entomb(journal.Unseen(longID("made up"), w.Clock.Death(state.Destroyed)))
		time.Sleep(2 * time.Second)
		if log := w.logged(); len(log) > 0 {
			w.Errorf("the log has %v", log)
		}
	})
}

// A look that a request waits for asks for no more than the logs.
func TestALookForARequestAsksForNoIncarnation(t *testing.T) {
	var asked atomic.Int64
	counted := func(i *instance.Instance) {
		i.Store.Incarnation = func(string) (string, error) {
			asked.Add(1)
			return "1", nil
		}
	}
	storyOf(t, "of a session that is put back", true, counted, func(w *world) {
		before := asked.Load()
		if _, err := w.Shards.PrepareRestore(w.Context(), w.copyOf("a", w.live("x", "1")), true); err != nil {
			w.Error(err)
		}
		if n := asked.Load() - before; n > 0 {
			w.Errorf("it was asked for %d times", n)
		}
	})
}

// If an instance cannot tell of ends, and did not hear of them before that, the earlier of the
// two counts.
func TestEndsAreHeardUntilTheFirstThatFailed(t *testing.T) {
	const long = 30 * time.Second
	exchanges := func(c instance.Call) bool { return !c.Save && segments(c) } // loads of what others have added
	for _, c := range []struct {
		name        string
		first, then func(instance.Call) bool
	}{
		{"exchanges, and saves later", exchanges, instance.Saves},
		{"saves, and exchanges later", instance.Saves, instance.CallsFor(members)},
	} {
		story(t, c.name, func(w *world) {
			other := w.beside()
			other.Shards.Wrote(w.Context(), longID("x"), w.Clock.Death(state.Destroyed))
			time.Sleep(10 * time.Second)
			w.knows(longID("x"), state.Destroyed)
			began := time.Now()
			w.Store.PlanFor(c.first, instance.Fate{Err: instance.ErrRefused})
			other.Shards.Wrote(w.Context(), longID("y"), w.Clock.Death(state.Destroyed))
			time.Sleep(long)
			second := time.Now()
			w.Store.PlanFor(func(call instance.Call) bool { return c.first(call) || c.then(call) },
				instance.Fate{Err: instance.ErrRefused})
			time.Sleep(long)
			if w.Shards.Writable(longID("a")) {
				w.Fatal("the shard takes saves")
			}
			if heard, _ := w.Shards.EndsHeardUntil(longID("a")); heard.Before(began.Add(-5*time.Second)) || heard.After(began) {
				w.Errorf("ends are heard until %v after the first failed, and the second did %v after it", heard.Sub(began), second.Sub(began))
			}
		})
	}
}
