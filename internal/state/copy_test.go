package state

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func exampleCopy() Copy {
	return Copy{
		ID:         "00112233445566778899aabbccddeeff",
		Confirmed:  1763716800000,
		Saved:      115570000000000000,
		Supersedes: []Superseded{{ID: "ffeeddccbbaa99887766554433221100", Dot: Dot{115570000000000000, 7}, Predecessor: true}},
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

// respelled reports whether again is what in was decoded to and encoded: the
// same bytes, or fewer where in spells a number with more bytes than it needs.
func respelled(in, again []byte) bool {
	return bytes.Equal(in, again) || len(again) < len(in)
}

func TestADamagedCopyIsAnErrorOrWhatItSays(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 1))
	for range 12 {
		c := randomCopy(r)
		checkDamage(t, c.Encode(), func(b []byte) ([]byte, error) {
			got, err := DecodeCopy(b)
			return got.Encode(), err
		})
	}
}

func TestADamagedStateIsAnErrorOrWhatItSays(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 2))
	for range 60 {
		st := randomState(r)
		checkDamage(t, st.Encode(), func(b []byte) ([]byte, error) {
			got, err := Decode(b)
			return got.Encode(), err
		})
	}
}

// checkDamage cuts whole at every byte and turns every bit.
func checkDamage(t *testing.T, whole []byte, decoded func([]byte) ([]byte, error)) {
	t.Helper()
	check := func(how string, at int, in []byte) {
		again, err := decoded(slices.Clone(in))
		if err != nil {
			return
		}
		if !respelled(in, again) {
			t.Fatalf("%x %s %d was accepted, and encodes to %x", in, how, at, again)
		}
		if last, err := decoded(again); err != nil || !bytes.Equal(again, last) {
			t.Fatalf("%x %s %d was accepted as %x, and then as %x, %v", in, how, at, again, last, err)
		}
	}
	for n := range whole {
		check("cut at byte", n, whole[:n])
		for bit := range 8 {
			turned := slices.Clone(whole)
			turned[n] ^= 1 << bit
			check("turned at byte", n, turned)
		}
	}
	if again, err := decoded(whole); err != nil || !bytes.Equal(again, whole) {
		t.Fatalf("%x became %x, %v", whole, again, err)
	}
}

func randomSuperseded(r *rand.Rand, n int) (l []Superseded) {
	for i := range n {
		l = append(l, Superseded{
			ID: fmt.Sprint(r.IntN(30), "-", i), Dot: Dot{uint64(r.IntN(9)), uint32(r.IntN(9))},
			IfLive: r.IntN(2) == 0, Durable: r.IntN(3) == 0, NeverStored: r.IntN(4) == 0, IfStored: r.IntN(2) == 0, Predecessor: r.IntN(3) > 0,
		})
	}
	return l
}

func randomCopy(r *rand.Rand) Copy {
	st := randomState(r)
	for st.Dead() {
		st = randomState(r)
	}
	return Copy{
		ID: strings.Repeat("i", r.IntN(33)), State: st, Confirmed: r.Int64N(1 << 47), Saved: r.Uint64() >> r.IntN(64),
		Supersedes: randomSuperseded(r, r.IntN(MaxSuperseded+1)), NeverStored: r.IntN(2) == 0,
	}
}

func TestCopySurvivesEncoding(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 3))
	for range 2_000 {
		want := randomCopy(r)
		sent := want
		sent.Born = r.IntN(2) == 0
		got, err := DecodeCopy(sent.Encode())
		if err != nil || !sameState(got.State, want.State) {
			t.Fatalf("%+v became %+v, %v", want, got, err)
		}
		got.State, want.State = State{}, State{}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v became %+v", want, got)
		}
	}
}

func TestCopiesThatAreNotOurs(t *testing.T) {
	altered := func(alter func(*Copy)) []byte {
		c := exampleCopy()
		alter(&c)
		return c.Encode()
	}
	at := func(i int, b byte) []byte {
		whole := exampleCopy().Encode()
		whole[i] = b
		return whole
	}
	first := exampleCopy().Supersedes[0]
	flags := bytes.Index(exampleCopy().Encode(), first.Dot.append(nil)) - 1
	for _, test := range []struct {
		name string
		in   []byte
		ok   bool
	}{
		{"the example", exampleCopy().Encode(), true},
		{"the last date", altered(func(c *Copy) { c.Confirmed = maxMillis }), true},
		{"a date after the last", altered(func(c *Copy) { c.Confirmed = maxMillis + 1 }), false},
		{"a dead session", altered(func(c *Copy) { c.State = State{Death: Death{Dot: Dot{1, 1}, Reason: Destroyed}} }), false},
		{"a format of the future", at(0, 2), false},
		{"another mark than stored or never", at(1, 2), false},
		{"never stored", at(1, 1), true},
		{"all that can be superseded", altered(func(c *Copy) { c.Supersedes = make([]Superseded, MaxSuperseded) }), true},
		{"one more", altered(func(c *Copy) { c.Supersedes = make([]Superseded, MaxSuperseded+1) }), false},
		{"every flag of the superseded", at(flags, 31), true},
		{"an unknown flag of the superseded", at(flags, 32), false},
		{"a state of a future format", at(flags+1+DotSize+1+len(first.ID), 2), false},
		{"nothing", nil, false},
		{"a format alone", []byte{FormatV1}, false},
	} {
		if c, err := DecodeCopy(test.in); (err == nil) != test.ok {
			t.Errorf("%s: decode = %+v, %v", test.name, c, err)
		} else if err != nil && !reflect.DeepEqual(c, Copy{}) {
			t.Errorf("%s: beside an error there is %+v", test.name, c)
		}
	}
}

func TestACopyDoesNotShareItsListWithTheBytes(t *testing.T) {
	in := exampleCopy().Encode()
	c, err := DecodeCopy(in)
	if err != nil {
		t.Fatal(err)
	}
	clear(in)
	if want := exampleCopy(); c.ID != want.ID || !slices.Equal(c.Supersedes, want.Supersedes) {
		t.Errorf("when its bytes were cleared, the copy became %+v", c)
	}
}

// add says by name which is dropped: the first never stored, else the first of
// which the store has the tombstone or that has no successor, else the oldest.
func add(l []Superseded, s Superseded) []Superseded {
	for i := 0; len(l) == MaxSuperseded && i < MaxSuperseded; i++ {
		if l[i].NeverStored {
			l = slices.Concat(l[:i], l[i+1:])
		}
	}
	for i := 0; len(l) == MaxSuperseded && i < MaxSuperseded; i++ {
		if l[i].Durable || !l[i].Predecessor {
			l = slices.Concat(l[:i], l[i+1:])
		}
	}
	if len(l) == MaxSuperseded {
		l = l[1:]
	}
	return slices.Concat(l, []Superseded{s})
}

func TestWhatASessionTakesOverSaysNothingElseOfIt(t *testing.T) {
	old := State{Created: 5, LastSeen: 9, Authenticated: 9, End: 20, Entries: PackChanges([]Change{{Name: "x", Value: []byte("1")}}, Dot{7, 1})}
	heir := Copy{ID: "b", State: State{Created: 5, LastSeen: 6, Authenticated: 6, End: 30}, Confirmed: 4, NeverStored: true, Born: true}
	want := heir
	want.State.Entries = old.Entries
	for _, got := range []Copy{heir.Join(Inherited("b", old)), Inherited("b", old).Join(heir)} {
		got.ID = "b"
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestAFullListDropsWhatMattersLeast(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 4))
	for range 5_000 {
		l := randomSuperseded(r, r.IntN(MaxSuperseded+1))
		if r.IntN(4) == 0 { // nothing is settled
			for i := range l {
				l[i].NeverStored = false
				l[i].Durable = false
				l[i].Predecessor = true
			}
		}
		l = slices.Grow(l, 2) // room that an append could write into
		before := slices.Clone(l)
		s := randomSuperseded(r, 1)[0]
		got := AddSuperseded(l, s)
		if want := add(l, s); !slices.Equal(got, want) {
			t.Fatalf("%+v with %+v = %+v, want %+v", l, s, got, want)
		}
		if !slices.Equal(l, before) || l[:len(l)+1][len(l)] != (Superseded{}) {
			t.Fatalf("%+v was altered to %+v", before, l)
		}
		unsettled := false // one is dropped that might have ended otherwise
		for _, old := range l {
			dropped := !slices.Contains(got, old)
			unsettled = unsettled || dropped && old.Predecessor && !old.Durable && !old.NeverStored
		}
		if lost := DropsUnsettled(l); lost != unsettled {
			t.Fatalf("one more than %+v drops what is not settled: %v, want %v", l, lost, unsettled)
		}
	}
}

func TestJoinSupersededHasBoth(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 5))
	for range 5_000 {
		all := randomSuperseded(r, 12)
		a, b := slices.Clone(all[:r.IntN(MaxSuperseded+1)]), slices.Clone(all[4:4+r.IntN(MaxSuperseded+1)])
		beforeA, beforeB := slices.Clone(a), slices.Clone(b)
		got := JoinSuperseded(a, b)
		fits := slices.Clone(a)
		for _, s := range b {
			if !slices.Contains(a, s) {
				fits = append(fits, s)
			}
		}
		switch {
		case len(got) > MaxSuperseded:
			t.Fatalf("a list has %d", len(got))
		case len(fits) <= MaxSuperseded && !slices.Equal(got, fits):
			t.Fatalf("%+v with %+v = %+v", a, b, got)
		case len(fits) > MaxSuperseded && len(got) != MaxSuperseded:
			t.Fatalf("%d were dropped without need", MaxSuperseded-len(got))
		case !slices.Equal(JoinSuperseded(a, a), a):
			t.Fatalf("%+v with itself is another", a)
		case !slices.Equal(a, beforeA) || !slices.Equal(b, beforeB):
			t.Fatalf("%+v or %+v was altered", beforeA, beforeB)
		}
	}
}

func TestMarkDurable(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 6))
	for range 1000 {
		l := randomSuperseded(r, r.IntN(MaxSuperseded+1))
		before := slices.Clone(l)
		got := MarkDurable(l)
		if !slices.Equal(l, before) {
			t.Fatalf("%+v was altered", before)
		}
		for i := range before {
			before[i].Durable = true
		}
		if !slices.Equal(got, before) {
			t.Fatalf("%+v became %+v", l, got)
		}
		if again := MarkDurable(got); len(got) > 0 && &again[0] != &got[0] {
			t.Fatal("a list in which nothing changes was copied")
		}
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
		if !respelled(in, b.Encode()) {
			t.Errorf("%x became %x", in, b.Encode())
		}
		again, err := DecodeCopy(b.Encode())
		if err != nil || again.ID != b.ID || again.Confirmed != b.Confirmed || again.Saved != b.Saved || !slices.Equal(again.Supersedes, b.Supersedes) || !again.State.Equal(b.State) {
			t.Errorf("%+v became %+v, %v", b, again, err)
		}
	})
}
