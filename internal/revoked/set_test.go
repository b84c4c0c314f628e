package revoked

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
)

func idOf(n int) (id ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

func tombstone(n int, c Class) Tombstone {
	return Tombstone{ID: idOf(n), Class: c, Death: state.Death{Dot: state.Dot{Clock: uint64(n) + 1, Instance: 7}, Reason: state.Destroyed}}
}

// modelSet is what a Set does, as a list.
type modelSet struct {
	all []modelEntry // the oldest first
}

type modelEntry struct {
	Tombstone
	heard uint32
}

func (m *modelSet) add(t Tombstone, heard uint32) bool {
	i := slices.IndexFunc(m.all, func(e modelEntry) bool { return e.ID == t.ID })
	if i < 0 {
		m.all = append(m.all, modelEntry{t, heard})
		return true
	}
	old := m.all[i].Tombstone
	now := old
	now.Death, now.Class = state.JoinDeaths(old.Death, t.Death), max(old.Class, t.Class)
	byRotation := func(t Tombstone) bool { return t.Flags&ByRotation != 0 }
	if t.hasSuccessor() && (!now.hasSuccessor() || byRotation(now) && !byRotation(t)) {
		now.Successor = t.Successor
		now.Flags = now.Flags&^ByRotation | t.Flags&ByRotation
	}
	now.Flags |= t.Flags &^ ByRotation
	news := now != old
	if old.From != Own {
		now.From = t.From
	}
	m.all[i].Tombstone = now
	if !news {
		return false
	}
	if now.Class != old.Class {
		m.all = append(slices.Delete(m.all, i, i+1), modelEntry{now, heard})
	}
	return true
}

// find returns the tombstone of a session, or the zero Tombstone.
func (m *modelSet) find(id ID) Tombstone {
	i := slices.IndexFunc(m.all, func(e modelEntry) bool { return e.ID == id })
	if i < 0 {
		return Tombstone{}
	}
	return m.all[i].Tombstone
}

func (t *Tombstone) hasSuccessor() bool { return t.Successor != ID{} }

func TestASetAgreesWithAList(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		s, m := New(1<<30), &modelSet{}
		now := uint32(1_000_000)
		pace := 1 + int(seed%3)*10 // up to so many seconds pass at a step: full blocks, or short ones
		for range 3000 {
			now += uint32(r.IntN(3) * r.IntN(pace))
			switch r.IntN(12) {
			case 0:
				before := now - uint32(r.IntN(600))
				s.Expire(before, before)
				kept := m.all[:0:0]
				for _, e := range m.all {
					_, stands := s.Find(e.ID)
					switch {
					case e.heard >= before && !stands:
						t.Fatalf("seed %d: %v has gone too early", seed, e)
					case e.heard+blockSpan < before && stands:
						t.Fatalf("seed %d: %v has not gone", seed, e)
					case stands:
						kept = append(kept, e)
					}
				}
				m.all = kept
			case 1:
				id, from := idOf(r.IntN(500)), uint8(r.IntN(4))
				s.SetFrom(id, from)
				for i := range m.all {
					if m.all[i].ID == id {
						m.all[i].From = from
					}
				}
			case 2:
				from := uint8(1 + r.IntN(3))
				s.Forget(from, Unnumbered)
				for i := range m.all {
					if m.all[i].From == from {
						m.all[i].From = Unnumbered
					}
				}
			case 3:
				id := idOf(r.IntN(500))
				before := len(m.all)
				m.all = slices.DeleteFunc(m.all, func(e modelEntry) bool { return e.ID == id })
				if gone, known := s.Remove(id); known != (len(m.all) < before) || known && gone.ID != id {
					t.Fatalf("seed %d: Remove returns %v, %v", seed, gone, known)
				}
			default:
				x := tombstone(r.IntN(500), Class(r.IntN(int(classes))))
				x.Death.Dot.Clock += uint64(r.IntN(3))
				x.Death.Reason = state.Reason(1 + r.IntN(4))
				x.From = uint8(r.IntN(4))
				if r.IntN(3) == 0 {
					x.Successor = idOf(1 + r.IntN(5))
					x.Flags = Flags(r.IntN(2)) * ByRotation
				}
				x.Flags |= Flags(r.IntN(2))*Conflict | Flags(r.IntN(2))*SuccessorsEnd
				if got, want := s.Add(x, now), m.add(x, now); got != want {
					t.Fatalf("seed %d: Add(%v) = %v, want %v", seed, x, got, want)
				}
			}
			id := idOf(r.IntN(500))
			if got, _ := s.Find(id); got != m.find(id) {
				t.Fatalf("seed %d: found %v, want %v", seed, got, m.find(id))
			}
			if s.Len() != len(m.all) || s.index.n != len(m.all) {
				t.Fatalf("seed %d: %d tombstones, %d in the index, want %d", seed, s.Len(), s.index.n, len(m.all))
			}
		}
		for _, e := range m.all {
			if got, ok := s.Find(e.ID); !ok || got != e.Tombstone {
				t.Fatalf("seed %d: found %v, %v, want %v", seed, got, ok, e.Tombstone)
			}
		}
		var want []Tombstone
		for c := int(classes) - 1; c >= 0; c-- {
			for _, e := range slices.Backward(m.all) {
				if e.Class == Class(c) {
					want = append(want, e.Tombstone)
				}
			}
		}
		if got := slices.Collect(s.All); !slices.Equal(got, want) {
			t.Fatalf("seed %d: All yields %d tombstones in another order than %d", seed, len(got), len(want))
		}
		if _, ok := s.Find(idOf(501)); ok {
			t.Errorf("seed %d: found what was never added", seed)
		}
	}
}

func TestAFullSetDropsTheOldestOfTheLowestClass(t *testing.T) {
	const limit = 64 * 1024
	s := New(limit)
	dropped := func() (all [classes]uint64) { return s.early }
	for n := range 10_000 {
		before := dropped()
		c := Class(n % int(classes))
		s.Add(tombstone(n, c), uint32(n/100))
		if s.Bytes() > limit {
			t.Fatalf("%d bytes after %d tombstones", s.Bytes(), n)
		}
		for higher := range classes {
			lower := 0
			for x := range higher {
				lower += s.queues[x].live
			}
			now := dropped()
			if now[higher] > before[higher] && lower > 0 {
				t.Fatalf("a tombstone of class %d was dropped, and %d of lower ones were left", higher, lower)
			}
			if now[higher] > before[higher] && higher > c {
				t.Fatalf("a tombstone of class %d was dropped for one of class %d", higher, c)
			}
		}
	}
	for c := range classes {
		if got := uint64(s.queues[c].live) + s.Early(c); got != 2500 {
			t.Errorf("class %d: %d are left, %d were dropped", c, s.queues[c].live, s.Early(c))
		}
	}
	const highest = classes - 1
	if n := s.queues[highest].live; n < 1000 || s.Early(highest) == 0 {
		t.Errorf("%d of the highest class are left, %d were dropped", n, s.Early(highest))
	}
	for n := range 3000 {
		oldest, _ := s.queues[highest].oldest()
		first, before := s.id(oldest.in(highest)), s.Early(highest)
		s.Add(tombstone(50_000+n, highest), 200)
		if _, ok := s.Find(first); ok && s.Early(highest) > before {
			t.Fatal("a younger one has gone before the oldest")
		}
	}
}

func TestWhatATombstoneTakesUp(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a second: make test and make race run it in full")
	}
	const n = 1_000_000
	for name, test := range map[string]struct {
		successors bool
		most       float64
	}{"alone": {false, 40}, "with a successor": {true, 56}} {
		r := rand.New(rand.NewPCG(1, 2))
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		s := New(1 << 30)
		for i := range n {
			x := tombstone(i, Known)
			binary.BigEndian.PutUint64(x.ID[:], r.Uint64())
			if test.successors {
				x.Successor = idOf(i + 1)
			}
			s.Add(x, uint32(i/300))
		}
		each := float64(heap()-before) / n
		t.Logf("%s: %.1f bytes each, %.1f by its own account", name, each, float64(s.Bytes())/n)
		if each > test.most || s.Len() != n {
			t.Errorf("%s: %.1f bytes each of %d, want %.0f at most", name, each, s.Len(), test.most)
		}
		runtime.KeepAlive(s)
	}
}

func TestATombstoneOfNoLogLeavesTheLogThatIsKnown(t *testing.T) {
	s := New(1 << 20)
	x := tombstone(1, Known)
	x.From = 7
	s.Add(x, 1)
	x.From = Unnumbered
	if s.Add(x, 2) {
		t.Error("it is news")
	}
	if got, _ := s.Find(x.ID); got.From != 7 {
		t.Errorf("it is of the log %d, want 7", got.From)
	}
	x.Death.Dot.Clock++ // which the log does not say
	x.Successor = idOf(2)
	news := s.Add(x, 3)
	if got, _ := s.Find(x.ID); !news || got.From != Unnumbered {
		t.Errorf("news %v, of the log %d", news, got.From)
	}
}

// A revocation of a user is needed for longer than a tombstone, and than the log that it was
// heard from.
func TestRevocationsOfUsersLiveLonger(t *testing.T) {
	s := New(1 << 20)
	s.Add(tombstone(1, Known), 100)
	user := tombstone(2, Users)
	user.From = 3
	s.Add(user, 100)
	s.Forget(3, Expired)
	if got, _ := s.Find(user.ID); got.From != Unnumbered {
		t.Errorf("what an expired log had is from %d, want that no log is known to have it", got.From)
	}
	s.Expire(1000, 100)
	if _, known := s.Find(idOf(1)); known || !s.Has(Users) {
		t.Errorf("the tombstone is there: %v; the revocation: %v", known, s.Has(Users))
	}
	s.Expire(1000, 1000)
	if s.Has(Users) || s.Len() != 0 {
		t.Error("the revocation is there after its time")
	}
}

// Of two revocations of a user the later one counts, in whatever order they come.
func TestTheLaterRevocationOfAUserCounts(t *testing.T) {
	early, late := tombstone(1, Users), tombstone(1, Users)
	early.Death.Reason, late.Death.Reason = state.Revoked, state.Revoked
	late.Death.Dot.Clock += 5
	for _, order := range [][]Tombstone{{early, late}, {late, early}} {
		s := New(1 << 20)
		for _, x := range order {
			s.Add(x, 100)
		}
		if got, _ := s.Find(late.ID); got.Death.Dot != late.Death.Dot {
			t.Errorf("the dot is %v, want %v", got.Death.Dot, late.Death.Dot)
		}
	}
}

func TestRecordsOfUsersAreToldApart(t *testing.T) {
	// The examples of docs/SPEC.md.
	if got := UserID("ann"); got != "revoked-b807320ed0055ae413f0fdc715ede548" {
		t.Errorf("ann's record is %s", got)
	}
	if Everybody != "revoked-01f6bf6806eaa366e28f3f17c469ac45" {
		t.Errorf("everybody's record is %s", Everybody)
	}
	seen := map[string]string{Everybody: "everybody"}
	for _, user := range []string{"", "ann", "Ann", "ann\x00", "everybody", "\x00"} {
		record := UserID(user)
		if other, ok := seen[record]; ok {
			t.Errorf("%q and %q have one record", user, other)
		}
		seen[record] = user
		x := Tombstone{ID: IDOf(record), Class: Users}
		if got := x.Record(); got != record || !recordid.IsRevocation(got) {
			t.Errorf("%q: the record is %s, want %s", user, got, record)
		}
	}
	x := Tombstone{ID: IDOf("0f000000000000000000000000000001"), Class: Known}
	if got := x.Record(); got != "0f000000000000000000000000000001" {
		t.Errorf("the tombstone of a session is %s", got)
	}
}
