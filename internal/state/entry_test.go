package state

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestEntriesAreAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	for range 1_500 {
		s := randomSource(r)
		m := s.model()
		l := m.encode()
		whole := slices.Clone(l)
		if err := l.Check(); err != nil {
			t.Fatalf("check of %v = %v", m, err)
		}
		if got := modelOf(l); !got.equal(m) {
			t.Fatalf("entries = %v, want %v", got, m)
		}
		var raw []byte
		for rest := l; len(rest) > 0; {
			e, next, _ := rest.Cut()
			raw, rest = append(raw, e.Raw...), next
		}
		if !bytes.Equal(raw, l) {
			t.Fatalf("the entries' own bytes are %x, want %x", raw, l)
		}
		for _, name := range slices.Concat(modelNames, otherNames) {
			want, known := m[name]
			got, ok := l.Find(name)
			if ok != known || !sameEntry(got, want) {
				t.Fatalf("find %q in %v = %v, %v", name, m, got, ok)
			}
			from := m.keep(func(e Entry) bool { return string(e.Name) >= name })
			if got := l.From(name); !bytes.Equal(got, from.encode()) {
				t.Fatalf("from %q in %v = %x, want %v", name, m, got, from)
			}
			for clock := range uint64(4) {
				d := Dot{clock, 1}
				if got, want := l.writtenAfter(d, name), known && wins(Entry{Dot: want.Dot}, Entry{Dot: d}); got != want {
					t.Fatalf("%q of %v is written after %v: %v, want %v", name, m, d, got, want)
				}
			}
		}
		latest := uint64(0)
		for clock := range uint64(4) {
			for instance := range uint32(3) {
				d := Dot{clock, instance}
				with := m.keep(func(e Entry) bool { return e.Dot == d })
				if got := l.Has(d); got != (len(with) > 0) {
					t.Fatalf("%v has %v: %v", m, d, got)
				}
				if len(with) > 0 {
					latest = clock
				}
			}
		}
		if got := l.Latest(); got != latest {
			t.Fatalf("latest of %v = %d, want %d", m, got, latest)
		}
		present := m.keep(func(e Entry) bool { return e.Flags.Kind() == Present })
		if got := l.Present(); !slices.EqualFunc(got, listOf(present), sameEntry) {
			t.Fatalf("present of %v = %v", m, got)
		}
		some := map[string]bool{}
		for _, name := range modelNames {
			some[name] = s.below(2) == 0
		}
		withheld := model{}
		for name, e := range m {
			if e.Flags.Kind() == Present && some[name] {
				e.Flags, e.Value = e.Flags-Present+Withheld, nil
			}
			withheld[name] = e
		}
		if got := l.Withhold(func(e Entry) bool { return some[string(e.Name)] }); !modelOf(got).equal(withheld) || got.Check() != nil {
			t.Fatalf("%v without the values of %v = %v", m, some, modelOf(got))
		}
		if !bytes.Equal(l, whole) {
			t.Fatalf("the entries %x were altered to %x", whole, l)
		}
	}
}

func listOf(m model) (l []Entry) {
	for rest := m.encode(); len(rest) > 0; {
		e, next, _ := rest.Cut()
		l, rest = append(l, e), next
	}
	return l
}

func TestJoinAndCoversOfEntriesAreThoseOfMaps(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 2))
	covered := 0
	for range 5_000 {
		a, b := randomSource(r).model(), randomSource(r).model()
		if r.IntN(4) == 0 { // often almost the same
			b = a.join(b.keep(func(Entry) bool { return r.IntN(4) == 0 }))
		}
		x, y := a.encode(), b.encode()
		wholeX, wholeY := slices.Clone(x), slices.Clone(y)
		want := a.join(b).encode()
		if got := JoinEntries(x, y); !bytes.Equal(got, want) {
			t.Fatalf("join of %v, %v = %v", a, b, modelOf(got))
		}
		if got := JoinEntries(y, x); !bytes.Equal(got, want) {
			t.Fatalf("join of %v, %v = %v", b, a, modelOf(got))
		}
		for _, pair := range [][2]model{{a, b}, {b, a}, {a, a}} {
			got, want := pair[0].encode().Covers(pair[1].encode()), pair[0].covers(pair[1])
			if got != want {
				t.Fatalf("%v covers %v: %v, want %v", pair[0], pair[1], got, want)
			}
			if want {
				covered++
			}
		}
		if !bytes.Equal(x, wholeX) || !bytes.Equal(y, wholeY) {
			t.Fatalf("a join altered %v or %v", a, b)
		}
	}
	if covered < 5_500 {
		t.Errorf("only %d of 15,000 pairs covered one another: the test asks too little", covered)
	}
}

func TestCoversAsksAForeignWriterForTheValue(t *testing.T) {
	one := func(d Dot, f Flags, value string) Entries {
		return Entry{Dot: d, Flags: f, Name: []byte("k"), Value: []byte(value)}.Append(nil)
	}
	foreign, ours := Dot{Clock: 1}, Dot{Clock: 1, Instance: 1}
	for _, test := range []struct {
		name     string
		l, other Entries
		want     bool
	}{
		{"one dot of ours is one write", one(ours, Present, "x"), one(ours, Withheld, ""), true},
		{"one dot of another system is many writes", one(foreign, Present, "x"), one(foreign, Present, "y"), false},
		{"of which this is the same", one(foreign, Present, "x"), one(foreign, Present|ServerOnly, "x"), true},
		{"a copy without the value knows of it", one(foreign, Withheld, ""), one(foreign, Present, "y"), true},
		{"a later write knows of it", one(ours, Present, "x"), one(foreign, Present, "y"), true},
	} {
		if got := test.l.Covers(test.other); got != test.want {
			t.Errorf("%s: covers = %v, want %v", test.name, got, test.want)
		}
	}
}

func TestOneEntryIsWholeOrCorrupt(t *testing.T) {
	for _, size := range []int{0, 1, 127, 128, 1<<14 - 1, 1 << 14, 1 << 15} {
		for _, name := range []string{"k", strings.Repeat("n", 128), strings.Repeat("n", MaxName)} {
			whole := Entries(Entry{Dot: Dot{1, 2}, Name: []byte(name), Value: make([]byte, size)}.Append(nil))
			if e, rest, ok := whole.Cut(); !ok || len(rest) != 0 || string(e.Name) != name || len(e.Value) != size {
				t.Fatalf("a value of %d bytes is cut as %d, %v", size, len(e.Value), ok)
			}
			for n := range min(len(whole), 600) {
				cut := whole[:n]
				if _, _, ok := cut.Cut(); ok {
					t.Errorf("an entry of %d bytes was cut off %d", len(whole), n)
				}
				if err := cut.Check(); n > 0 && !errors.Is(err, ErrCorrupt) {
					t.Errorf("%d bytes of an entry of %d are checked as %v", n, len(whole), err)
				}
			}
			if err := whole[:len(whole)-1].Check(); !errors.Is(err, ErrCorrupt) {
				t.Errorf("an entry of %d bytes without its last is checked as %v", len(whole), err)
			}
		}
	}
}

func TestEntriesThatAreNotOurs(t *testing.T) {
	entry := func(d Dot, f Flags, name string) Entries {
		return Entry{Dot: d, Flags: f, Name: []byte(name)}.Append(nil)
	}
	last := Dot{maxMillis<<CounterBits | (1<<CounterBits - 1), 1<<32 - 1}
	for _, test := range []struct {
		name string
		l    Entries
		want error
	}{
		{"no entry", nil, nil},
		{"the last dot", entry(last, Deleted, "k"), nil},
		{"a dot after the last", entry(Dot{last.Clock + 1, 0}, Deleted, "k"), ErrCorrupt},
		{"the longest name", entry(last, Deleted, strings.Repeat("n", MaxName)), nil},
		{"a longer name", entry(last, Deleted, strings.Repeat("n", MaxName+1)), ErrCorrupt},
		{"no name", entry(last, Deleted, ""), ErrCorrupt},
		{"every flag", entry(last, Withheld|ServerOnly|MaxRank<<RankShift, "k"), nil},
		{"an unknown kind", entry(last, Deleted|Withheld, "k"), ErrCorrupt},
		{"ascending names", append(entry(last, Deleted, "a"), entry(last, Deleted, "ab")...), nil},
		{"one name twice", append(entry(last, Deleted, "a"), entry(last, Deleted, "a")...), ErrCorrupt},
		{"descending names", append(entry(last, Deleted, "ab"), entry(last, Deleted, "a")...), ErrCorrupt},
		{"a name of more bytes than an int counts", append(entry(last, Deleted, "k")[:1+DotSize], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), ErrCorrupt},
	} {
		if err := test.l.Check(); !errors.Is(err, test.want) {
			t.Errorf("%s: check = %v, want %v", test.name, err, test.want)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, kind := range []Flags{Present, Deleted, Withheld} {
		for rank := range MaxRank + 1 {
			f := kind | ServerOnly | Flags(rank)<<RankShift
			if f.Kind() != kind || f.Rank() != rank {
				t.Errorf("flags %08b are of kind %d and rank %d, want %d and %d", f, f.Kind(), f.Rank(), kind, rank)
			}
		}
	}
}

func TestWithholdingNothingCostsNothing(t *testing.T) {
	l := benchEntries()
	if got := l.Withhold(func(Entry) bool { return false }); &got[0] != &l[0] || len(got) != len(l) {
		t.Error("entries of which nothing is withheld were copied")
	}
	if n := testing.AllocsPerRun(10, func() { l.Find("name15"); _ = l.Check() }); n != 0 {
		t.Errorf("check and find allocate %v times", n)
	}
}

func TestAValueDoesNotGrowIntoTheEntryBehindIt(t *testing.T) {
	l := Entries(Entry{Name: []byte("a"), Value: []byte("1")}.Append(nil))
	l = Entry{Name: []byte("b"), Value: []byte("2")}.Append(l)
	before := slices.Clone(l)
	e, ok := l.Find("a")
	if !ok || string(e.Value) != "1" {
		t.Fatalf("found %q, %v", e.Value, ok)
	}
	_ = append(e.Value, "grown"...)
	_ = append(e.Name, "grown"...)
	if !bytes.Equal(l, before) {
		t.Errorf("the entries are %x now, were %x", l, before)
	}
}

func TestEntriesBefore(t *testing.T) {
	one := PackChanges([]Change{{Name: "a", Value: []byte("1")}}, Dot{Clock: 1})
	three := PackChanges([]Change{{Name: "b", Value: []byte("2")}}, Dot{Clock: 3})
	both := JoinEntries(one, three)
	for _, c := range []struct {
		end  uint64
		want Entries
		all  bool
	}{{1, nil, false}, {2, one, false}, {3, one, false}, {4, both, true}} {
		if got, all := both.Before(c.end); string(got) != string(c.want) || all != c.all {
			t.Errorf("before %d there is %q, %v, want %q, %v", c.end, got, all, c.want, c.all)
		}
	}
	if got, all := Entries(nil).Before(1); len(got) != 0 || !all {
		t.Errorf("of nothing there is %q, %v", got, all)
	}
}
