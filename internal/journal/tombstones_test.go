package journal

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/state"
)

func TestATombstoneTakesTheCopiesOut(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		j := New(plenty)
		j.add("A", copyOf("a", 4, "delivered"))
		j.deliver("A", "a", unix(1))
		j.add("B", copyOf("a", 5, "v"))
		locked := 0
		count := func() {
			if !j.mu.TryRLock() {
				locked++
			}
		}
		added, err := j.AddTombstone("A", Owed("a", death(9, 1, state.Destroyed)), count, func(c state.Copy, g Tombstone) bool {
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
			j := New(plenty)
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
	j := New(plenty)
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
	j := New(plenty)
	j.enter(Stored("a", death(5, 1, state.Rotated)))
	logout := Owed("a", death(9, 1, state.Destroyed))
	logout.Line = true
	if !j.enter(logout).Line {
		t.Error("what the rotation made does not end")
	}
	if j.enter(logout).Line {
		t.Error("what the rotation made ends twice")
	}
	if got := j.enter(Owed("a", death(10, 1, state.Destroyed))).Tombstone; !got.Line {
		t.Error("a logout that ends one session makes the journal forget that another ends the line")
	}
}

func TestDeliveryOfATombstone(t *testing.T) {
	pending := Owed("a", death(5, 1, state.Destroyed))
	pending.Unverified, pending.Until = true, 100
	t.Run("arrives", func(t *testing.T) {
		j := New(plenty)
		j.enter(pending)
		j.Refused("a")
		if got := j.PendingTombstones("A"); len(got) != 1 || got[0].ID != "a" {
			t.Fatalf("pending are %v", got)
		}
		j.Arrived(pending, pending.Death, 500)
		wantStats(t, j, Stats{Known: 1, Delivered: 1})
		want := Stored("a", pending.Death)
		want.Until = 500
		if got, _ := j.Tombstone("a"); got != want {
			t.Errorf("the tombstone is %+v", got)
		}
		j.Arrived(pending, pending.Death, 900)
		wantStats(t, j, Stats{Known: 1, Delivered: 1})
		if got, _ := j.Tombstone("a"); got != want {
			t.Errorf("what arrived twice is %+v", got)
		}
		j.Arrived(Tombstone{ID: "x"}, pending.Death, 500)
	})
	t.Run("arrives again", func(t *testing.T) {
		j := New(plenty)
		j.enter(Stored("a", pending.Death))
		j.Republish("A", true, nothing)
		wantStats(t, j, Stats{Again: 1, Known: 1})
		j.Arrived(j.PendingTombstones("A")[0], pending.Death, 500)
		wantStats(t, j, Stats{Known: 1})
	})
	t.Run("has changed meanwhile", func(t *testing.T) {
		j := New(plenty)
		j.enter(pending)
		j.enter(Owed("a", death(9, 2, state.Revoked)))
		j.Arrived(pending, pending.Death, 500)
		wantStats(t, j, Stats{Tombstones: 1, Known: 1})

		moved := Moved("b", pending.Death, "c")
		j.enter(moved)
		moved.Successor = ""
		j.Arrived(moved, pending.Death, 500)
		wantStats(t, j, Stats{Tombstones: 2, Known: 2})
	})
	t.Run("is refused", func(t *testing.T) {
		j := New(plenty)
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
		j := New(plenty)
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
		j := New(plenty)
		unseen := Unseen("a", death(5, 1, state.Destroyed))
		unseen.Pending = true
		j.enter(unseen)
		j.enter(Owed("b", death(5, 1, state.Destroyed)))
		j.NothingToEnd("a")
		j.NothingToEnd("b")
		j.NothingToEnd("x")
		wantStats(t, j, Stats{Tombstones: 1, Known: 2})
	})
}

func TestPendingTombstonesComeYoungestFirst(t *testing.T) {
	j := New(plenty)
	for _, id := range []string{"a", "b", "c", "a"} {
		j.enter(Owed(id, death(5, 1, state.Destroyed)))
	}
	j.enterAt("B", Owed("d", death(5, 1, state.Destroyed)))
	var got []string
	for _, g := range j.PendingTombstones("A") {
		got = append(got, g.ID)
	}
	if want := []string{"a", "c", "b"}; !slices.Equal(got, want) {
		t.Errorf("pending are %v, want %v", got, want)
	}
	if got := j.PendingTombstones("C"); len(got) > 0 {
		t.Errorf("of a shard that has none: %v", got)
	}
}

func TestAShardThatLostItsDataIsToldAgain(t *testing.T) {
	j := New(plenty)
	j.enter(Stored("stored", death(5, 1, state.Destroyed)))
	j.enterAt("B", Stored("elsewhere", death(5, 1, state.Destroyed)))
	j.enter(Unseen("never", death(5, 1, state.Destroyed)))
	unknown := Unseen("unknown", death(5, 1, state.Destroyed))
	unknown.Pending = true
	j.enter(unknown)
	told := 0
	j.Republish("A", true, func() {
		if !j.mu.TryRLock() {
			told++
		}
	})
	wantStats(t, j, Stats{Tombstones: 1, Again: 1, Known: 3})
	if got, _ := j.Tombstone("unknown"); got.IfStored {
		t.Error("that the shard has nothing still counts")
	}
	if j.Owes("B") {
		t.Error("another shard is told")
	}
	if told != 1 {
		t.Errorf("the breaker was told %d times", told)
	}
	j = New(plenty)
	j.enter(Stored("stored", death(5, 1, state.Destroyed)))
	j.Republish("A", false, func() { t.Error("told of what is not pending") })
	j.Republish("B", true, func() { t.Error("told of nothing") })
	wantStats(t, j, Stats{Known: 1})
}

func TestTombstonesExpireUnlessTheyArePending(t *testing.T) {
	j := New(plenty)
	for i, g := range []Tombstone{
		Stored("a", death(5, 1, state.Destroyed)), Owed("b", death(5, 1, state.Destroyed)),
		Unseen("c", death(5, 1, state.Destroyed)), Stored("d", death(5, 1, state.Destroyed)),
	} {
		g.Until = []int64{10, 11, 12, 20}[i]
		j.enter(g)
	}
	j.Expire(unix(9), unix(9))
	wantStats(t, j, Stats{Tombstones: 1, Known: 4})
	j.Expire(unix(12), unix(12))
	wantStats(t, j, Stats{Tombstones: 1, Known: 2})
	if _, ok := j.Tombstone("d"); !ok {
		t.Error("what has not expired is gone")
	}
}

func TestSupersedesWhatAnotherWriterRotated(t *testing.T) {
	link := state.NewLink(state.Dot{Clock: 3, Instance: 2}, unix(9), [state.LinkRandom]byte{}, id32('f'))
	renewal := Moved("a", death(5, 1, state.Renewed), "b")
	own, rotation, theSame := renewal, renewal, renewal
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
