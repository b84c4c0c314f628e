package failover_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// recordIn returns the bytes of a record of the library's own in a shard, nil if there is
// none.
func (w *world) recordIn(shard, base string) []byte {
	if len(w.Shards.Store.Shards()) > 0 {
		one, err := w.Shards.Store.Pin(shard)
		if err != nil {
			w.Fatal(err)
		}
		r, _ := one.Load(context.Background(), recordid.Numbered(base, 0), true)
		return r.Data
	}
	for n := range 1000 {
		id := recordid.Numbered(base, n)
		if w.Shards.Store.Shard(id) != shard {
			continue
		}
		r, err := w.Shards.Store.Load(context.Background(), id, true)
		if err != nil {
			return nil
		}
		return r.Data
	}
	w.Fatalf("no ID for %s in shard %s", base, shard)
	return nil
}

// log returns the IDs in the log of this process in a shard, as the store has it.
func (w *world) log(shard string) (ids []string) {
	w.Helper()
	m, err := revoked.DecodeMembers(w.recordIn(shard, recordid.Members))
	if err != nil {
		w.Fatal(err)
	}
	for _, row := range m.Rows {
		if row.Instance != w.Clock.Instance {
			continue
		}
		for at := row.First; at < row.Next; {
			end := (at/revoked.Block + 1) * revoked.Block // the end of a block that is written at once
			seg, err := revoked.DecodeSegment(w.recordIn(shard, recordid.Segment(row.Log, true, at/revoked.Block)))
			if err != nil {
				seg, err = revoked.DecodeSegment(w.recordIn(shard, recordid.Segment(row.Log, false, at/revoked.SmallPart)))
				end = seg.First + uint32(len(seg.Tombstones))
			}
			if err != nil || end <= at {
				w.Fatalf("the log has no segment for %d of %d: %v", at, row.Next, err)
			}
			for _, x := range seg.Tombstones {
				ids = append(ids, x.ID.String())
			}
			at = end
		}
	}
	return ids
}

// logged returns how often each ID is in the log of this process, if there is one shard.
// The log may go further than the members record says.
func (w *world) logged() map[string]int {
	w.Helper()
	all := make(map[string]int)
	m, err := revoked.DecodeMembers(w.recordIn("", recordid.Members))
	if err != nil {
		w.Fatal(err)
	}
	for _, row := range m.Rows {
		if row.Instance != w.Clock.Instance {
			continue
		}
		for at := uint32(0); ; at++ {
			seg, err := revoked.DecodeSegment(w.recordIn("", recordid.Segment(row.Log, false, at)))
			if err != nil {
				break
			}
			for _, x := range seg.Tombstones {
				all[x.ID.String()]++
			}
		}
	}
	return all
}

// A log has the tombstones of its own shard, and none that ended nothing.
func TestWhatALogHas(t *testing.T) {
	ctx := context.Background()
	sharded := func(i *instance.Instance) {
		i.Store.ShardOf = func(id string) string { return string("ab"[id[len(id)-1]%2]) }
	}
	storyOf(t, "those of its own shard, also where it is written anew", true, sharded, func(w *world) {
		var mine, theirs string
		for n := 0; mine == "" || theirs == ""; n++ {
			id := longID(fmt.Sprint(n))
			if w.Shards.Store.Shard(id) == "a" {
				mine = id
			} else {
				theirs = id
			}
		}
		for _, id := range []string{mine, theirs} {
			w.Shards.Wrote(ctx, id, w.Clock.Death(state.Destroyed))
		}
		time.Sleep(2 * time.Second)
		w.Store.Empty()
		time.Sleep(10 * time.Second)
		if got := w.log("a"); !slices.Equal(got, []string{mine}) {
			w.Errorf("the log of shard a has %q, want %q alone", got, mine)
		}
		if got := w.log("b"); !slices.Equal(got, []string{theirs}) {
			w.Errorf("the log of shard b has %q, want %q alone", got, theirs)
		}
	})
	story(t, "not an end of nothing", func(w *world) {
		var saves atomic.Int64
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.Save && segments(c) {
				saves.Add(1)
			}
			return instance.Fate{}
		})
		g := journal.Unseen(longID("made up"), w.Clock.Death(state.Destroyed))
		if d, err := w.Shards.EndOne(ctx, &g, record.Any); d != failover.Durable || err != nil {
			w.Errorf("the end came to %v, %v", d, err)
		}
		time.Sleep(3 * time.Second)
		if got := w.log(""); len(got) > 0 || saves.Load() > 0 {
			w.Errorf("the log has %q after %d saves, want nothing", got, saves.Load())
		}
	})
	story(t, "at once after a second loss, what it took over after the first", func(w *world) {
		other := w.beside()
		x := longID("x")
		other.Shards.Wrote(ctx, x, other.Clock.Death(state.Destroyed))
		time.Sleep(2 * time.Second)
		w.knows(x, state.Destroyed)
		_ = other.Shards.Close(ctx)
		w.Store.Empty()
		time.Sleep(20 * time.Second)
		if got := w.log(""); !slices.Equal(got, []string{x}) {
			w.Fatalf("after the first loss the log has %q, want what stood in that of the instance that is gone", got)
		}
		w.Store.Empty()
		time.Sleep(1100 * time.Millisecond)
		if got := w.log(""); !slices.Equal(got, []string{x}) {
			w.Errorf("an interval after the second loss the log has %q, want %q", got, x)
		}
	})
}

// When a log was removed from the members record, another log gets its number, and its
// tombstones belong to no log: after a loss every instance that still has them writes
// them.
func TestTombstonesOfALogThatHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		store := new(instance.Store)
		start := func() *world { return &world{T: t, Instance: instance.New(t, store, true, nil)} }
		gone := start()
		x := longID("x")
		gone.Shards.Wrote(ctx, x, gone.Clock.Death(state.Destroyed))
		time.Sleep(2 * time.Second)
		_ = gone.Shards.Close(ctx)
		time.Sleep(instance.TombstoneLife - time.Minute)
		w := start() // reads the log shortly before its row goes
		w.knows(x, state.Destroyed)
		time.Sleep(4 * time.Minute) // the row was removed, and its number is free
		other := start()
		other.knows(x, 0)
		w.knows(x, state.Destroyed)
		store.Empty() // and then the other's log, which is written anew, has the number
		time.Sleep(20 * time.Second)
		if got := w.log(""); !slices.Equal(got, []string{x}) {
			t.Errorf("after the loss the log has %q, want %q, which stands in no other", got, x)
		}
	})
}

// What a process begins to restore before it has read the logs of all shards may lie, with
// its tombstone, on another one for an instance of before.
func TestAProcessThatBeginsWaitsForTheLogsOfAllShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newServers()
		first, _ := all.with(t, "abc") // whose members records are older than a minute
		closed(t, first)
		all["b"].Away(true)
		l := &list{all: all}
		l.set("abc")
		i := instance.Start(t, new(instance.Store), true, func(i *instance.Instance) {
			i.Shards.Store = l
			i.Storage.Store = l
		})
		w := &world{T: t, Instance: i}
		b := w.copyOf(idOn(0, "abc", "a", "abc", "a"), w.live("x", "1"))
		restore := func() error {
			_, err := i.Shards.PrepareRestore(t.Context(), b, true)
			return err
		}
		time.Sleep(3 * time.Second)
		if err := restore(); !errors.Is(err, failure.ErrForgetful) {
			t.Errorf("with the log of another shard unread: %v", err)
		}
		all["b"].Away(false)
		time.Sleep(3 * time.Second)
		if err := restore(); err != nil {
			t.Errorf("with all logs read: %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		all := newServers()
		first, _ := all.with(t, "abc")
		closed(t, first)
		all["b"].Away(true)
		i, _ := all.with(t, "abc") // a minute after it began
		w := &world{T: t, Instance: i}
		b := w.copyOf(idOn(0, "abc", "a", "abc", "a"), w.live("x", "1"))
		if _, err := i.Shards.PrepareRestore(t.Context(), b, true); err != nil {
			t.Errorf("a minute after the process began, with a shard away: %v", err)
		}
	})
}
