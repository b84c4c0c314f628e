package failover_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// world is an instance with a store, and what its hooks were told.
type world struct {
	*testing.T
	*instance.Instance

	mu   sync.Mutex // guards told
	told []string
}

// story runs a test in virtual time, on an instance with a backup.
func story(t *testing.T, name string, do func(w *world)) {
	t.Helper()
	storyOf(t, name, true, nil, do)
}

func storyOf(t *testing.T, name string, backup bool, adjust func(*instance.Instance), do func(w *world)) {
	t.Helper()
	w := new(world)
	hear := func(i *instance.Instance) {
		i.Shards.Hooks = w.hooks()
		if adjust != nil {
			adjust(i)
		}
	}
	instance.Test(t, name, backup, hear, func(t *testing.T, i *instance.Instance) {
		w.T = t
		w.Instance = i
		w.heard()
		do(w)
	})
}

func (w *world) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, fmt.Sprintf(format, args...))
}

// heard returns what the hooks were told since it was asked last.
func (w *world) heard() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.told
	w.told = nil
	return told
}

// wantHeard compares what the hooks were told, but for single failures.
func (w *world) wantHeard(want ...string) {
	w.Helper()
	got := slices.DeleteFunc(w.heard(), func(s string) bool { return strings.HasPrefix(s, "failed") })
	if !slices.Equal(got, want) {
		w.Errorf("the hooks were told %q, want %q", got, want)
	}
}

func (w *world) hooks() failover.Hooks {
	return failover.Hooks{
		Down: func(_ context.Context, shard string, err error) { w.tell("down %s: %v", shard, err) },
		StillDown: func(_ context.Context, o failover.Outage) {
			w.tell("still down %s for %v: %v", o.Shard, o.Duration.Round(time.Second), o.Err)
		},
		Up: func(_ context.Context, o failover.Outage) {
			w.tell("up %s after %v, %d wait", o.Shard, o.Duration.Round(time.Second), o.States+o.Tombstones)
		},
		Settled: func(_ context.Context, o failover.Outage) {
			w.tell("settled %s, delivered %d, lost %d", o.Shard, o.Delivered, o.Lost)
		},
		Forgot:  func(_ context.Context, shard string) { w.tell("forgot %s", shard) },
		Evicted: func(_ context.Context, shard string, records uint64) { w.tell("evicted %s %d", shard, records) },
		Early:   func(_ context.Context, tombstones int) { w.tell("early %d", tombstones) },
		Failed: func(_ context.Context, shard string, operation failover.Operation, id string, err error) {
			w.tell("failed %s %s %s: %v", shard, operation, id, err)
		},
		Overflow: func(_ context.Context, id string) { w.tell("overflow %s", id) },
		Dropped:  func(_ context.Context, id string, err error) { w.tell("dropped %s: %v", id, err) },
	}
}

// live is a live state with the values, which another instance wrote now.
func (w *world) live(values ...string) state.State {
	now := time.Now()
	st := state.State{
		Created: now.UnixMilli(), Authenticated: now.UnixMilli(), LastSeen: now.UnixMilli(),
		End: now.Add(instance.Lifetime).UnixMilli(),
	}
	return w.write(st, values...)
}

// write writes values to a state, each with a dot of its own.
func (w *world) write(st state.State, values ...string) state.State {
	for i := 0; i < len(values); i += 2 {
		st = st.Write([]state.Change{{Name: values[i], Value: []byte(values[i+1])}}, w.Clock.Dot(st))
	}
	return st
}

// copyOf is a copy that vouches.
func (w *world) copyOf(id string, st state.State, supersedes ...state.Superseded) state.Copy {
	return state.Copy{ID: id, State: st, Confirmed: time.Now().UnixMilli(), Supersedes: supersedes}
}

// death is a death by another instance.
func (w *world) death(why state.Reason) state.Death {
	d := w.Clock.Death(why)
	d.Dot.Instance++
	return d
}

// rotated is a death by a rotation that leads to a session.
func (w *world) rotated(successor string) state.Death {
	d := w.death(state.Rotated)
	d.Link = state.NewLink(d.Dot, time.Now(), [state.LinkRandom]byte{1}, longID(successor))
	return d
}

// longID is an ID of the form that ours have.
func longID(name string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(name)))[:32] }

func (w *world) hint(c state.Copy) {
	w.Helper()
	if kept, _ := w.Shards.Of(c.ID).AddHint(context.Background(), c); !kept {
		w.Errorf("there is no room for the state of %s", c.ID)
	}
}

func (w *world) entomb(t journal.Tombstone) {
	w.Helper()
	if err := w.Shards.Of(t.ID).AddTombstone(context.Background(), t); err != nil {
		w.Errorf("the tombstone of %s: %v", t.ID, err)
	}
}

// stored compares a value that the store has.
func (w *world) stored(id, name, want string) {
	w.Helper()
	st, _ := w.Store.Get(id)
	if got, err := state.Lookup(st, nil, name); string(got) != want {
		w.Errorf("the store has %s = %q of %s, %v, want %q", name, got, id, err, want)
	}
}

// wantDead wants a tombstone in the store.
func (w *world) wantDead(id string, why state.Reason) state.Death {
	w.Helper()
	st, _ := w.Store.Get(id)
	if st.Death.Reason != why {
		w.Errorf("the store has %+v for %s, want a death for reason %d", st, id, why)
	}
	return st.Death
}

// wantNothing wants no record in the store.
func (w *world) wantNothing(id string) {
	w.Helper()
	if st, _ := w.Store.Get(id); st.Created != 0 || st.Dead() {
		w.Errorf("the store has %+v for %s, want nothing", st, id)
	}
}

func (w *world) wantOwed(states, tombstones int) {
	w.Helper()
	j := w.Shards.Stats().Journal
	if j.States != states || j.Tombstones != tombstones {
		w.Errorf("the store lacks %d states and %d tombstones, want %d and %d", j.States, j.Tombstones, states, tombstones)
	}
}

// wantLost wants so many states to have been lost for good.
func (w *world) wantLost(states uint64) {
	w.Helper()
	if j := w.Shards.Stats().Journal; j.Lost != states {
		w.Errorf("the journal has lost %d states, want %d: %+v", j.Lost, states, j)
	}
}

// learns has the instance hear of the end of a session.
func (w *world) learns(id string, d state.Death) { w.Shards.Learn(context.Background(), id, d) }

// saved are the IDs of the sessions that were saved, in their order.
func (w *world) saved() (ids []string) {
	for _, c := range w.Store.Calls() {
		if c.Save {
			ids = append(ids, c.ID)
		}
	}
	return slices.Compact(ids)
}

// refuse makes the saves of a session fail.
func (w *world) refuse(id string, err error) {
	w.Store.PlanFor(instance.SavesOf(id), instance.Fate{Err: err})
}

// outage takes the store away for long enough that the breaker trips, and gives it
// back when the function it returns is called.
func (w *world) outage() (end func()) {
	w.Store.Away(true)
	time.Sleep(10 * time.Second)
	w.heard()
	return func() {
		w.Store.Calls()
		w.Store.Away(false)
	}
}

// backup reports whether there is one.
func (w *world) backup() bool { return w.Shards.JournalBytes > 0 }

// overtake makes another instance write a state right before the first save of a
// session.
func (w *world) overtake(id string, with state.State) { w.overtakeTimes(id, 1, 0, with) }

// overtakeTimes is overtake for the first saves, which take so long.
func (w *world) overtakeTimes(id string, times int, takes time.Duration, with state.State) {
	w.Store.Plan(func(c instance.Call) instance.Fate {
		if !c.Save || c.ID != id || times == 0 {
			return instance.Fate{}
		}
		times--
		w.Store.Set(id, with)
		return instance.Fate{Takes: takes}
	})
}
