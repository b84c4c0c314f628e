package failover_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// shard returns the figures of the only shard.
func (w *world) shard() failover.ShardStats {
	w.Helper()
	all := w.Shards.Stats().Shards
	if len(all) != 1 {
		w.Fatalf("got %d shards, want 1", len(all))
	}
	return all[0]
}

// wantAgo wants a time to be so long ago, or up to two seconds longer.
func (w *world) wantAgo(what string, got time.Time, want time.Duration) {
	w.Helper()
	if late := time.Since(got) - want; late < 0 || late > 2*time.Second {
		w.Errorf("%s: %v ago, want %v", what, time.Since(got), want)
	}
}

func TestStatsTellHowFarInstancesAreBehind(t *testing.T) {
	story(t, "while the store is well, and away", func(w *world) {
		time.Sleep(3 * time.Second)
		w.wantAgo("heard", w.shard().Heard, 0)
		w.wantAgo("told", w.shard().Told, 0)
		w.Store.Away(true)
		time.Sleep(10 * time.Second)
		w.wantAgo("heard, away", w.shard().Heard, 10*time.Second)
		w.wantAgo("told, away", w.shard().Told, 10*time.Second)
	})
	story(t, "while the log is refused", func(w *world) {
		time.Sleep(3 * time.Second)
		w.Store.PlanFor(segments, instance.Fate{Err: errors.New("no room")})
		w.entomb(journal.Owed(longID("a"), w.Clock.Death(state.Destroyed)))
		time.Sleep(10 * time.Second)
		w.wantAgo("heard", w.shard().Heard, 0)
		w.wantAgo("told", w.shard().Told, 9*time.Second)
	})
	sharded := func(i *instance.Instance) {
		i.Store.ShardOf = func(id string) string { return string("ab"[id[len(id)-1]%2]) }
	}
	storyOf(t, "while a shard refuses saves, whose log is to have the revocation of a user as well", true, sharded, func(w *world) {
		user := revoked.UserID("ann")
		home := w.Shards.Store.Shard(user)
		away := map[string]string{"a": "b", "b": "a"}[home]
		told := func() time.Time {
			for _, s := range w.Shards.Stats().Shards {
				if s.Name == away {
					return s.Told
				}
			}
			w.Fatal("there is no such shard")
			return time.Time{}
		}
		w.Store.PlanFor(func(c instance.Call) bool {
			return c.Save && strings.HasPrefix(c.ID, "probe-") && w.Shards.Store.Shard(c.ID) == away
		}, instance.Fate{Err: errors.New("out of memory")})
		time.Sleep(10 * time.Second)
		w.wantAgo("told, before", told(), 0)
		g := journal.Stored(user, w.Clock.Death(state.Revoked))
		if _, err := w.Shards.EndOne(w.Context(), &g, record.Any); err != nil {
			w.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		w.wantAgo("told", told(), 10*time.Second)
		if log := w.log(away); len(log) > 0 {
			w.Errorf("the log has %q, which it is to get when the shard takes saves", log)
		}
		w.Store.Plan(nil)
		time.Sleep(10 * time.Second)
		w.wantAgo("told, afterwards", told(), 0)
		if log := w.log(away); !slices.Contains(log, revoked.IDOf(user).String()) {
			w.Errorf("the log has %q, want the revocation", log)
		}
	})
}

func TestStatsTellHowOldTheOldestDebtIs(t *testing.T) {
	story(t, "a change and a logout", func(w *world) {
		if got := w.Shards.Stats().Oldest; !got.IsZero() {
			t.Errorf("nothing is owed: got %v, want zero", got)
		}
		w.Store.Away(true)
		w.hint(w.copyOf(longID("a"), w.live("x", "1")))
		time.Sleep(10 * time.Second)
		w.entomb(journal.Owed(longID("b"), w.Clock.Death(state.Destroyed)))
		w.wantAgo("oldest", w.Shards.Stats().Oldest, 10*time.Second)
		w.Store.Away(false)
		time.Sleep(20 * time.Second)
		if got := w.Shards.Stats().Oldest; !got.IsZero() {
			t.Errorf("all was delivered: got %v, want zero", got)
		}
	})
}

func TestEvictionsAreToldOnceAMinute(t *testing.T) {
	var evicted atomic.Uint64
	var asked atomic.Int32
	var silent atomic.Bool
	evicts := func(i *instance.Instance) {
		i.Store.Evicted = func(string) (uint64, error) {
			asked.Add(1)
			if silent.Load() {
				return 0, errors.New("no answer")
			}
			return evicted.Load(), nil
		}
	}
	evicted.Store(1000)
	storyOf(t, "by a store that counts them", true, evicts, func(w *world) {
		time.Sleep(3 * time.Second)
		w.wantHeard()
		evicted.Store(1007)
		time.Sleep(30 * time.Second)
		w.wantHeard()
		time.Sleep(30 * time.Second)
		w.wantHeard("evicted  7")
		time.Sleep(time.Minute)
		w.wantHeard()
		silent.Store(true)
		time.Sleep(time.Minute)
		w.wantHeard()
		silent.Store(false)
		evicted.Store(2) // it was started again
		time.Sleep(time.Minute)
		w.wantHeard("evicted  2")
		if got := w.shard().Evictions; got != 9 {
			t.Errorf("got %d evictions, want 9", got)
		}
		w.Store.Away(true)
		time.Sleep(10 * time.Second)
		before := asked.Load()
		time.Sleep(5 * time.Minute)
		if n := asked.Load() - before; n != 0 {
			t.Errorf("a shard that is away was asked %d times", n)
		}
	})
}

// A full revocation set forgets, and says so.
func TestTombstonesThatAreForgottenEarlyAreTold(t *testing.T) {
	few := func(i *instance.Instance) { i.Shards.Revocations = 100_000 }
	storyOf(t, "by a set that is full", true, few, func(w *world) {
		const all = 5000
		for n := range all {
			w.entomb(journal.Stored(longID(fmt.Sprint(n)), w.death(state.Destroyed)))
		}
		time.Sleep(5 * time.Second)
		st := w.Shards.Stats().Journal
		if st.Early == 0 || st.Early+st.Known != all {
			t.Fatalf("%d are known and %d were forgotten early, of %d", st.Known, st.Early, all)
		}
		told := slices.DeleteFunc(w.heard(), func(s string) bool { return s[:5] != "early" })
		if want := []string{fmt.Sprintf("early %d", st.Early)}; !slices.Equal(told, want) {
			t.Errorf("the hooks were told %q, want %q", told, want)
		}
	})
}
