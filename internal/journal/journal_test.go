package journal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

func death(clock uint64, instance uint32, r state.Reason) state.Death {
	return state.Death{Dot: state.Dot{Clock: clock, Instance: instance}, Reason: r}
}

func copyOf(id string, clock uint64, value string) state.Copy {
	return state.Copy{ID: id, Confirmed: int64(clock), Saved: clock, State: state.State{
		Created: 1, End: 1000,
		Entries: state.PackChanges(state.Changes{{Name: "k", Value: []byte(value)}}, state.Dot{Clock: clock, Instance: 1}),
	}}
}

func nothing()                             {}
func loses(state.Copy, Tombstone) bool     { return false }
func (j *Journal) enter(t Tombstone) Added { return j.AddTombstone(t, nothing, loses) }
func wantStats(t *testing.T, j *Journal, want Stats) {
	t.Helper()
	if got := j.Stats(); got != want {
		t.Errorf("the journal has %+v, want %+v", got, want)
	}
}

func TestAHintIsJoinedWithWhatIsKept(t *testing.T) {
	j := New(new(Ledger))
	first, second := copyOf("a", 5, "old"), copyOf("a", 9, "new")
	first.Born, first.NeverStored = true, true
	j.Add(first)
	j.Add(second)
	got, ok := j.Copy("a")
	if !ok {
		t.Fatal("there is no hint")
	}
	if e, _ := got.State.Entries.Find("k"); string(e.Value) != "new" {
		t.Errorf("the value is %q, want the later one", e.Value)
	}
	if got.Confirmed != 9 || got.Saved != 5 || !got.Born || got.NeverStored {
		t.Errorf("confirmed %d, saved %d, born %v, never stored %v; want 9, 5, true, false", got.Confirmed, got.Saved, got.Born, got.NeverStored)
	}
	wantStats(t, j, Stats{States: 1})
}

func TestADeadSessionIsOwedNothing(t *testing.T) {
	j := New(new(Ledger))
	j.enter(Tombstone{ID: "a", Death: death(3, 1, state.Destroyed)})
	if tomb, dead := j.Add(copyOf("a", 9, "late")); !dead || tomb.Death.Dot.Clock != 3 {
		t.Errorf("Add after the end returned %v, %v", tomb, dead)
	}
	if _, ok := j.Copy("a"); ok {
		t.Error("a hint is kept for a session that has ended")
	}
}

func TestATombstoneTakesTheHintOut(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		l := new(Ledger)
		j := New(l)
		j.Add(copyOf("a", 5, "v"))
		locked := false
		added := j.AddTombstone(Tombstone{ID: "a", Death: death(9, 1, state.Destroyed), Pending: true},
			func() { locked = !j.mu.TryLock() },
			func(c state.Copy, t Tombstone) bool { return c.ID == "a" && t.ID == "a" && keeps })
		if !locked {
			t.Error("the breaker was told without the lock")
		}
		if added.Owed.ID != "a" {
			t.Errorf("what was owed is %+v", added.Owed)
		}
		want := Stats{Tombstones: 1, Known: 1}
		if !keeps {
			want.Lost = 1
		}
		wantStats(t, j, want)
		if got := l.Lost.Load(); got != want.Lost {
			t.Errorf("the ledger has %d lost, want %d", got, want.Lost)
		}
	}
}

func TestWhatAnotherWriterHasEndedEndsTheSuccessor(t *testing.T) {
	renewed := Tombstone{ID: "a", Death: death(5, 1, state.Renewed), Pending: true, Successor: "b"}
	rotated := renewed
	rotated.Death.Reason = state.Rotated
	for _, test := range []struct {
		name      string
		old, new  Tombstone
		ends      []string
		conflict  bool
		successor string
	}{
		{"a logout after a renewal", renewed, Tombstone{ID: "a", Death: death(7, 2, state.Destroyed)}, []string{"b"}, true, ""},
		{"a renewal after a logout", Tombstone{ID: "a", Death: death(7, 2, state.Destroyed)}, renewed, []string{"b"}, true, ""},
		{"the same renewal twice", renewed, renewed, nil, false, "b"},
		{"a second rotation", rotated, Tombstone{ID: "a", Death: death(7, 2, state.Rotated), Successor: "c"}, nil, false, "c"},
		{"a logout that leaves a tombstone alone", Tombstone{ID: "a", Death: death(5, 1, state.Destroyed)}, Tombstone{ID: "a", Death: death(7, 2, state.Destroyed), IfLive: true}, nil, false, ""},
		{"a logout before the renewal is known to stand", renewed, Tombstone{ID: "a", Death: death(7, 2, state.Destroyed), IfLive: true}, []string{"b"}, true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := New(new(Ledger))
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
	j := New(new(Ledger))
	j.enter(Tombstone{ID: "a", Death: death(5, 1, state.Revoked)})
	added := j.enter(Tombstone{ID: "a", Death: death(9, 2, state.Destroyed), IfLive: true, Unverified: true, IfStored: true})
	if got := added.Tombstone; got.Death != death(5, 1, state.Revoked) || got.Unverified || got.IfStored || got.IfLive {
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
	j := New(new(Ledger))
	j.enter(Tombstone{ID: "a", Death: death(5, 1, state.Rotated)})
	logout := Tombstone{ID: "a", Death: death(9, 1, state.Destroyed), Pending: true, Line: true}
	if !j.enter(logout).Line {
		t.Error("what the rotation made does not end")
	}
	if j.enter(logout).Line {
		t.Error("what the rotation made ends twice")
	}
}

func TestDeliveryOfATombstone(t *testing.T) {
	pending := Tombstone{ID: "a", Death: death(5, 1, state.Destroyed), Pending: true, Unverified: true}
	t.Run("arrives", func(t *testing.T) {
		j := New(new(Ledger))
		j.enter(pending)
		if got := j.PendingTombstones(); len(got) != 1 || got[0].ID != "a" {
			t.Fatalf("pending are %v", got)
		}
		j.Arrived(pending, pending.Death)
		wantStats(t, j, Stats{Known: 1, Delivered: 1})
		if got, _ := j.Tombstone("a"); got.Pending || got.Unverified {
			t.Errorf("the tombstone is %+v", got)
		}
		j.Arrived(pending, pending.Death)
		wantStats(t, j, Stats{Known: 1, Delivered: 1})
		j.Arrived(Tombstone{ID: "x"}, pending.Death)
	})
	t.Run("has changed meanwhile", func(t *testing.T) {
		j := New(new(Ledger))
		j.enter(pending)
		j.enter(Tombstone{ID: "a", Death: death(9, 2, state.Revoked), Pending: true})
		j.Arrived(pending, pending.Death)
		wantStats(t, j, Stats{Tombstones: 1, Known: 1})
	})
	t.Run("is refused", func(t *testing.T) {
		j := New(new(Ledger))
		j.enter(pending)
		for range 2 {
			if waiting, blind := j.Waiting(2, func() { t.Error("told that nothing waits") }); !waiting || !blind {
				t.Errorf("waiting %v, blind %v", waiting, blind)
			}
			j.Refused("a")
			j.Refused("x")
		}
		told := false
		if waiting, _ := j.Waiting(2, func() { told = !j.mu.TryLock() }); waiting || !told {
			t.Errorf("waiting %v; told under the lock: %v", waiting, told)
		}
	})
	t.Run("waits for a look at another session", func(t *testing.T) {
		j := New(new(Ledger))
		j.enter(Tombstone{ID: "a", Death: death(5, 1, state.Renewed), Pending: true, Successor: "b"})
		j.enter(Tombstone{ID: "c", Death: death(5, 1, state.Destroyed), Pending: true, IfLive: true})
		if waiting, blind := j.Waiting(9, nothing); !waiting || blind {
			t.Errorf("waiting %v, blind %v", waiting, blind)
		}
	})
	t.Run("has nothing to end", func(t *testing.T) {
		j := New(new(Ledger))
		j.enter(Tombstone{ID: "a", Death: death(5, 1, state.Destroyed), Pending: true, IfStored: true, Unverified: true})
		j.enter(Tombstone{ID: "b", Death: death(5, 1, state.Destroyed), Pending: true})
		j.NothingToEnd("a")
		j.NothingToEnd("b")
		j.NothingToEnd("x")
		wantStats(t, j, Stats{Tombstones: 1, Known: 2})
	})
}

func TestDeliveryOfAHint(t *testing.T) {
	j := New(new(Ledger))
	j.Add(copyOf("a", 5, "old"))
	old := j.Hints()[0]
	j.Add(copyOf("a", 9, "new"))
	j.Remove(old, true)
	wantStats(t, j, Stats{States: 1})
	j.Remove(j.Hints()[0], true)
	wantStats(t, j, Stats{Delivered: 1})
	j.Add(copyOf("b", 5, "v"))
	b := j.Hints()[0]
	j.Remove(b, false)
	j.Remove(b, false)
	wantStats(t, j, Stats{Delivered: 1, Lost: 1})
	if j.Owes() {
		t.Error("it still owes something")
	}
}

func TestHintsComeOldestFirst(t *testing.T) {
	j := New(new(Ledger))
	for _, id := range []string{"a", "b", "c", "a"} {
		j.Add(copyOf(id, 5, "v"))
	}
	var got []string
	for _, h := range j.Hints() {
		got = append(got, h.ID)
	}
	if want := []string{"b", "c", "a"}; !slices.Equal(got, want) {
		t.Errorf("hints are %v, want %v", got, want)
	}
	if id, ok := j.DropHint(); id != "b" || !ok {
		t.Errorf("dropped %q", id)
	}
}

func TestAShardThatLostItsDataIsToldAgain(t *testing.T) {
	j := New(new(Ledger))
	j.enter(Tombstone{ID: "stored", Death: death(5, 1, state.Destroyed)})
	j.enter(Tombstone{ID: "never", Death: death(5, 1, state.Destroyed), IfStored: true})
	j.enter(Tombstone{ID: "unknown", Death: death(5, 1, state.Destroyed), IfStored: true, Pending: true})
	told := 0
	j.Republish(true, func() { told++ })
	wantStats(t, j, Stats{Tombstones: 1, Again: 1, Known: 3})
	if got, _ := j.Tombstone("unknown"); got.IfStored {
		t.Error("that the shard has nothing still counts")
	}
	if told != 1 {
		t.Errorf("the breaker was told %d times", told)
	}
	j = New(new(Ledger))
	j.enter(Tombstone{ID: "stored", Death: death(5, 1, state.Destroyed)})
	j.Republish(false, func() { t.Error("told of what is not pending") })
	wantStats(t, j, Stats{Known: 1})
}

func TestWhatIsDroppedFirst(t *testing.T) {
	j := New(new(Ledger))
	j.enter(Tombstone{ID: "pending", Death: death(5, 1, state.Destroyed), Pending: true})
	if j.CanMakeRoom() || j.DropTombstone() || j.DropUnverified() {
		t.Error("a pending tombstone makes room")
	}
	if _, ok := j.DropHint(); ok {
		t.Error("a hint from nowhere")
	}
	j.enter(Tombstone{ID: "stored", Death: death(5, 1, state.Destroyed)})
	j.enter(Tombstone{ID: "unseen", Death: death(5, 1, state.Destroyed), Unverified: true, Pending: true})
	if !j.CanMakeRoom() || !j.DropUnverified() {
		t.Error("an unverified tombstone makes no room")
	}
	wantStats(t, j, Stats{Tombstones: 1, Known: 2, Lost: 1})
	if !j.CanMakeRoom() || !j.DropTombstone() {
		t.Error("a tombstone that the store has makes no room")
	}
	if _, ok := j.Tombstone("stored"); ok {
		t.Error("it is still there")
	}
}

func TestTombstonesExpireUnlessTheyArePending(t *testing.T) {
	j := New(new(Ledger))
	j.enter(Tombstone{ID: "a", Death: death(5, 1, state.Destroyed), Until: 10})
	j.enter(Tombstone{ID: "b", Death: death(5, 1, state.Destroyed), Until: 11, Pending: true})
	j.enter(Tombstone{ID: "c", Death: death(5, 1, state.Destroyed), Until: 12, Unverified: true})
	j.enter(Tombstone{ID: "d", Death: death(5, 1, state.Destroyed), Until: 20})
	j.Expire(9)
	wantStats(t, j, Stats{Tombstones: 1, Known: 4})
	j.Expire(12)
	wantStats(t, j, Stats{Tombstones: 1, Known: 2})
	if _, ok := j.Tombstone("d"); !ok {
		t.Error("what has not expired is gone")
	}
}

func TestSupersedesWhatAnotherWriterRotated(t *testing.T) {
	link := state.NewLink(state.Dot{Clock: 3, Instance: 2}, unix(9), [state.LinkRandom]byte{}, id32('f'))
	renewal := Tombstone{ID: "a", Death: death(5, 1, state.Renewed), Successor: "b"}
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

// model is what a Journal should hold, kept without lists and counters.
type model struct {
	hints      map[string]bool
	tombstones map[string]Tombstone
}

// run does random operations on a journal and on the model, and compares.
func run(t *testing.T, draw func(n int) int, steps int) {
	l := new(Ledger)
	j := New(l)
	m := model{map[string]bool{}, map[string]Tombstone{}}
	for step := range steps {
		id := fmt.Sprint("s", draw(6))
		what := draw(12)
		switch what {
		case 0, 1, 2:
			_, dead := j.Add(copyOf(id, uint64(step), "v"))
			if _, ended := m.tombstones[id]; dead != ended {
				t.Fatalf("step %d: dead %v, want %v", step, dead, ended)
			}
			if !dead {
				m.hints[id] = true
			}
		case 3, 4, 5:
			tomb := Tombstone{
				ID: id, Death: death(uint64(draw(9)), uint32(draw(2)), state.Reason(1+draw(3))), Until: int64(step),
				Pending: draw(2) == 0, IfLive: draw(3) == 0, Unverified: draw(3) == 0, Line: draw(4) == 0,
			}
			tomb.Again = tomb.Pending && draw(3) == 0
			told := false
			added := j.AddTombstone(tomb, func() { told = true }, loses)
			if told != added.Tombstone.Pending {
				t.Fatalf("step %d: told %v of a tombstone with pending %v", step, told, added.Tombstone.Pending)
			}
			m.tombstones[id] = added.Tombstone
			delete(m.hints, id)
		case 6:
			for _, tomb := range j.PendingTombstones() {
				j.Arrived(tomb, tomb.Death)
				tomb.Pending, tomb.Again, tomb.Unverified = false, false, false
				m.tombstones[tomb.ID] = tomb
			}
		case 7:
			for _, h := range j.Hints() {
				j.Remove(h, draw(2) == 0)
				delete(m.hints, h.ID)
			}
		case 8:
			if id, ok := j.DropHint(); ok {
				delete(m.hints, id)
			}
		case 9:
			j.Republish(true, nothing)
			for id, tomb := range m.tombstones {
				if !tomb.Pending {
					tomb.Pending, tomb.Again = true, true
				}
				m.tombstones[id] = tomb
			}
		case 10:
			j.Expire(int64(step - 5))
			for id, tomb := range m.tombstones {
				if _, ok := j.Tombstone(id); !ok {
					if tomb.Pending || tomb.Until > int64(step-5) {
						t.Fatalf("step %d: %+v has expired", step, tomb)
					}
					delete(m.tombstones, id)
				}
			}
		case 11:
			if j.DropUnverified() || j.DropTombstone() {
				for id := range m.tombstones {
					if _, ok := j.Tombstone(id); !ok {
						delete(m.tombstones, id)
					}
				}
			}
		}
		compare(t, step, what, l, j, m)
	}
	tombstones, hints := j.Drain()
	if len(tombstones) != len(m.tombstones) || len(hints) != len(m.hints) {
		t.Fatalf("drained %d tombstones and %d hints, want %d and %d", len(tombstones), len(hints), len(m.tombstones), len(m.hints))
	}
	if got := l.Bytes.Load(); got != 0 || j.Owes() {
		t.Fatalf("an empty journal has %d bytes", got)
	}
}

func compare(t *testing.T, step, what int, l *Ledger, j *Journal, m model) {
	t.Helper()
	want, size := Stats{States: len(m.hints), Known: len(m.tombstones)}, int64(0)
	for id := range m.hints {
		c, ok := j.Copy(id)
		if !ok {
			t.Fatalf("step %d (%d): the hint of %s is gone", step, what, id)
		}
		size += hintSize + int64(len(c.State.Entries))
	}
	for id, tomb := range m.tombstones {
		got, ok := j.Tombstone(id)
		got.tries = tomb.tries
		if !ok || got != tomb {
			t.Fatalf("step %d (%d): the tombstone is %+v, want %+v", step, what, got, tomb)
		}
		size += TombstoneSize
		switch {
		case tomb.Again:
			want.Again++
		case tomb.Pending:
			want.Tombstones++
		}
	}
	got := j.Stats()
	want.Delivered, want.Lost = got.Delivered, got.Lost
	if got != want {
		t.Fatalf("step %d (%d): %+v, want %+v", step, what, got, want)
	}
	if l.Bytes.Load() != size || l.Delivered.Load() != got.Delivered || l.Lost.Load() != got.Lost {
		t.Fatalf("step %d (%d): the ledger has %d bytes, want %d", step, what, l.Bytes.Load(), size)
	}
	if owes := want.States+want.Tombstones+want.Again > 0; j.Owes() != owes || len(j.Hints()) != want.States || len(j.PendingTombstones()) != want.Tombstones+want.Again {
		t.Fatalf("step %d (%d): what it owes is not what is pending", step, what)
	}
}

func TestAJournalIsAsItsModel(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		run(t, r.IntN, 60)
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte("a journal of what is owed"))
	f.Fuzz(func(t *testing.T, b []byte) {
		i := 0
		run(t, func(n int) int {
			if i == len(b) {
				return 0
			}
			i++
			return int(b[i-1]) % n
		}, min(len(b), 200))
	})
}

func unix(ms int64) time.Time { return time.UnixMilli(ms) }

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
