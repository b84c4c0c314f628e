package mirrorstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/mirrorstore"
	"github.com/holdfast-go/session/storetest"
)

const alice = session.ID("0123456789abcdef0123456789abcdef")

// silentStore does not tell when records expire, as most do not.
type silentStore struct{ *memstore.Store }

func (s silentStore) Load(ctx context.Context, id session.ID) (session.Record, error) {
	r, err := s.Store.Load(ctx, id)
	r.Expires = time.Time{}
	return r, err
}

// place is two stores that fail on demand.
type place struct{ first, second *storetest.Faulty }

func newPlace() place {
	return place{storetest.NewFaulty(silentStore{memstore.New(nil)}), storetest.NewFaulty(silentStore{memstore.New(nil)})}
}

// mirror is one more instance's.
func (p place) mirror() *mirrorstore.Store { return mirrorstore.New(p.first, p.second, nil) }

// away runs f while a store is away.
func away(s *storetest.Faulty, f func()) {
	s.Fail(errDied)
	f()
	s.Heal()
}

// probe does what a Manager does each second.
func probe(t *testing.T, s *mirrorstore.Store) {
	t.Helper()
	if _, err := s.Probe(t.Context(), s.Shard(alice)); err != nil {
		t.Fatalf("probed: %v", err)
	}
}

// notice lets the time pass in which an instance notices an outage.
func notice(t *testing.T, all ...*mirrorstore.Store) {
	t.Helper()
	for range 5 {
		for _, s := range all {
			probe(t, s)
		}
		time.Sleep(time.Second)
	}
}

// begun returns a session with one value, and with what a change of it by a process is.
func begun() state.State {
	now := time.Now()
	st := state.State{Created: now.UnixMilli(), Authenticated: now.UnixMilli(), LastSeen: now.UnixMilli(), End: now.Add(time.Hour).UnixMilli()}
	return set(st, "begun", 1, 1)
}

// set returns a session after a process has set a value, as a commit does.
func set(st state.State, name string, value uint64, instance uint32) state.State {
	data := binary.AppendUvarint(nil, value)
	return st.Write([]state.Change{{Name: name, Flags: state.Present, Value: data}}, state.Dot{Clock: st.Entries.Latest() + 1, Instance: instance})
}

func ended(st state.State) state.State {
	return state.State{Death: state.Death{Dot: state.Dot{Clock: st.Entries.Latest() + 1, Instance: 1}, Reason: state.Destroyed}}
}

func must(st state.State, err error) state.State {
	if err != nil {
		panic(err)
	}
	return st
}

func encoded(st state.State) session.Record { return record(string(st.Encode())) }

func loaded(t *testing.T, s session.Store) (state.State, session.Version) {
	t.Helper()
	r := mustLoad(t, s, alice)
	st, err := state.Decode(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	return st, r.Version
}

// names returns what a session has, or "ended".
func names(t *testing.T, s session.Store) (all []string) {
	t.Helper()
	st, _ := loaded(t, s)
	if st.Dead() {
		return []string{"ended"}
	}
	for _, e := range st.Entries.Present() {
		all = append(all, string(e.Name))
	}
	return all
}

func check(t *testing.T, s session.Store, want ...string) {
	t.Helper()
	if got := names(t, s); !slices.Equal(got, want) {
		t.Errorf("the session is %q, want %q", got, want)
	}
}

// change sets a value by a load and a save.
func change(t *testing.T, s session.Store, name string, instance uint32) {
	t.Helper()
	st, v := loaded(t, s)
	mustSave(t, s, alice, encoded(set(st, name, 1, instance)), v)
}

func TestBothStoresHaveWhatIsSaved(t *testing.T) {
	p := newPlace()
	s := p.mirror()
	mustSave(t, s, alice, encoded(begun()), session.Absent)
	change(t, s, "cart", 1)
	check(t, p.first, "begun", "cart")
	check(t, p.second, "begun", "cart")
}

// Either store may be away. As soon as an instance takes it for out, the other serves.
func TestOneStoreIsAway(t *testing.T) {
	for n, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace()
				s := p.mirror()
				mustSave(t, s, alice, encoded(begun()), session.Absent)
				st, v := loaded(t, s)
				store := []*storetest.Faulty{p.first, p.second}[n]
				away(store, func() {
					check(t, s, "begun")
					notice(t, s)
					if _, err := s.Save(t.Context(), alice, encoded(set(st, "cart", 1, 1)), v); err != nil && !errors.Is(err, session.ErrConflict) {
						t.Errorf("a save over what the store had that is away now: %v", err)
					}
					change(t, s, "cart", 1)
					check(t, s, "begun", "cart")
					change(t, s, "order", 1)
					mustSave(t, s, "another", encoded(begun()), session.Absent)
					mustLoad(t, s, "another")
				})
				check(t, s, "begun", "cart", "order")
				notice(t, s)
				check(t, store, "begun", "cart", "order")
				mustLoad(t, store, "another")
			})
		})
	}
}

// A save waits, within its time, until it is known that a store is out. What was sent to one store
// alone before that is no success.
func TestASaveIsNoSuccessInOneStoreThatOneCallDidNotReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		st, v := loaded(t, s)
		p.first.Before(func(op string, _ session.ID) error {
			if op == "save" {
				return errDied
			}
			return nil
		})
		save := func(within time.Duration, name string) error {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			_, err := s.Save(ctx, alice, encoded(set(st, name, 1, 1)), v)
			return err
		}
		if err := save(100*time.Millisecond, "cart"); !errors.Is(err, errDied) {
			t.Errorf("got %v, want the error of the store that has not answered", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := s.LoadFresh(ctx, alice); !errors.Is(err, errDied) {
			t.Errorf("a load that could not repair the first store: %v", err)
		}
		time.Sleep(time.Second)
		r, err := s.LoadFresh(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		st, v = must(state.Decode(r.Data)), r.Version
		if err := save(400*time.Millisecond, "order"); err != nil {
			t.Errorf("the first store takes no saves for longer than a second, and a save fails: %v", err)
		}
		p.first.Before(nil)
		time.Sleep(time.Second)
		probe(t, s)
		check(t, p.first, "begun", "cart", "order")
	})
}

// A record that is no session is saved to the second store alone only over the record that
// was read there.
func TestARecordThatIsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		v := mustSave(t, s, alice, record("a"), session.Absent)
		p.first.Fail(errDied)
		if _, err := s.Save(t.Context(), alice, record("b"), v); !errors.Is(err, session.ErrConflict) {
			t.Errorf("saved over what may be another: %v", err)
		}
		r := mustLoad(t, s, alice)
		mustSave(t, s, alice, record("b"), r.Version)
		p.first.Heal()
		// The record of the deciding store counts.
		for _, s := range []*mirrorstore.Store{s, p.mirror()} {
			if r, err := s.LoadFresh(t.Context(), alice); err != nil || string(r.Data) != "b" {
				t.Errorf("loaded %q, %v, want b", r.Data, err)
			}
		}
	})
}

// A record that one store lacks may be in the store that does not answer.
func TestNothingIsNoAnswerWhileAStoreIsAway(t *testing.T) {
	p := newPlace()
	for _, store := range []*storetest.Faulty{p.first, p.second} {
		s := p.mirror()
		away(store, func() {
			if _, err := s.Load(t.Context(), alice); !errors.Is(err, errDied) || errors.Is(err, session.ErrNotFound) {
				t.Errorf("got %v, want the error of the store that is away", err)
			}
		})
		if _, err := s.Load(t.Context(), alice); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	}
}

func TestAStoreThatHasLostARecordGetsIt(t *testing.T) {
	p := newPlace()
	s := p.mirror()
	mustSave(t, s, alice, encoded(begun()), session.Absent)
	p.first.Replace(memstore.New(nil))
	_, v := loaded(t, s)
	check(t, p.first, "begun")
	if r := mustLoad(t, p.first, alice); r.Version != v {
		t.Error("the version is not that of the repair")
	}
	p.second.Replace(memstore.New(nil))
	change(t, s, "cart", 1)
	check(t, p.second, "begun", "cart")
	p.second.Replace(memstore.New(nil))
	if _, err := s.LoadFresh(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	check(t, p.second, "begun", "cart")
	p.first.Replace(memstore.New(nil))
	if _, err := s.Save(t.Context(), alice, encoded(begun()), session.Absent); !errors.Is(err, session.ErrConflict) {
		t.Errorf("created beside what the second store has: %v", err)
	}
}

// Of a session that is over by its own dates nothing is written again.
func TestNothingOldComesBack(t *testing.T) {
	p := newPlace()
	st := begun()
	st.LastSeen -= time.Hour.Milliseconds()
	mustSave(t, p.second, alice, encoded(st), session.Absent)
	mustLoad(t, p.mirror(), alice)
	if _, err := p.first.Load(t.Context(), alice); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the first store has got a session that was not used for longer than Idle: %v", err)
	}
	// Nor is it taken away, where Idle is not what the Manager's is.
	mustSave(t, p.first, alice, encoded(set(st, "cart", 1, 1)), session.Absent)
	if _, err := p.mirror().LoadFresh(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, p.second, alice)
}

// The first store comes back as it was. An instance that saw it fail reads both.
func TestAStoreComesBackOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		one, two := p.mirror(), p.mirror()
		late := p.mirror()
		mustSave(t, one, alice, encoded(begun()), session.Absent)
		stale, v := loaded(t, late)
		away(p.first, func() {
			change(t, one, "cart", 1)
			check(t, two, "begun", "cart")
		})
		if _, err := late.Save(t.Context(), alice, encoded(set(stale, "late", 1, 3)), v); !errors.Is(err, session.ErrConflict) {
			t.Errorf("a save over what the second store has gone on from: %v", err)
		}
		check(t, two, "begun", "cart")
		check(t, p.first, "begun", "cart")
		time.Sleep(11 * time.Second)
		loads := p.second.Loads()
		check(t, two, "begun", "cart")
		if n := p.second.Loads() - loads; n != 0 {
			t.Errorf("the second store is still asked, %d times", n)
		}
	})
}

// Each of two instances sees another store. What both did is there afterwards; of what both
// set, one.
func TestASplit(t *testing.T) {
	for name, logout := range map[string]int{"nobody logs out": -1, "a logout on the first": 0, "a logout on the second": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { split(t, logout) })
		})
	}
}

func split(t *testing.T, logout int) {
	p := newPlace()
	mustSave(t, p.mirror(), alice, encoded(begun()), session.Absent)
	sides := []place{
		{p.first, storetest.NewFaulty(p.second)},
		{storetest.NewFaulty(p.first), p.second},
	}
	sides[0].second.Fail(errDied)
	sides[1].first.Fail(errDied)
	left, right := sides[0].mirror(), sides[1].mirror()
	notice(t, left, right)
	change(t, left, "left", 1)
	change(t, right, "right", 2)
	change(t, left, "both", 1)
	change(t, right, "both", 2)
	check(t, left, "begun", "both", "left")
	check(t, right, "begun", "both", "right")
	if logout >= 0 {
		s := []*mirrorstore.Store{left, right}[logout]
		st, v := loaded(t, s)
		mustSave(t, s, alice, encoded(ended(st)), v)
	}
	sides[0].second.Heal()
	sides[1].first.Heal()
	notice(t, left, right)
	want := []string{"begun", "both", "left", "right"}
	if logout >= 0 {
		want = []string{"ended"}
	}
	for _, s := range []session.Store{left, right, p.first, p.second, p.mirror()} {
		check(t, s, want...)
	}
}

// A save through an instance that knows nothing of a logout on the other side does not undo it.
func TestASaveMeetsATombstoneOfTheOtherSide(t *testing.T) {
	p := newPlace()
	s := p.mirror()
	mustSave(t, s, alice, encoded(begun()), session.Absent)
	st, v := loaded(t, s)
	mustSave(t, p.second, alice, encoded(ended(st)), session.Any)
	if _, err := s.Save(t.Context(), alice, encoded(set(st, "cart", 1, 1)), v); !errors.Is(err, session.ErrConflict) {
		t.Errorf("saved over a tombstone: %v", err)
	}
	r, err := s.LoadFresh(t.Context(), alice)
	if err != nil || string(r.Data) != string(ended(st).Encode()) {
		t.Errorf("loaded %q, %v, want the tombstone", r.Data, err)
	}
	check(t, p.first, "ended")
}

// A load waits for a frozen first store half of its time, for a second, and then one in three
// seconds does where no probe asks. A tombstone is tried all the same.
func TestAFrozenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		p.first.Hang()
		began := time.Now()
		loads := func(n int) (asked int) {
			before := p.first.Loads()
			for range n {
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Millisecond)
				if _, err := s.Load(ctx, alice); err != nil {
					t.Error(err)
				}
				cancel()
			}
			return p.first.Loads() - before
		}
		if n := loads(100); n != 24 {
			t.Errorf("the frozen store was asked %d times, want 24: for 90 ms, and every 45 ms for a second", n)
		}
		if took := time.Since(began); took != 25*45*time.Millisecond {
			t.Errorf("100 loads took %v, want 90 ms, and 45 ms 23 times", took)
		}
		time.Sleep(3 * time.Second)
		began = time.Now()
		if n := loads(2); n != 1 || time.Since(began) != 45*time.Millisecond {
			t.Errorf("two loads took %v and asked the frozen store %d times, want once for 45 ms", time.Since(began), n)
		}
		st, _ := loaded(t, p.second)
		saves := p.first.Saves()
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Millisecond)
		defer cancel()
		if _, err := s.Save(ctx, alice, encoded(ended(st)), session.Any); err != nil {
			t.Error(err)
		}
		if n := p.first.Saves() - saves; n != 1 {
			t.Errorf("a tombstone was tried %d times, want once", n)
		}
		p.first.Heal()
	})
}

// When a store is back, the tombstones that it lacks come first.
func TestTombstonesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		dead := map[session.ID]bool{}
		away(p.first, func() {
			for n := range 100 {
				id := session.ID(fmt.Sprintf("%032x", n))
				st := begun()
				if n%2 == 0 {
					dead[id] = true
					st = ended(st)
				}
				mustSave(t, s, id, encoded(st), session.Absent)
			}
		})
		var mu sync.Mutex
		var order []session.ID
		p.first.Before(func(op string, id session.ID) error {
			if op == "save" {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, id)
			}
			return nil
		})
		if _, err := s.Probe(t.Context(), s.Shard(alice)); err != nil {
			t.Fatal(err)
		}
		if len(order) < 50 {
			t.Fatalf("%d records were repaired", len(order))
		}
		for n, id := range order {
			if dead[id] != (n < 50) {
				t.Fatalf("repaired as number %d: a tombstone: %v", n, dead[id])
			}
		}
	})
}

// The list of records that a store lacks is bounded. Live records make room for tombstones.
func TestWhatIsOwedIsBounded(t *testing.T) {
	p := newPlace()
	s := p.mirror()
	mirrorstore.Fill(s)
	p.first.Fail(errDied)
	for n := range 10 {
		id := session.ID(fmt.Sprintf("dead-%d", n))
		mustSave(t, s, id, encoded(ended(begun())), session.Absent)
		if !mirrorstore.Owes(s, id) {
			t.Errorf("tombstone %d is not kept", n)
		}
	}
	mustSave(t, s, alice, encoded(begun()), session.Absent)
	if n := mirrorstore.Owed(s); n != 1<<16 || mirrorstore.Owes(s, alice) {
		t.Errorf("%d IDs are kept, want %d", n, 1<<16)
	}
}

// Versions of the two stores are never one, whatever the stores number their writes by.
func TestAVersionSaysWhichStoreItIsOf(t *testing.T) {
	p := newPlace()
	s := p.mirror()
	mustSave(t, s, alice, encoded(begun()), session.Absent)
	_, first := loaded(t, s)
	p.first.Fail(errDied)
	_, second := loaded(t, s)
	if a, _ := loaded(t, p.second); a.Dead() || second == mustLoad(t, p.second, alice).Version || second == first {
		t.Error("a version of the second store is passed on as it is")
	}
}

// The records by which instances tell each other of logouts are joined too.
func TestMembersAndLogsAreJoined(t *testing.T) {
	p := newPlace()
	const members, segment = session.ID("members-0"), session.ID("log-0123456789abcdef0123456789abcdef-s0-0")
	row := func(n byte) *revoked.Members {
		m := &revoked.Members{Value: [16]byte{1}, Sequence: uint64(n)}
		m.Put(revoked.Row{Log: revoked.LogName{n}, Instance: uint32(n)})
		return m
	}
	mustSave(t, p.first, members, record(string(row(1).Append(nil))), session.Absent)
	mustSave(t, p.second, members, record(string(row(2).Append(nil))), session.Absent)
	one := revoked.Segment{Tombstones: make([]revoked.Tombstone, 1)}
	one.Tombstones[0].Death.Reason = state.Destroyed
	two := revoked.Segment{Tombstones: append(slices.Clone(one.Tombstones), one.Tombstones[0])}
	mustSave(t, p.first, segment, record(string(one.Append(nil))), session.Absent)
	mustSave(t, p.second, segment, record(string(two.Append(nil))), session.Absent)
	s := p.mirror()
	for _, id := range []session.ID{members, segment} {
		if _, err := s.LoadFresh(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for _, store := range []session.Store{p.first, p.second} {
		m, err := revoked.DecodeMembers(mustLoad(t, store, members).Data)
		if err != nil || len(m.Rows) != 2 {
			t.Errorf("members %+v, %v, want both", m, err)
		}
		l, err := revoked.DecodeSegment(mustLoad(t, store, segment).Data)
		if err != nil || len(l.Tombstones) != 2 {
			t.Errorf("a log of %d, %v, want 2", len(l.Tombstones), err)
		}
	}
	// A row that was removed is no conflict.
	r := mustLoad(t, s, members)
	mustSave(t, s, members, record(string(row(3).Append(nil))), r.Version)
}

// An instance that did not see the first store fail goes on from what that has, and sets the
// value that another instance has set in the second alone.
func TestAnUpdateOverWhatOneStoreAloneHas(t *testing.T) {
	p := newPlace()
	one, two := p.mirror(), p.mirror()
	mustSave(t, one, alice, encoded(set(begun(), "count", 1, 1)), session.Absent)
	p.first.Before(func(op string, _ session.ID) error {
		if op == "save" {
			return errDied
		}
		return nil
	})
	st, v := loaded(t, one)
	mustSave(t, one, alice, encoded(set(st, "count", 2, 1)), v)
	p.first.Before(nil)
	st, v = loaded(t, two)
	if n := counted(st, "count"); n != 1 {
		t.Fatalf("the instance has read %d, which this test is not about", n)
	}
	if _, err := two.Save(t.Context(), alice, encoded(set(set(st, "x", 1, 2), "count", 2, 2)), v); !errors.Is(err, session.ErrConflict) {
		t.Errorf("got %v, want ErrConflict", err)
	}
	r, err := two.LoadFresh(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	if st, err = state.Decode(r.Data); err != nil || counted(st, "count") != 2 {
		t.Errorf("counted %d, %v, want 2", counted(st, "count"), err)
	}
}

// The library removes things from the list of a user's sessions: that is no conflict where the
// first store is behind.
func TestAListFromWhichSomethingWasRemoved(t *testing.T) {
	const list = session.ID("user-0123456789abcdef0123456789abcdef")
	p := newPlace()
	mustSave(t, p.second, list, encoded(begun()), session.Absent)
	mustSave(t, p.first, list, encoded(set(begun(), "removed", 1, 1)), session.Absent)
	var r session.Record
	s := p.mirror()
	away(p.first, func() { r = mustLoad(t, s, list) })
	mustSave(t, s, list, encoded(set(begun(), "new", 1, 1)), r.Version)
}

// between runs f once, when a store is about to take the next save.
func between(s *storetest.Faulty, f func()) {
	var begun atomic.Bool
	s.Before(func(op string, id session.ID) error {
		if op == "save" && id == alice && begun.CompareAndSwap(false, true) {
			f()
		}
		return nil
	})
}

// Between the two saves of one Save another instance goes on from the first of them.
func TestASaveIsOvertakenByTheNext(t *testing.T) {
	p := newPlace()
	one, two := p.mirror(), p.mirror()
	mustSave(t, one, alice, encoded(begun()), session.Absent)
	between(p.first, func() {
		st, v := loaded(t, p.second)
		mustSave(t, p.second, alice, encoded(set(st, "next", 1, 2)), v)
		if _, err := two.LoadFresh(t.Context(), alice); err != nil {
			t.Error(err)
		}
	})
	change(t, one, "cart", 1)
	check(t, p.first, "begun", "cart", "next")
	check(t, p.second, "begun", "cart", "next")
}

// Between the two saves of one Save a repair puts back what was read, as a late call does.
func TestASaveIsOvertakenByARepair(t *testing.T) {
	p := newPlace()
	s := p.mirror()
	mustSave(t, s, alice, encoded(begun()), session.Absent)
	between(p.first, func() {
		r := mustLoad(t, p.first, alice)
		mustSave(t, p.first, alice, record(string(r.Data)), r.Version)
	})
	change(t, s, "cart", 1)
	check(t, p.first, "begun", "cart")
	check(t, p.second, "begun", "cart")
}

// Between the two saves of one Save an instance that sees the other store alone saves there. What
// the first save has done is undone: the value that the other instance was told is saved is an
// older one by its dot.
func TestASaveThatMeetsTheOtherSideIsUndone(t *testing.T) {
	for name, first := range map[string]bool{"a change": false, "a new session": true} {
		t.Run(name, func(t *testing.T) {
			p := newPlace()
			s := p.mirror()
			st, v := begun(), session.Absent
			if !first {
				mustSave(t, s, alice, encoded(st), v)
				st, v = loaded(t, s)
			}
			between(p.first, func() {
				mustSave(t, p.first, alice, encoded(set(st, "count", 1, 2)), session.Any)
			})
			mine := set(set(set(begun(), "x", 1, 1), "y", 1, 1), "count", 9, 1)
			if _, err := s.Save(t.Context(), alice, encoded(mine), v); !errors.Is(err, session.ErrConflict) {
				t.Fatalf("got %v, want ErrConflict", err)
			}
			r, err := s.LoadFresh(t.Context(), alice)
			if err != nil {
				t.Fatal(err)
			}
			if n := counted(must(state.Decode(r.Data)), "count"); n != 1 {
				t.Errorf("counted %d, want 1: what was acknowledged", n)
			}
		})
	}
}

// Between the two saves of one Save the store that has taken it loses its memory.
func TestASaveWhoseStoreForgets(t *testing.T) {
	p := newPlace()
	s := p.mirror()
	mustSave(t, s, alice, encoded(begun()), session.Absent)
	st, v := loaded(t, s)
	between(p.first, func() {
		mustSave(t, p.first, alice, encoded(set(begun(), "other", 1, 2)), session.Any)
		p.second.Replace(memstore.New(nil))
	})
	if _, err := s.Save(t.Context(), alice, encoded(set(st, "cart", 1, 1)), v); err == nil || errors.Is(err, session.ErrConflict) {
		t.Errorf("got %v, want an error: it is not known whether it was saved", err)
	}
}

// Two ends of a session that meet are joined, and a tombstone replaces whatever lives.
func TestATombstoneMeetsTheOtherSide(t *testing.T) {
	for name, other := range map[string]func(state.State) state.State{
		"that has gone on":        func(st state.State) state.State { return set(st, "x", 1, 2) },
		"that has ended it later": func(st state.State) state.State { return ended(set(st, "x", 1, 2)) },
		"that has ended it before": func(st state.State) state.State {
			st = ended(st)
			st.Death.Dot.Clock--
			return st
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace()
			s := p.mirror()
			mustSave(t, s, alice, encoded(begun()), session.Absent)
			st, v := loaded(t, s)
			between(p.first, func() { mustSave(t, p.first, alice, encoded(other(st)), session.Any) })
			mustSave(t, s, alice, encoded(ended(st)), v)
			want := state.Join(ended(st), other(st))
			for _, store := range []session.Store{p.first, p.second} {
				if got, _ := loaded(t, store); !got.Equal(want) {
					t.Errorf("the end is %+v, want %+v", got.Death, want.Death)
				}
			}
		})
	}
}

// A record that the first store refuses is in the second alone, and the first keeps no older
// one.
func TestARecordThatIsTooLargeForTheFirstStore(t *testing.T) {
	p := newPlace()
	p.first.Replace(silentStore{memstore.New(&memstore.Options{MaxBytes: 4096})})
	s := p.mirror()
	mustSave(t, s, alice, encoded(begun()), session.Absent)
	_, v := loaded(t, s)
	large := set(begun(), "x", 1, 1)
	large = large.Write([]state.Change{{Name: "large", Flags: state.Present, Value: make([]byte, 1<<16)}}, state.Dot{Clock: large.Entries.Latest() + 1, Instance: 1})
	v = mustSave(t, s, alice, encoded(large), v)
	if _, err := p.first.Load(t.Context(), alice); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("the first store has an older one: %v", err)
	}
	check(t, s, "begun", "large", "x")
	mustSave(t, s, alice, encoded(begun()), v)
	check(t, p.first, "begun")
}

// A first store that was set back is read beside the second for as long as an unused session
// lives, and so is a second one.
func TestAStoreIsSetBack(t *testing.T) {
	for n, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace()
				s := p.mirror()
				st := begun()
				st.LastSeen += (20 * time.Minute).Milliseconds() // it is in use
				mustSave(t, s, alice, encoded(st), session.Absent)
				probe(t, s)
				older := silentStore{memstore.New(nil)}
				mustSave(t, older, alice, encoded(st), session.Absent)
				change(t, s, "cart", 1)
				store := []*storetest.Faulty{p.first, p.second}[n]
				store.Replace(older)
				probe(t, s)
				time.Sleep(25 * time.Minute)
				check(t, s, "begun", "cart")
				check(t, p.first, "begun", "cart")
				check(t, p.second, "begun", "cart")
				time.Sleep(10 * time.Minute)
				loads := p.second.Loads()
				check(t, s, "begun", "cart")
				if p.second.Loads() != loads {
					t.Error("both stores are still read")
				}
			})
		})
	}
}

// A slow first store costs a load half of its time.
func TestASlowFirstStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		p.first.Hang()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := s.Load(ctx, alice); err != nil {
			t.Errorf("the second store has it: %v", err)
		}
		p.first.Heal()
	})
}

// A process does not return a record that it knows to be older than that of the store that
// is out.
func TestWhatIsKnownToBeOlderIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		away(p.first, func() {
			notice(t, s)
			st, v := loaded(t, s)
			mustSave(t, s, alice, encoded(ended(st)), v)
		})
		p.second.Fail(errDied)
		for range 5 {
			_, _ = s.Probe(t.Context(), s.Shard(alice))
			time.Sleep(time.Second)
		}
		if r, err := s.Load(t.Context(), alice); err == nil || errors.Is(err, session.ErrNotFound) {
			t.Errorf("loaded %q, %v: its end stands in the other store", r.Data, err)
		}
		p.second.Heal()
	})
}

// A probe waits for a frozen store while that may answer, and half of its time once it is out.
func TestAProbeOfAFrozenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		var took time.Duration
		p.first.Hang()
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			began := time.Now()
			if _, err := s.Probe(ctx, s.Shard(alice)); err != nil {
				t.Errorf("the second store answers: %v", err)
			}
			took = time.Since(began)
			time.Sleep(time.Second)
			cancel()
		}
		if took != 50*time.Millisecond {
			t.Errorf("a probe took %v, want half of 100 ms", took)
		}
		p.first.Heal()
	})
}

// A fresh load needs the answers of both stores, unless one is out.
func TestAFreshLoadIsOfBothStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		away(p.first, func() {
			fresh := func(within time.Duration) error {
				ctx, cancel := context.WithTimeout(t.Context(), within)
				defer cancel()
				_, err := s.LoadFresh(ctx, alice)
				return err
			}
			if err := fresh(100 * time.Millisecond); !errors.Is(err, errDied) {
				t.Errorf("got %v, want the error of the store that has not answered", err)
			}
			if err := fresh(400 * time.Millisecond); err != nil {
				t.Errorf("the first store is out: %v", err)
			}
		})
	})
}

// A repair pays what was owed when it began, and not what a save has left since.
func TestADebtIsPaidOnce(t *testing.T) {
	p := newPlace()
	s := p.mirror()
	mustSave(t, p.second, alice, encoded(begun()), session.Absent)
	mirrorstore.Owe(s, alice)
	between(p.first, func() { mirrorstore.Owe(s, alice) })
	if _, err := s.LoadFresh(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if !mirrorstore.Owes(s, alice) {
		t.Error("what is owed since the repair began is forgiven")
	}
	if _, err := s.LoadFresh(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if mirrorstore.Owes(s, alice) {
		t.Error("what was repaired is still owed")
	}
}

// Where both stores were out, both are asked.
func TestBothStoresWereOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		p.first.Fail(errDied)
		p.second.Fail(errDied)
		for range 10 {
			if _, err := s.Load(t.Context(), alice); !errors.Is(err, errDied) {
				t.Errorf("got %v, want the stores' error", err)
			}
			time.Sleep(200 * time.Millisecond)
		}
		p.first.Heal()
		p.second.Heal()
		change(t, s, "cart", 1)
		check(t, p.first, "begun", "cart")
		check(t, p.second, "begun", "cart")
	})
}

// Where one store went out, and then the other, no pause keeps either from being asked.
func TestOneStoreWasOutAndThenTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		for _, x := range []*storetest.Faulty{p.first, p.second} {
			x.Fail(errDied)
			for range 12 {
				_, _ = s.LoadFresh(t.Context(), alice)
				time.Sleep(200 * time.Millisecond)
			}
		}
		p.first.Heal()
		p.second.Heal()
		mustLoad(t, s, alice)
	})
}

// A process whose calls to both stores get no answer now and then is short of processor: it takes
// neither for out, and saves to none alone.
func TestAProcessThatIsShortOfProcessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		p.first.Fail(errDied)
		for range 10 {
			p.second.Fail(errDied)
			_, _ = s.Load(t.Context(), alice)
			p.second.Heal()
			_, _ = s.Load(t.Context(), alice)
			time.Sleep(200 * time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		st, v := loaded(t, s)
		if _, err := s.Save(ctx, alice, encoded(set(st, "cart", 1, 1)), v); err == nil || errors.Is(err, session.ErrConflict) {
			t.Errorf("a save in one store alone: got %v, want the other store's error", err)
		}
		p.first.Heal()
	})
}
