package state

import (
	"encoding/hex"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

func exampleCopy() Copy {
	return Copy{
		ID:         "00112233445566778899aabbccddeeff",
		Confirmed:  1763716800000,
		Saved:      115570000000000000,
		Supersedes: []Superseded{{ID: "ffeeddccbbaa99887766554433221100", Dot: Dot{115570000000000000, 7}, Heir: true}},
		State: State{
			Created: 1763716700000, Authenticated: 1763716750000, LastSeen: 1763716800000, End: 1763803150000,
			Entries: PackChanges(Changes{
				{"card", Withheld | ServerOnly, nil},
				{"cart", 3 << RankShift, []byte(`["tofu"]`)},
				{"flash", Deleted, nil},
			}, Dot{115570000000000001, 7}),
		},
	}
}

func TestTheCopyInTheSpecificationDecodes(t *testing.T) {
	b := exampleCopy()
	text := hex.EncodeToString(b.Encode())
	page, err := os.ReadFile("../../docs/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(page)), ""), text) {
		t.Errorf("../../docs/SPEC.md does not have the example %s", text)
	}
	got, err := DecodeCopy(b.Encode())
	if err != nil || got.ID != b.ID || got.Confirmed != b.Confirmed || got.Saved != b.Saved || !slices.Equal(got.Supersedes, b.Supersedes) || !got.State.Equal(b.State) {
		t.Errorf("DecodeCopy = %+v, %v", got, err)
	}
}

// randomCopy makes copies of one session. Two of them supersede some of the same
// sessions, and three no more than a list holds.
func randomCopy(r *rand.Rand) Copy {
	c := Copy{
		ID: "a", State: randomState(r), Confirmed: int64(r.IntN(4)), Saved: uint64(r.IntN(4)),
		NeverStored: r.IntN(2) == 0, Born: r.IntN(2) == 0,
	}
	for range r.IntN(3) {
		c.Supersedes = JoinSuperseded(c.Supersedes, []Superseded{{
			ID: []string{"b", "c"}[r.IntN(2)], Heir: r.IntN(2) == 0, Durable: r.IntN(2) == 0,
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
		a, b, c := randomCopy(r), randomCopy(r), randomCopy(r)
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
	k := func(id string) Superseded { return Superseded{ID: id, Heir: true} }
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

func FuzzDecodeCopy(f *testing.F) {
	b := exampleCopy().Encode()
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add([]byte{FormatV1, 0, 0, 9})
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := DecodeCopy(in)
		if err != nil {
			return
		}
		again, err := DecodeCopy(b.Encode())
		if err != nil || again.ID != b.ID || again.Confirmed != b.Confirmed || again.Saved != b.Saved || !slices.Equal(again.Supersedes, b.Supersedes) || !again.State.Equal(b.State) {
			t.Errorf("%+v became %+v, %v", b, again, err)
		}
	})
}
