package journal

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

const plenty = 1 << 30

func death(clock uint64, instance uint32, r state.Reason) state.Death {
	return state.Death{Dot: state.Dot{Clock: clock, Instance: instance}, Reason: r}
}

func copyOf(id string, clock uint64, value string) state.Copy {
	return state.Copy{ID: id, Confirmed: int64(clock), Saved: clock, State: state.State{
		Created: 1, End: 1000,
		Entries: state.PackChanges(state.Changes{{Name: "k", Value: []byte(value)}}, state.Dot{Clock: clock, Instance: 1}),
	}}
}

// begun is a copy of a session that began while the store could not be asked.
func begun(id string) state.Copy {
	c := copyOf(id, 5, "v")
	c.Born, c.NeverStored = true, true
	return c
}

func nothing()                             {}
func loses(state.Copy, Tombstone) bool     { return false }
func keepsAll(state.Copy, Tombstone) bool  { return true }
func (j *Journal) enter(t Tombstone) Added { return j.enterAt("A", t) }
func (j *Journal) enterAt(shard string, t Tombstone) Added {
	a, err := j.AddTombstone(shard, t, nothing, loses)
	if err != nil {
		panic(err)
	}
	return a
}

func (j *Journal) add(shard string, c state.Copy) {
	if _, err := j.Add(shard, c, false); err != nil {
		panic(err)
	}
}

func (j *Journal) keep(shard string, c state.Copy, until time.Time) {
	if _, err := j.Keep(shard, c, until); err != nil {
		panic(err)
	}
}

func (j *Journal) deliver(shard, id string, at time.Time) {
	for _, h := range j.Hints(shard) {
		if h.ID == id {
			j.Remove(h, true, at)
		}
	}
}

func value(c state.Copy) string {
	e, _ := c.State.Entries.Find("k")
	return string(e.Value)
}

func wantStats(t *testing.T, j *Journal, want Stats) {
	t.Helper()
	got := j.Stats("A")
	if got.Bytes = 0; got != want {
		t.Errorf("the journal has %+v, want %+v", got, want)
	}
}

func unix(ms int64) time.Time { return time.UnixMilli(ms) }

func TestAHintIsJoinedWithTheOneThatIsThere(t *testing.T) {
	j := New(plenty)
	first, second := copyOf("a", 5, "old"), copyOf("a", 9, "new")
	first.Born, first.NeverStored = true, true
	j.add("A", first)
	j.add("A", second)
	got, ok := j.Copy("a")
	if !ok || !got.Owed {
		t.Fatalf("found %v, owed %v", ok, got.Owed)
	}
	if value(got.Copy) != "new" {
		t.Errorf("the value is %q, want the later one", value(got.Copy))
	}
	if got.Confirmed != 9 || got.Saved != 5 || !got.Born || got.NeverStored {
		t.Errorf("confirmed %d, saved %d, born %v, never stored %v; want 9, 5, true, false", got.Confirmed, got.Saved, got.Born, got.NeverStored)
	}
	wantStats(t, j, Stats{States: 1})
}

func TestADeadSessionIsOwedNothing(t *testing.T) {
	j := New(plenty)
	j.enter(Stored("a", death(3, 1, state.Destroyed)))
	if o, err := j.Add("A", copyOf("a", 9, "late"), false); err != nil || !o.Ended || o.Tombstone.Death.Dot.Clock != 3 {
		t.Errorf("Add after the end returned %+v, %v", o, err)
	}
	if o, err := j.Keep("A", copyOf("a", 9, "late"), unix(1)); err != nil || !o.Ended || o.Tombstone.Death.Dot.Clock != 3 {
		t.Errorf("Keep after the end returned %+v, %v", o, err)
	}
	if _, ok := j.Copy("a"); ok {
		t.Error("a copy is kept of a session that has ended")
	}
}

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

func TestHintsComeOldestFirst(t *testing.T) {
	j := New(plenty)
	for _, id := range []string{"a", "b", "c", "a"} {
		j.add("A", copyOf(id, 5, "v"))
	}
	j.add("B", copyOf("d", 5, "v"))
	var got []string
	for _, h := range j.Hints("A") {
		got = append(got, h.ID)
	}
	if want := []string{"b", "c", "a"}; !slices.Equal(got, want) {
		t.Errorf("hints are %v, want %v", got, want)
	}
	if got := j.Hints("C"); len(got) > 0 {
		t.Errorf("of a shard that has none: %v", got)
	}
}

func TestDeliveryOfAHint(t *testing.T) {
	j := New(plenty)
	j.add("A", begun("a"))
	old := j.Hints("A")[0]
	j.add("A", begun("a"))
	j.Remove(old, false, unix(1))
	if h, _ := j.Copy("a"); !h.Born || !h.NeverStored {
		t.Error("the store had it, although nothing was delivered")
	}
	j.Remove(old, true, unix(1))
	wantStats(t, j, Stats{States: 1})
	if h, _ := j.Copy("a"); !h.Owed || h.Born || h.NeverStored {
		t.Errorf("owed %v, born %v, never stored %v; the store had an older one", h.Owed, h.Born, h.NeverStored)
	}
	j.deliver("A", "a", unix(1))
	wantStats(t, j, Stats{Delivered: 1, Reading: 1})
	j.add("A", copyOf("b", 5, "v"))
	b := j.Hints("A")[0]
	j.Remove(b, false, unix(1))
	j.Remove(b, false, unix(1))
	wantStats(t, j, Stats{Delivered: 1, Lost: 1, Reading: 1})
	if j.Owes("A") || j.Owes("B") {
		t.Error("it still owes something")
	}
}

func TestAHintIsNotMistakenForAnEarlierOne(t *testing.T) {
	j := New(plenty)
	j.add("A", copyOf("a", 5, "first"))
	first := j.Hints("A")[0]
	j.Remove(first, false, unix(1))
	j.add("A", copyOf("a", 9, "second"))
	j.Remove(first, true, unix(1))
	if h, _ := j.Copy("a"); !h.Owed || value(h.Copy) != "second" {
		t.Errorf("the second hint went with the first: %+v", h)
	}
}

func TestADeliveredCopyStaysReadable(t *testing.T) {
	j := New(plenty)
	c := begun("a")
	c.Supersedes = []state.Superseded{{ID: "before", Heir: true}}
	j.add("A", c)
	j.deliver("A", "a", unix(10))
	h, ok := j.Copy("a")
	if !ok || h.Owed || value(h.Copy) != "v" {
		t.Fatalf("what was delivered is %+v, %v", h, ok)
	}
	if h.Born || h.NeverStored || h.Saved != 5 || !h.Supersedes[0].Durable {
		t.Errorf("the store has it, and the copy says %+v", h.Copy)
	}
	for _, test := range []struct {
		name, shard string
		before      int64
		stays       bool
	}{
		{"a request that began before it is running", "A", 9, true},
		{"a request that began then is running", "A", 10, true},
		{"another shard serves", "B", 50, true},
		{"no request needs it", "A", 11, false},
	} {
		j.Forget(test.shard, unix(test.before))
		if _, ok := j.Copy("a"); ok != test.stays {
			t.Errorf("%s: readable %v, want %v", test.name, ok, test.stays)
		}
	}
}

func TestForgetTakesThoseThatItMay(t *testing.T) {
	j := New(plenty)
	for i, id := range []string{"b", "a", "c"} {
		j.add("A", copyOf(id, 5, "v"))
		j.deliver("A", id, unix([]int64{20, 10, 30}[i])) // a clock may be late
	}
	for _, before := range []int64{20, 30} {
		j.Forget("A", unix(before))
		for id, at := range map[string]int64{"a": 10, "b": 20, "c": 30} {
			if _, ok := j.Copy(id); ok != (at >= before) {
				t.Errorf("before %d: %s is readable %v", before, id, ok)
			}
		}
	}
	if got := j.parts["A"].earliest; !got.Equal(unix(30)) {
		t.Errorf("the next Forget has to look for those of before %v, want none before 30 ms", got)
	}
	j.Forget("A", unix(31))
	if got := j.parts["A"].earliest; !got.IsZero() {
		t.Errorf("the next Forget has to look for those of before %v, and there are none", got)
	}
}

func TestAWriteAfterADelivery(t *testing.T) {
	j := New(plenty)
	j.add("A", begun("a"))
	j.deliver("A", "a", unix(10))
	later := begun("a")
	later.State.Entries = state.PackChanges(state.Changes{{Name: "other", Value: []byte("w")}}, state.Dot{Clock: 9, Instance: 1})
	j.add("A", later)
	h, _ := j.Copy("a")
	if _, ok := h.State.Entries.Find("other"); !ok || value(h.Copy) != "v" || !h.Owed {
		t.Errorf("the journal knows %+v, want both joined, and owed", h)
	}
	if h.Born || h.NeverStored {
		t.Error("the store has had the session, and the hint denies it")
	}
	j.deliver("A", "a", unix(20))
	h, _ = j.Copy("a")
	if h.Owed || h.Saved != 9 || value(h.Copy) != "v" {
		t.Errorf("after both deliveries the journal knows %+v", h)
	}
	wantStats(t, j, Stats{Delivered: 2, Reading: 1})
	j.Forget("A", unix(20))
	if _, ok := j.Copy("a"); !ok {
		t.Error("the second delivery is forgotten with the first")
	}
}

func TestKeptUntilCarriedBack(t *testing.T) {
	saved := copyOf("a", 9, "new")
	saved.Born, saved.NeverStored = true, true
	older, newer := copyOf("a", 5, "old").State.Entries, copyOf("a", 10, "newest").State.Entries
	t.Run("a copy that covers it ends that", func(t *testing.T) {
		j := New(plenty)
		j.keep("A", saved, unix(30_000))
		if h, ok := j.Copy("a"); !ok || h.Owed || value(h.Copy) != "new" || h.Born || h.NeverStored {
			t.Errorf("kept is %+v, %v", h, ok)
		}
		wantStats(t, j, Stats{Reading: 1})
		j.Carried("a", older)
		j.Carried("x", newer)
		j.Forget("A", unix(40_000))
		if _, ok := j.Copy("a"); !ok {
			t.Error("it is gone with an older copy")
		}
		j.Carried("a", newer)
		if _, ok := j.Copy("a"); ok {
			t.Error("it is kept although the visitor has it")
		}
	})
	t.Run("or the time", func(t *testing.T) {
		j := New(plenty)
		j.keep("A", saved, unix(30_000))
		j.Expire(unix(29_999))
		if _, ok := j.Copy("a"); !ok {
			t.Error("it is gone before its time")
		}
		j.Expire(unix(30_000))
		if _, ok := j.Copy("a"); ok {
			t.Error("it is kept beyond its time")
		}
	})
	t.Run("but a delivered one stays until Forget", func(t *testing.T) {
		for name, over := range map[string]func(*Journal){
			"carried": func(j *Journal) { j.Carried("a", newer) },
			"expired": func(j *Journal) { j.Expire(unix(30_000)) },
		} {
			j := New(plenty)
			j.add("A", copyOf("a", 7, "v"))
			j.deliver("A", "a", unix(10))
			j.keep("A", saved, unix(30_000))
			over(j)
			checkChains(t, j)
			if _, ok := j.Copy("a"); !ok {
				t.Errorf("%s: a delivered copy is gone", name)
			}
			j.Carried("a", newer) // says nothing of one that was delivered
			j.Forget("A", unix(11))
			if _, ok := j.Copy("a"); ok {
				t.Errorf("%s: it stays for ever", name)
			}
		}
	})
	t.Run("and one that Forget would drop stays until then", func(t *testing.T) {
		j := New(plenty)
		j.add("A", copyOf("a", 7, "v"))
		j.deliver("A", "a", unix(10))
		j.keep("A", saved, unix(30_000))
		j.Forget("A", unix(11))
		if h, _ := j.Copy("a"); value(h.Copy) != "new" {
			t.Errorf("the journal knows %q", value(h.Copy))
		}
		j.Expire(unix(30_000))
		if _, ok := j.Copy("a"); ok {
			t.Error("it is kept beyond its time")
		}
	})
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
	j.Expire(unix(9))
	wantStats(t, j, Stats{Tombstones: 1, Known: 4})
	j.Expire(unix(12))
	wantStats(t, j, Stats{Tombstones: 1, Known: 2})
	if _, ok := j.Tombstone("d"); !ok {
		t.Error("what has not expired is gone")
	}
}

func TestMoveGivesEverythingToOtherShards(t *testing.T) {
	j := New(plenty)
	for _, id := range []string{"a1", "a2", "b1"} {
		j.enter(Owed(id+"pending", death(5, 1, state.Destroyed)))
		j.Refused(id + "pending")
	}
	j.enter(Stored("c1stored", death(5, 1, state.Destroyed)))
	j.add("A", copyOf("d1read", 5, "v"))
	j.add("A", copyOf("e1hint", 5, "v"))
	j.add("A", copyOf("f1hint", 5, "v"))
	j.add("b", copyOf("b2hint", 5, "v"))
	j.deliver("A", "d1read", unix(10))
	j.enter(Owed("Apending", death(5, 1, state.Destroyed)))
	j.enterAt("b", Owed("b3pending", death(5, 1, state.Destroyed)))
	j.add("A", copyOf("b4hint", 5, "v"))
	before := j.Total()

	told := map[string]int{}
	owed := j.Move("A", func(id string) string { return id[:1] }, func(shard string) {
		if !j.mu.TryRLock() {
			told[shard]++
		}
	})
	if want := []string{"a", "b", "e", "f"}; !slices.Equal(owed, want) {
		t.Errorf("owed something are %v, want %v", owed, want)
	}
	if want := map[string]int{"a": 1, "b": 1}; !reflect.DeepEqual(told, want) {
		t.Errorf("told of tombstones were %v, want %v", told, want)
	}
	if got := j.Total(); got != before {
		t.Errorf("all together are %+v, and were %+v", got, before)
	}
	if got := j.Stats("A"); got != (Stats{Tombstones: 1, Known: 1, Bytes: TombstoneSize, Delivered: 1}) {
		t.Errorf("the shard is left with %+v", got)
	}
	var hints, pending []string
	for _, h := range j.Hints("b") {
		hints = append(hints, h.ID)
	}
	for _, g := range j.PendingTombstones("b") {
		pending = append(pending, g.ID)
	}
	if !slices.Equal(hints, []string{"b2hint", "b4hint"}) || !slices.Equal(pending, []string{"b3pending", "b1pending"}) {
		t.Errorf("hints %v and tombstones %v are not in their order", hints, pending)
	}
	if waiting, _ := j.Waiting("a", 1, nothing); !waiting {
		t.Error("what the old shard refused counts against the new one")
	}
	j.Forget("d", unix(11))
	if _, ok := j.Copy("d1read"); ok {
		t.Error("a delivered copy is not forgotten where it is now")
	}
	if got := j.Move("nowhere", func(string) string { return "a" }, nothing2); got != nil {
		t.Errorf("a shard that has nothing has given something to %v", got)
	}
	checkChains(t, j)
}

func nothing2(string) {}

func TestATombstoneKnowsItsNewShard(t *testing.T) {
	j := New(plenty)
	j.enter(Owed("a", death(5, 1, state.Destroyed)))
	j.enterAt("B", Owed("a", death(5, 1, state.Destroyed)))
	j.add("A", copyOf("c", 5, "v"))
	j.add("B", copyOf("c", 5, "v"))
	if got, want := j.Stats("B"), (Stats{States: 1, Tombstones: 1, Known: 1, Bytes: j.Total().Bytes}); got != want || j.Owes("A") {
		t.Errorf("the new shard has %+v, want %+v; the old one is owed something: %v", got, want, j.Owes("A"))
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

func TestErrFullIsTheErrorOfEach(t *testing.T) {
	j := New(TombstoneSize)
	j.enter(Owed("a", death(5, 1, state.Destroyed)))
	before := j.Total()
	_, err := j.AddTombstone("A", Owed("b", death(5, 1, state.Destroyed)), func() { t.Error("told") }, keepsAll)
	_, addErr := j.Add("A", copyOf("b", 5, "v"), false)
	_, keepErr := j.Keep("A", copyOf("b", 5, "v"), unix(1))
	for _, err := range []error{err, addErr, keepErr} {
		if !errors.Is(err, ErrFull) {
			t.Errorf("the error is %v", err)
		}
	}
	if got := j.Total(); got != before {
		t.Errorf("the journal has %+v, and had %+v", got, before)
	}
}

// checkChains fails the test where a chain is not what its nodes say.
func checkChains(t *testing.T, j *Journal) {
	t.Helper()
	for name, c := range map[string]*chain[Tombstone]{"strangers": &j.strangers, "stored": &j.stored, "owed": &j.owed} {
		checkChain(t, name, byAge, c, name != "owed")
	}
	checkChain(t, "hints", byAge, &j.hintsByAge, true)
	checkChain(t, "reading", byAge, &j.readingByAge, true)
	checkChain(t, "settled", byExpiry, &j.settled, false)
	checkChain(t, "kept", byExpiry, &j.kept, true)
	for name, p := range j.parts {
		checkChain(t, "pending of "+name, byShard, &p.pending, false)
		checkChain(t, "settled of "+name, byShard, &p.settled, false)
		checkChain(t, "hints of "+name, byShard, &p.hints, false)
		checkChain(t, "reading of "+name, byShard, &p.reading, false)
	}
	if n := j.strangers.n + j.stored.n + j.owed.n; n != len(j.tombstones) {
		t.Errorf("%d tombstones stand in the order by age, and there are %d", n, len(j.tombstones))
	}
	until := 0
	for _, n := range j.reading {
		if !n.value.until.IsZero() {
			until++
		}
	}
	if until != j.kept.n {
		t.Errorf("%d copies stand in the order of expiry, and %d expire", j.kept.n, until)
	}
	if j.hintsByAge.n != len(j.hints) || j.readingByAge.n != len(j.reading) {
		t.Errorf("%d and %d copies stand in the order by age, and there are %d and %d", j.hintsByAge.n, j.readingByAge.n, len(j.hints), len(j.reading))
	}
}

func checkChain[T any](t *testing.T, name string, order int, c *chain[T], byAge bool) {
	t.Helper()
	var last *node[T]
	n, bytes := 0, int64(0)
	for e := range c.all(order) {
		if e.chains[order] != c || e.prev[order] != last {
			t.Fatalf("%s: a link leads elsewhere", name)
		}
		if byAge && last != nil && last.age >= e.age {
			t.Fatalf("%s: an older one stands behind", name)
		}
		last = e
		n++
		bytes += e.size
	}
	if c.back != last || c.n != n || c.bytes != bytes {
		t.Fatalf("%s: %d nodes of %d bytes, want %d of %d", name, c.n, c.bytes, n, bytes)
	}
}
