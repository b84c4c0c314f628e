package journal

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

func TestATombstoneTakesTheCopiesOut(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		j := New(plenty, plenty)
		j.add("A", copyOf("a", 4, "delivered"))
		j.deliver("A", "a", unix(1))
		j.add("B", copyOf("a", 5, "v"))
		locked := 0
		count := func() {
			if !j.mu.TryRLock() {
				locked++
			}
		}
		added, err := j.AddTombstone("A", Owed("a", death(9, 1, state.Destroyed)), now, count, func(c state.Copy, g Tombstone) bool {
			count()
			return c.ID == "a" && g.ID == "a" && keeps
		})
		if locked != 2 || err != nil {
			t.Errorf("%d of 2 were told under the lock; error %v", locked, err)
		}
		if value(added.Owed) != "v" {
			t.Errorf("what was owed is %+v", added.Owed)
		}
		if _, ok := j.Copy("a"); ok {
			t.Error("a dead session can be read")
		}
		wantStats(t, j, Stats{Tombstones: 1, Known: 1, Delivered: 1})
		want := uint64(0)
		if !keeps {
			want = 1
		}
		if got := j.Stats("B").Lost; got != want {
			t.Errorf("%d are lost, want %d", got, want)
		}
	}
}

func TestWhatAnotherWriterHasEndedEndsTheSuccessor(t *testing.T) {
	renewed := Moved("a", death(5, 1, state.Renewed), "b")
	rotated := Moved("a", death(5, 1, state.Rotated), "b")
	logout := Stored("a", death(7, 2, state.Destroyed))
	ifLive := logout
	ifLive.IfLive = true
	rotatedTwice := rotated
	rotatedTwice.Death.Dot.Clock, rotatedTwice.Successor = 7, "c"
	for _, test := range []struct {
		name      string
		old, new  Tombstone
		ends      []string
		conflict  bool
		successor string
	}{
		{"a logout after a renewal", renewed, logout, []string{"b"}, true, ""},
		{"a renewal after a logout", logout, renewed, []string{"b"}, true, ""},
		{"the same renewal twice", renewed, renewed, nil, false, "b"},
		{"a renewal, and its death alone", renewed, Owed("a", renewed.Death), nil, false, "b"},
		{"a second rotation", rotated, rotatedTwice, nil, false, "c"},
		{"a logout after a rotation", rotated, logout, []string{"b"}, false, ""},
		{"a logout that leaves a tombstone alone", Stored("a", death(5, 1, state.Destroyed)), ifLive, nil, false, ""},
		{"a logout before the renewal is known to stand", renewed, ifLive, []string{"b"}, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := New(plenty, plenty)
			j.enter(test.old)
			added := j.enter(test.new)
			if !slices.Equal(added.AlsoEnd, test.ends) {
				t.Errorf("also ends %v, want %v", added.AlsoEnd, test.ends)
			}
			if added.Tombstone.Conflict != test.conflict || added.Tombstone.Successor != test.successor {
				t.Errorf("conflict %v, successor %q; want %v, %q", added.Tombstone.Conflict, added.Tombstone.Successor, test.conflict, test.successor)
			}
			if got, _ := j.Tombstone("a"); got != added.Tombstone {
				t.Errorf("the journal keeps %+v, and returned %+v", got, added.Tombstone)
			}
		})
	}
}

func TestATombstoneThatStandsKeepsItsDeath(t *testing.T) {
	j := New(plenty, plenty)
	j.enter(Stored("a", death(5, 1, state.Revoked)))
	if got := j.enter(Unseen("a", death(9, 2, state.Destroyed))).Tombstone; got != Stored("a", death(5, 1, state.Revoked)) {
		t.Errorf("the tombstone became %+v", got)
	}
	if !(Tombstone{Conflict: true}).ByOtherWriter(state.Superseded{}) {
		t.Error("a conflict is not by another writer")
	}
	if (Tombstone{Death: death(5, 1, state.Rotated)}).ByOtherWriter(state.Superseded{}) {
		t.Error("a rotation is by another writer")
	}
	if !(&Tombstone{}).EndedNothing() || (&Tombstone{Death: death(1, 1, state.Revoked)}).EndedNothing() {
		t.Error("EndedNothing is not whether there is no death")
	}
}

func TestTheLineEndsOnce(t *testing.T) {
	j := New(plenty, plenty)
	j.enter(Stored("a", death(5, 1, state.Rotated)))
	logout := Owed("a", death(9, 1, state.Destroyed))
	logout.EndsSuccessors = true
	if !j.enter(logout).EndsSuccessors {
		t.Error("what the rotation made does not end")
	}
	if j.enter(logout).EndsSuccessors {
		t.Error("what the rotation made ends twice")
	}
	if got := j.enter(Owed("a", death(10, 1, state.Destroyed))).Tombstone; !got.EndsSuccessors {
		t.Error("a logout that ends one session makes the journal forget that another ends the line")
	}
}

func TestDeliveryOfATombstone(t *testing.T) {
	pending := Owed("a", death(5, 1, state.Destroyed))
	pending.Unverified = true
	t.Run("arrives", func(t *testing.T) {
		j := New(plenty, plenty)
		j.enter(pending)
		j.Refused("a")
		if got := j.PendingTombstones("A"); len(got) != 1 || got[0].ID != "a" {
			t.Fatalf("pending are %v", got)
		}
		if !j.Arrived(pending, pending.Death, now) {
			t.Error("that it arrived is no news")
		}
		wantStats(t, j, Stats{Known: 1, Delivered: 1})
		want := Stored("a", pending.Death)
		if got, _ := j.Tombstone("a"); got != want {
			t.Errorf("the tombstone is %+v", got)
		}
		if j.Arrived(pending, pending.Death, now) {
			t.Error("that it arrived is news twice")
		}
		wantStats(t, j, Stats{Known: 1, Delivered: 1})
		if got, _ := j.Tombstone("a"); got != want {
			t.Errorf("what arrived twice is %+v", got)
		}
		j.Arrived(Tombstone{ID: "x"}, pending.Death, now)
	})
	t.Run("arrives again", func(t *testing.T) {
		j := New(plenty, plenty)
		lost := Owed("a", pending.Death)
		lost.Again = true
		j.enter(Stored("a", pending.Death))
		j.enter(lost)
		wantStats(t, j, Stats{Again: 1, Known: 1})
		if j.Arrived(j.PendingTombstones("A")[0], pending.Death, now) {
			t.Error("that it arrived again is news")
		}
		wantStats(t, j, Stats{Known: 1})
	})
	t.Run("has changed meanwhile", func(t *testing.T) {
		j := New(plenty, plenty)
		j.enter(pending)
		j.enter(Owed("a", death(9, 2, state.Revoked)))
		j.Arrived(pending, pending.Death, now)
		wantStats(t, j, Stats{Tombstones: 1, Known: 1})

		moved := Moved("b", pending.Death, "c")
		j.enter(moved)
		moved.Successor = ""
		j.Arrived(moved, pending.Death, now)
		wantStats(t, j, Stats{Tombstones: 2, Known: 2})
	})
	t.Run("is refused", func(t *testing.T) {
		j := New(plenty, plenty)
		j.enter(pending)
		for range 2 {
			if waiting, blind := j.Waiting("A", 2, func() { t.Error("told that nothing waits") }); !waiting || !blind {
				t.Errorf("waiting %v, blind %v", waiting, blind)
			}
			j.Refused("a")
			j.Refused("x")
		}
		told := false
		if waiting, _ := j.Waiting("A", 2, func() { told = !j.mu.TryRLock() }); waiting || !told {
			t.Errorf("waiting %v; told under the lock: %v", waiting, told)
		}
		for range 1000 {
			j.Refused("a")
		}
		if waiting, _ := j.Waiting("A", 256, nothing); !waiting {
			t.Error("it waits no more where every number of tries is few")
		}
		if waiting, _ := j.Waiting("A", 255, nothing); waiting {
			t.Error("after a thousand tries it has fewer than 255")
		}
		j.enter(j.PendingTombstones("A")[0])
		if waiting, _ := j.Waiting("A", 1, nothing); !waiting {
			t.Error("one that was entered again is not tried anew")
		}
	})
	t.Run("waits for a look at another session", func(t *testing.T) {
		j := New(plenty, plenty)
		j.enter(Moved("a", death(5, 1, state.Renewed), "b"))
		ifLive := Owed("c", death(5, 1, state.Destroyed))
		ifLive.IfLive = true
		j.enter(ifLive)
		if waiting, blind := j.Waiting("A", 9, nothing); !waiting || blind {
			t.Errorf("waiting %v, blind %v", waiting, blind)
		}
		told := false
		if waiting, _ := j.Waiting("B", 9, func() { told = true }); waiting || !told {
			t.Errorf("of a shard that has nothing: waiting %v, told %v", waiting, told)
		}
	})
	t.Run("has nothing to end", func(t *testing.T) {
		j := New(plenty, plenty)
		unseen := Unseen("a", death(5, 1, state.Destroyed))
		unseen.Pending = true
		j.enter(unseen)
		j.enter(Owed("b", death(5, 1, state.Destroyed)))
		for _, id := range []string{"a", "b", "x"} {
			j.NothingToEnd(id, now)
		}
		wantStats(t, j, Stats{Tombstones: 1, Known: 2})
		want := unseen
		want.Pending = false
		if got, _ := j.Tombstone("a"); got != want {
			t.Errorf("the tombstone is %+v", got)
		}
	})
}

func TestPendingTombstonesComeYoungestFirst(t *testing.T) {
	j := New(plenty, plenty)
	for _, id := range []string{"a", "b", "c", "a"} {
		j.enter(Owed(id, death(5, 1, state.Destroyed)))
	}
	j.enterAt("B", Owed("d", death(5, 1, state.Destroyed)))
	pending := func(shard string) (ids []string) {
		for _, g := range j.PendingTombstones(shard) {
			ids = append(ids, g.ID)
		}
		return ids
	}
	wantIDs(t, pending("A"), "a", "c", "b")
	wantIDs(t, pending("C"))
}

func TestAShardThatLostItsDataProvesNothing(t *testing.T) {
	j := New(plenty, plenty)
	unknown := Unseen("unknown", death(5, 1, state.Destroyed))
	unknown.Pending = true
	j.enter(unknown)
	elsewhere := unknown
	elsewhere.ID = "elsewhere"
	j.enterAt("B", elsewhere)
	j.enter(Unseen("never", death(5, 1, state.Destroyed)))
	j.LostData("A")
	j.LostData("C")
	for id, want := range map[string]bool{"unknown": false, "elsewhere": true, "never": true} {
		if got, _ := j.Tombstone(id); got.IfStored != want {
			t.Errorf("that the shard has nothing of %s counts: %v, want %v", id, got.IfStored, want)
		}
	}
}

func TestTombstonesExpireUnlessTheyArePending(t *testing.T) {
	j := New(plenty, plenty)
	for i, g := range []Tombstone{
		Stored("a", death(5, 1, state.Destroyed)), Owed("b", death(5, 1, state.Destroyed)),
		Unseen("c", death(5, 1, state.Destroyed)), Stored("d", death(5, 1, state.Destroyed)),
	} {
		if _, err := j.AddTombstone("A", g, time.Unix(int64(1000+100*i), 0), nothing, loses); err != nil {
			t.Fatal(err)
		}
	}
	j.Expire(time.Unix(1000, 0), time.Unix(1000, 0), now)
	wantStats(t, j, Stats{Tombstones: 1, Known: 4})
	j.Expire(time.Unix(1300, 0), time.Unix(1300, 0), now)
	wantStats(t, j, Stats{Tombstones: 1, Known: 2})
	if _, ok := j.Tombstone("d"); !ok {
		t.Error("what has not expired is gone")
	}
}

func TestSupersedesWhatAnotherWriterRotated(t *testing.T) {
	link := state.NewLink(state.Dot{Clock: 3, Instance: 2}, unix(9), [state.LinkRandom]byte{}, id32('f'))
	renewal := Moved("a", death(5, 1, state.Renewed), "b")
	own := renewal
	rotation := renewal
	theSame := renewal
	own.Death.Dot = state.Dot{Clock: 3, Instance: 2}
	rotation.Rotated = true
	theSame.Successor = id32('f')
	for _, test := range []struct {
		name string
		t    Tombstone
		l    state.Link
		want bool
	}{
		{"a renewal over another's rotation", renewal, link, true},
		{"no link", renewal, "", false},
		{"no successor", Tombstone{ID: "a"}, link, false},
		{"by a rotation", rotation, link, false},
		{"its own link", own, link, false},
		{"to the same session", theSame, link, false},
	} {
		if got := test.t.Supersedes(test.l); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func id32(r byte) string { return strings.Repeat(string(rune(r)), 32) }

func TestConstructorsSayWhatTheStoreKnows(t *testing.T) {
	d, turn := death(5, 1, state.Renewed), death(5, 1, state.Rotated)
	for _, test := range []struct{ got, want Tombstone }{
		{Stored("a", d), Tombstone{ID: "a", Death: d}},
		{Owed("a", d), Tombstone{ID: "a", Death: d, Pending: true}},
		{Moved("a", d, "b"), Tombstone{ID: "a", Death: d, Pending: true, Successor: "b"}},
		{Moved("a", turn, "b"), Tombstone{ID: "a", Death: turn, Pending: true, Successor: "b", Rotated: true}},
		{Unseen("a", d), Tombstone{ID: "a", Death: d, IfLive: true, Unverified: true, IfStored: true}},
	} {
		if test.got != test.want {
			t.Errorf("got %+v, want %+v", test.got, test.want)
		}
	}
}
