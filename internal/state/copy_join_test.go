package state

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// smallCopy makes copies of one session. Two of them supersede some of the same
// sessions, and three no more than a list holds.
func smallCopy(r *rand.Rand) Copy {
	c := Copy{
		ID: "a", State: randomState(r), Confirmed: int64(r.IntN(4)), Saved: uint64(r.IntN(4)),
		NeverStored: r.IntN(2) == 0, Born: r.IntN(2) == 0,
	}
	for range r.IntN(3) {
		c.Supersedes = JoinSuperseded(c.Supersedes, []Superseded{{
			ID: []string{"b", "c"}[r.IntN(2)], Predecessor: r.IntN(2) == 0, Durable: r.IntN(2) == 0,
		}})
	}
	return c
}

// sameCopy compares two copies, but for the order of what they supersede.
func sameCopy(a, b Copy) bool {
	within := func(l, m []Superseded) bool {
		return !slices.ContainsFunc(l, func(k Superseded) bool { return !slices.Contains(m, k) })
	}
	return a.ID == b.ID && sameState(a.State, b.State) && a.Confirmed == b.Confirmed && a.Saved == b.Saved &&
		len(a.Supersedes) == len(b.Supersedes) && within(a.Supersedes, b.Supersedes) && within(b.Supersedes, a.Supersedes) &&
		a.NeverStored == b.NeverStored && a.Born == b.Born
}

func TestCopiesMeetInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		a := smallCopy(r)
		b := smallCopy(r)
		c := smallCopy(r)
		switch {
		case !sameCopy(a.Join(a), a):
			t.Fatalf("Join is not idempotent: %+v", a)
		case !sameCopy(a.Join(b), b.Join(a)):
			t.Fatalf("Join is not commutative: %+v, %+v", a, b)
		case !sameCopy(a.Join(b).Join(c), a.Join(b.Join(c))):
			t.Fatalf("Join is not associative: %+v, %+v, %+v", a, b, c)
		}
	}
}

func TestWhatTwoCopiesKnowTogether(t *testing.T) {
	k := func(id string) Superseded { return Superseded{ID: id, Predecessor: true} }
	a := Copy{ID: "a", State: State{LastSeen: 1}, Confirmed: 5, Saved: 3, Supersedes: []Superseded{k("b")}, NeverStored: true, Born: true}
	b := Copy{ID: "a", State: State{LastSeen: 2}, Confirmed: 4, Saved: 7, Supersedes: []Superseded{k("b"), k("c")}}
	want := Copy{ID: "a", State: State{LastSeen: 2}, Confirmed: 5, Saved: 3, Supersedes: []Superseded{k("b"), k("c")}, Born: true}
	if got := a.Join(b); !sameCopy(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if b.NeverStored = true; !a.Join(b).NeverStored {
		t.Error("both say that the store never had it, and together they do not")
	}
	if len(a.Supersedes) != 1 {
		t.Error("Join has changed what it joined")
	}
}
