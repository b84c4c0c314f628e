package redisstore

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
)

var v1, v2, v3 = session.Version{1}, session.Version{2}, session.Version{3}

func TestAFloorAdmitsWhatIsNotOlderThanTheWrite(t *testing.T) {
	const key = "k"
	tests := []struct {
		name   string
		do     func(f *floors)
		set    bool
		admits session.Version // Absent: none
	}{
		{"nothing was written", func(f *floors) {}, false, session.Absent},
		{"another key was written", func(f *floors) {
			f.lift("other")
			f.settle("other", v1, true)
		}, false, session.Absent},
		{"a write is under way", func(f *floors) { f.lift(key) }, true, session.Absent},
		{"a write was acknowledged", func(f *floors) {
			f.lift(key)
			f.settle(key, v1, true)
		}, true, v1},
		{"nobody knows whether the write happened", func(f *floors) {
			f.lift(key)
			f.settle(key, v1, false)
		}, true, session.Absent},
		{"a write fails after one that did not", func(f *floors) {
			f.lift(key)
			f.settle(key, v1, true)
			f.lift(key)
			f.settle(key, v2, false)
		}, true, session.Absent},
		{"two writes at once, in an order that nobody knows", func(f *floors) {
			f.lift(key)
			f.lift(key)
			f.settle(key, v1, true)
			f.settle(key, v2, true)
		}, true, session.Absent},
		{"one of two is still under way", func(f *floors) {
			f.lift(key)
			f.lift(key)
			f.settle(key, v1, true)
		}, true, session.Absent},
		{"two at once, then one alone", func(f *floors) {
			f.lift(key)
			f.lift(key)
			f.settle(key, v1, true)
			f.settle(key, v2, true)
			f.lift(key)
			f.settle(key, v3, true)
		}, true, v3},
		{"a read after the write found somebody else's", func(f *floors) {
			f.lift(key)
			f.settle(key, v1, true)
			f.raise(key, f.of(key), v2)
		}, true, v2},
		{"a read after a failed write", func(f *floors) {
			f.lift(key)
			f.settle(key, v1, false)
			f.raise(key, f.of(key), v2)
		}, true, v2},
		{"of two reads at once the later to answer is not believed", func(f *floors) {
			f.lift(key)
			f.settle(key, v1, true)
			a, b := f.of(key), f.of(key)
			f.raise(key, b, v3)
			f.raise(key, a, v2)
		}, true, v3},
		{"a read that began before the write", func(f *floors) {
			f.lift(key)
			f.settle(key, v1, true)
			before := f.of(key)
			f.lift(key)
			f.settle(key, v2, true)
			f.raise(key, before, v3)
		}, true, v2},
		{"a read that began while the write was under way", func(f *floors) {
			f.lift(key)
			during := f.of(key)
			f.settle(key, v2, true)
			f.raise(key, during, v1)
		}, true, v2},
		{"a read with no floor sets none", func(f *floors) { f.raise(key, f.of(key), v1) }, false, session.Absent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFloors(time.Minute)
			tt.do(f)
			got := f.of(key)
			if got.set != tt.set || got.version != tt.admits {
				t.Errorf("got set %v and version %x, want %v and %x", got.set, got.version, tt.set, tt.admits)
			}
			if want := tt.set && tt.admits == session.Absent; got.closed() != want {
				t.Errorf("closed: got %v, want %v", got.closed(), want)
			}
		})
	}
}

func TestAFloorOutlivesWhateverTheCacheHeldAtTheWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFloors(time.Minute)
		f.lift("k")
		time.Sleep(time.Hour) // the write is slow: its floor does not lapse meanwhile
		if !f.of("k").closed() {
			t.Error("the floor of a write that is under way has lapsed")
		}
		f.settle("k", v1, true)
		time.Sleep(time.Minute + stall - time.Millisecond)
		if !f.of("k").set {
			t.Error("the floor has lapsed too early")
		}
		time.Sleep(time.Millisecond)
		if f.of("k").set {
			t.Error("the floor has not lapsed")
		}
	})
}

func TestFloorsTakeBoundedMemoryAndWhatIsDroppedIsNotReadFromTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFloors(time.Minute)
		const keys = 3 * floorShards * shardFloors
		for i := range keys {
			key := fmt.Sprint(i)
			f.lift(key)
			f.settle(key, v1, true)
		}
		for i := range f.shards {
			if got := len(f.shards[i].keys); got > shardFloors {
				t.Errorf("shard %d: got %d floors, want at most %d", i, got, shardFloors)
			}
		}
		for i := range keys {
			if !f.of(fmt.Sprint(i)).set {
				t.Fatalf("key %d has no floor, and was written just now", i)
			}
		}
		time.Sleep(time.Minute + stall)
		for i := range keys {
			if f.of(fmt.Sprint(i)).set {
				t.Fatalf("the floor of key %d has not lapsed", i)
			}
		}
		for i := range f.shards { // the next write tidies up
			f.shards[i].mu.Lock()
			f.shards[i].pruneLocked(time.Now().UnixMilli())
			if got := len(f.shards[i].keys) + f.shards[i].oldest.Len(); got != 0 {
				t.Errorf("shard %d: got %d floors, want none", i, got)
			}
			f.shards[i].mu.Unlock()
		}
	})
}

func TestNoFloorsAreNoFloors(t *testing.T) {
	var f *floors
	f.lift("k")
	f.settle("k", v1, true)
	f.raise("k", f.of("k"), v2)
	if f.of("k").set {
		t.Error("a store without a cache has a floor")
	}
}
