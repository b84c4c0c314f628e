package state

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// randomState makes small states, so that two of them often share names and
// dots, which is where a join has something to decide.
func randomState(r *rand.Rand) State {
	if r.IntN(8) == 0 {
		return State{Death: randomDeath(r)}
	}
	st := State{
		Created: int64(r.IntN(4)), Authenticated: int64(r.IntN(4)),
		LastSeen: int64(r.IntN(4)), End: int64(r.IntN(4)), Rotated: int64(r.IntN(3)),
	}
	for _, name := range []string{"a", "ab", "b", "c"} {
		if r.IntN(2) == 0 {
			continue
		}
		e := Entry{
			Dot:   Dot{uint64(r.IntN(3)), uint32(r.IntN(2))},
			Flags: Flags(r.IntN(3)) | Flags(r.IntN(2))*ServerOnly | Flags(r.IntN(2)<<4),
			Name:  []byte(name),
		}
		if e.Flags.Kind() == Present {
			e.Value = []byte{"xyz"[r.IntN(3)]}
		}
		st.Entries = e.Append(st.Entries)
	}
	return st
}

func randomDeath(r *rand.Rand) Death {
	d := Death{Dot: Dot{uint64(r.IntN(3)), uint32(r.IntN(2))}, Reason: Reason(1 + r.IntN(4))}
	at := d.Dot
	if d.Reason != Rotated {
		if r.IntN(2) == 0 {
			return d
		}
		at = Dot{uint64(r.IntN(3)), uint32(r.IntN(2))} // it was rotated, and somebody ended it as well
	}
	d.Link = NewLink(at, time.UnixMilli(int64(r.IntN(2))), [LinkRandom]byte{byte(r.IntN(2))}, strings.Repeat("xy"[r.IntN(2):][:1], 32))
	return d
}

func sameState(a, b State) bool { return bytes.Equal(a.Encode(), b.Encode()) }

func TestJoinIsASemilattice(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		a := randomState(r)
		b := randomState(r)
		c := randomState(r)
		switch {
		case !sameState(Join(a, a), a):
			t.Fatalf("join is not idempotent: %v", a)
		case !sameState(Join(a, b), Join(b, a)):
			t.Fatalf("join is not commutative: %v, %v", a, b)
		case !sameState(Join(Join(a, b), c), Join(a, Join(b, c))):
			t.Fatalf("join is not associative: %v, %v, %v", a, b, c)
		case (a.Dead() || b.Dead()) != Join(a, b).Dead():
			t.Fatalf("death does not absorb: %v, %v", a, b)
		}
	}
}

func TestJoinDecidesPerEntry(t *testing.T) {
	live := func(l ...Entry) State {
		st := State{Created: 5, Authenticated: 5, LastSeen: 5, End: 9}
		for _, e := range l {
			st.Entries = e.Append(st.Entries)
		}
		return st
	}
	old, recent := Dot{1, 1}, Dot{2, 0}
	for _, test := range []struct {
		name       string
		a, b, want State
	}{
		{"the larger clock stays",
			live(Entry{Dot: old, Name: []byte("k"), Value: []byte("old")}),
			live(Entry{Dot: recent, Name: []byte("k"), Value: []byte("new")}),
			live(Entry{Dot: recent, Name: []byte("k"), Value: []byte("new")})},
		{"between equal clocks the larger instance stays",
			live(Entry{Dot: Dot{1, 1}, Name: []byte("k"), Value: []byte("z")}),
			live(Entry{Dot: Dot{1, 2}, Name: []byte("k"), Value: []byte("a")}),
			live(Entry{Dot: Dot{1, 2}, Name: []byte("k"), Value: []byte("a")})},
		{"a later deletion stays",
			live(Entry{Dot: old, Name: []byte("k"), Value: []byte("v")}),
			live(Entry{Dot: recent, Flags: Deleted, Name: []byte("k")}),
			live(Entry{Dot: recent, Flags: Deleted, Name: []byte("k")})},
		{"a value beats withheld of the same dot",
			live(Entry{Dot: old, Flags: Withheld, Name: []byte("k")}),
			live(Entry{Dot: old, Name: []byte("k")}),
			live(Entry{Dot: old, Name: []byte("k")})},
		{"withheld of a later dot stays: the older value is not it",
			live(Entry{Dot: recent, Flags: Withheld, Name: []byte("k")}),
			live(Entry{Dot: old, Name: []byte("k"), Value: []byte("v")}),
			live(Entry{Dot: recent, Flags: Withheld, Name: []byte("k")})},
		{"different keys are both kept",
			live(Entry{Dot: old, Name: []byte("a"), Value: []byte("1")}),
			live(Entry{Dot: recent, Name: []byte("b"), Value: []byte("2")}),
			live(Entry{Dot: old, Name: []byte("a"), Value: []byte("1")}, Entry{Dot: recent, Name: []byte("b"), Value: []byte("2")})},
		{"created and end by the earlier, the others by the later",
			State{Created: 1, Authenticated: 2, LastSeen: 3, End: 4},
			State{Created: 2, Authenticated: 1, LastSeen: 4, End: 3},
			State{Created: 1, Authenticated: 2, LastSeen: 4, End: 3}},
		{"dead stays dead",
			live(Entry{Dot: recent, Name: []byte("k")}),
			State{Death: Death{Dot: old, Reason: Renewed}},
			State{Death: Death{Dot: old, Reason: Renewed}}},
		{"of two deaths the later is told",
			State{Death: Death{Dot: recent, Reason: Revoked}},
			State{Death: Death{Dot: old, Reason: Destroyed}},
			State{Death: Death{Dot: recent, Reason: Revoked}}},
		{"an end outranks a later Renew, whose successor it names",
			State{Death: Death{Dot: recent, Reason: Renewed, Successor: successor}},
			State{Death: Death{Dot: old, Reason: Destroyed}},
			State{Death: Death{Dot: old, Reason: Destroyed, Successor: successor}}},
		{"a Renew outranks a later rotation",
			State{Death: Death{Dot: old, Reason: Renewed, Successor: successor}},
			State{Death: Death{Dot: recent, Reason: Rotated, Link: NewLink(recent, recent.Time(), [LinkRandom]byte{7}, "successor")}},
			State{Death: Death{Dot: old, Reason: Renewed, Successor: successor, Link: NewLink(recent, recent.Time(), [LinkRandom]byte{7}, "successor")}}},
		{"a death by any hand outranks a later rotation, and the link stays",
			State{Death: Death{Dot: recent, Reason: Rotated, Link: NewLink(recent, recent.Time(), [LinkRandom]byte{7}, "successor")}},
			State{Death: Death{Dot: old, Reason: Destroyed}},
			State{Death: Death{Dot: old, Reason: Destroyed, Link: NewLink(recent, recent.Time(), [LinkRandom]byte{7}, "successor")}}},
		{"of two rotations the later leads on",
			State{Death: Death{Dot: recent, Reason: Rotated, Link: NewLink(recent, recent.Time(), [LinkRandom]byte{1}, "a")}},
			State{Death: Death{Dot: old, Reason: Rotated, Link: NewLink(old, old.Time(), [LinkRandom]byte{9}, "b")}},
			State{Death: Death{Dot: recent, Reason: Rotated, Link: NewLink(recent, recent.Time(), [LinkRandom]byte{1}, "a")}}},
		{"the later rotation of a token counts",
			State{Created: 1, Authenticated: 2, LastSeen: 3, End: 4, Rotated: 6},
			State{Created: 1, Authenticated: 2, LastSeen: 3, End: 4},
			State{Created: 1, Authenticated: 2, LastSeen: 3, End: 4, Rotated: 6}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Join(test.a, test.b); !sameState(got, test.want) {
				t.Errorf("join = %v, want %v", got, test.want)
			}
			if got := Join(test.b, test.a); !sameState(got, test.want) {
				t.Errorf("join the other way = %v, want %v", got, test.want)
			}
		})
	}
}

func TestAWriteWinsOverAllItKnewOf(t *testing.T) {
	var c Clock
	now := time.Now()
	for _, ahead := range []time.Duration{-time.Hour, 0, 30 * time.Second, time.Hour, 1000 * time.Hour} {
		st := State{}
		st.Entries = Entry{Dot: Dot{uint64(now.Add(ahead).UnixMilli()) << CounterBits, 1<<32 - 1}, Name: []byte("k"), Value: []byte("theirs")}.Append(nil)
		st = st.Write(Changes{{Name: "k", Value: []byte("ours")}}, Dot{c.Next(now, st.Entries.Latest()), 0})
		if e, _ := st.Entries.Find("k"); string(e.Value) != "ours" {
			t.Errorf("a write lost against a dot that is %v ahead", ahead)
		}
	}
	if got, bound := c.last.Load(), uint64(now.Add(MaxAhead+time.Second).UnixMilli())<<CounterBits; got > bound {
		t.Errorf("the clock followed a dot that is too far ahead: %d > %d", got, bound)
	}
}

func TestClockNeverRepeats(t *testing.T) {
	var c Clock
	now := time.Now()
	const goroutines, each = 8, 2000
	got := make(chan uint64, goroutines*each)
	done := make(chan bool)
	for range goroutines {
		go func() {
			for range each {
				got <- c.Next(now, 0)
			}
			done <- true
		}()
	}
	for range goroutines {
		<-done
	}
	close(got)
	seen := map[uint64]bool{}
	for v := range got {
		if seen[v] {
			t.Fatalf("clock %d twice", v)
		}
		seen[v] = true
	}
}

func TestStoredFormIsStable(t *testing.T) {
	st := State{Created: 1, Authenticated: 2, LastSeen: 300, End: 70000}
	st.Entries = Entry{Dot: Dot{0x0102030405060708, 0x090a0b0c}, Flags: ServerOnly, Name: []byte("cart"), Value: []byte("[]")}.Append(nil)
	st.Entries = Entry{Dot: Dot{1, 2}, Flags: Deleted, Name: []byte("user")}.Append(st.Entries)
	turned := State{Created: 1, Authenticated: 2, LastSeen: 300, End: 70000, Rotated: 5000}
	tomb := State{Death: Death{Dot: Dot{3, 4}, Reason: Revoked}}
	link := State{Death: Death{Dot: Dot{3, 4}, Reason: Rotated, Link: NewLink(Dot{3, 4}, time.UnixMilli(9), [LinkRandom]byte{0xab}, strings.Repeat("f", 32))}}
	for _, test := range []struct {
		name string
		st   State
		want string
	}{
		{"live", st, "0101" + "01" + "02" + "ac02" + "f0a204" +
			"04" + "0102030405060708" + "090a0b0c" + "04" + "63617274" + "02" + "5b5d" +
			"01" + "0000000000000001" + "00000002" + "04" + "75736572"},
		{"live, under a rotated token", turned, "0103" + "01" + "02" + "ac02" + "f0a204" + "8827"},
		{"dead", tomb, "0102" + "0000000000000003" + "00000004" + "03"},
		{"dead by a rotation", link, "0102" + "0000000000000003" + "00000004" + "04" +
			"0000000000000003" + "00000004" + "0000000000000009" + "ab" + strings.Repeat("00", 31) + strings.Repeat("66", 32)},
	} {
		if got := hex.EncodeToString(test.st.Encode()); got != test.want {
			t.Errorf("%s: encode = %s, want %s; records of running sites would become unreadable", test.name, got, test.want)
		}
	}
}

func TestStateSurvivesEncoding(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		st := randomState(r)
		got, err := Decode(st.Encode())
		if err != nil || !sameState(got, st) {
			t.Fatalf("decode(encode(%v)) = %v, %v", st, got, err)
		}
	}
}

func TestDamagedRecordsAreErrors(t *testing.T) {
	st := State{Created: 1, Authenticated: 2, LastSeen: 3, End: 4}
	st = st.Write(Changes{{Name: "cart", Value: []byte("[1]")}, {Name: "user", Value: []byte(`"bob"`)}}, Dot{5, 6})
	whole := st.Encode()
	for n := range whole {
		got, err := Decode(whole[:n])
		// Cut between two entries it is a shorter record: only the store's own
		// integrity tells those apart.
		if err == nil && !isPrefixOfEntries(got, st) {
			t.Errorf("a record cut at byte %d was accepted: %v", n, got)
		}
	}
	for _, test := range []struct {
		name string
		data string
	}{
		{"empty", ""},
		{"a format of the future", "0201"},
		{"an unknown kind", "0104"},
		{"a rotation without a date", "0103" + "01010101" + "00"},
		{"a rotation that leads nowhere", "0102" + "0000000000000003" + "00000004" + "04"},
		{"a rotation whose link is cut off", "0102" + "0000000000000003" + "00000004" + "04" + "0000000000000003" + "00000004" + strings.Repeat("00", 63)},
		{"a rotation with the link of another", "0102" + "0000000000000003" + "00000004" + "04" + "0000000000000003" + "00000005" + strings.Repeat("00", 64)},
		{"a tombstone that is too long", "0102" + "0000000000000003" + "00000004" + "0300"},
		{"a tombstone without a reason", "0102" + "0000000000000003" + "00000004" + "00"},
		{"a date past all dates", "0101" + "ffffffffffffffffff01" + "010101"},
		{"an unknown kind of entry", "010101010101" + "03" + "0000000000000001" + "00000001" + "0161"},
		{"an entry without a name", "010101010101" + "01" + "0000000000000001" + "00000001" + "00"},
		{"a value longer than the record", "010101010101" + "00" + "0000000000000001" + "00000001" + "0161" + "ffffffffffffffff7f"},
		{"one name twice", "010101010101" + "01" + "0000000000000001" + "00000001" + "0161" + "01" + "0000000000000001" + "00000001" + "0161"},
		{"names out of order", "010101010101" + "01" + "0000000000000001" + "00000001" + "0162" + "01" + "0000000000000001" + "00000001" + "0161"},
	} {
		data, err := hex.DecodeString(test.data)
		if err != nil {
			t.Fatal(err)
		}
		if st, err := Decode(data); err == nil {
			t.Errorf("%s was accepted: %v", test.name, st)
		}
	}
}

func isPrefixOfEntries(got, whole State) bool { return bytes.HasPrefix(whole.Entries, got.Entries) }

func TestChangesThatChangeNothing(t *testing.T) {
	var st State
	st = st.Write(Changes{{Name: "a", Value: []byte("1")}, {Name: "b", Value: []byte("2")}}, Dot{1, 1})
	st = st.Write(Changes{{Name: "b", Flags: Deleted}}, Dot{2, 1})
	for _, test := range []struct {
		name string
		c    Change
		want bool
	}{
		{"the value it has", Change{Name: "a", Value: []byte("1")}, false},
		{"another value", Change{Name: "a", Value: []byte("2")}, true},
		{"the value, but on the server only", Change{Name: "a", Flags: ServerOnly, Value: []byte("1")}, true},
		{"deleting a value", Change{Name: "a", Flags: Deleted}, true},
		{"deleting what is deleted", Change{Name: "b", Flags: Deleted}, false},
		{"deleting what never was", Change{Name: "c", Flags: Deleted}, false},
		{"a new value", Change{Name: "c", Value: []byte("")}, true},
	} {
		if got := len(Changes{test.c}.Against(st)) == 1; got != test.want {
			t.Errorf("%s is a change: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestJoinKeepsTheLargerOrigin(t *testing.T) {
	a, b := State{Origin: []byte("a"), Bare: true}, State{Origin: []byte("b")}
	for _, got := range []State{Join(a, b), Join(b, a), Join(b, State{})} {
		if string(got.Origin) != "b" || got.Bare {
			t.Errorf("join = %+v", got)
		}
	}
	if got := Join(a, State{}); string(got.Origin) != "a" {
		t.Errorf("join with a state of ours forgets the origin %q", got.Origin)
	}
}

func TestEqualAsksForAllButLastSeen(t *testing.T) {
	whole := State{Created: 1, Authenticated: 2, LastSeen: 3, End: 4, Rotated: 5, Entries: benchEntries()}
	for _, test := range []struct {
		name  string
		alter func(*State)
		want  bool
	}{
		{"nothing", func(*State) {}, true},
		{"when it was last used", func(st *State) { st.LastSeen++ }, true},
		{"what it was read from", func(st *State) { st.Origin, st.Bare = []byte("{}"), true }, true},
		{"the same entries elsewhere", func(st *State) { st.Entries = slices.Clone(st.Entries) }, true},
		{"when it was created", func(st *State) { st.Created++ }, false},
		{"when somebody logged in", func(st *State) { st.Authenticated++ }, false},
		{"when it ends", func(st *State) { st.End++ }, false},
		{"when its token was made", func(st *State) { st.Rotated++ }, false},
		{"its death", func(st *State) { st.Death.Reason = Revoked }, false},
		{"the dot of its death", func(st *State) { st.Death.Dot.Clock++ }, false},
		{"its entries", func(st *State) { st.Entries = st.Entries.From("name01") }, false},
	} {
		other := whole
		test.alter(&other)
		if whole.Equal(other) != test.want || other.Equal(whole) != test.want {
			t.Errorf("a state that differs in %s is equal: %v, want %v", test.name, whole.Equal(other), test.want)
		}
	}
}

func TestSeen(t *testing.T) {
	st := State{Created: 1, LastSeen: 5, End: 9}
	for at, want := range map[int64]int64{4: 5, 5: 5, 6: 6} {
		if got := st.Seen(time.UnixMilli(at)); got.LastSeen != want || got.Created != 1 || got.End != 9 {
			t.Errorf("seen at %d it is %+v, want %d", at, got, want)
		}
	}
	if st.LastSeen != 5 {
		t.Error("the state was altered")
	}
}

func TestValuesBringEntriesAndNoDates(t *testing.T) {
	r := rand.New(rand.NewPCG(16, 1))
	for range 2_000 {
		from, to := randomState(r), randomState(r)
		if from.Dead() || to.Dead() {
			continue
		}
		want := to
		want.Created = min(from.Created, to.Created)
		want.Entries = JoinEntries(from.Entries, to.Entries)
		if got := Join(to, from.Values()); !sameState(got, want) {
			t.Fatalf("%v with the values of %v = %v", to, from, got)
		}
	}
}

func TestAWriteIsAJoin(t *testing.T) {
	r := rand.New(rand.NewPCG(16, 2))
	for range 5_000 {
		st := randomState(r)
		l := Changes{{Name: "a", Flags: ServerOnly, Value: []byte("1")}, {Name: "b", Flags: Deleted}}
		got := st.Write(l, Dot{9, 1})
		if st.Dead() {
			if !sameState(got, st) {
				t.Fatalf("a write revived %v as %v", st, got)
			}
			continue
		}
		want := st
		m := modelOf(st.Entries)
		m["a"] = Entry{Dot: Dot{9, 1}, Flags: ServerOnly, Name: []byte("a"), Value: []byte("1")}
		m["b"] = Entry{Dot: Dot{9, 1}, Flags: Deleted, Name: []byte("b")}
		want.Entries = m.encode()
		if !sameState(got, want) || !sameState(Join(got, st), got) {
			t.Fatalf("%v after a write is %v, want %v", st, got, want)
		}
	}
}

func TestEncodeAllocatesOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(16, 3))
	largest := State{Created: maxMillis, Authenticated: maxMillis, LastSeen: maxMillis, End: maxMillis, Rotated: maxMillis}
	for range 200 {
		st := Join(randomState(r), largest)
		if n := len(st.Encode()); n > st.size() {
			t.Fatalf("%v has %d bytes, and said %d", st, n, st.size())
		}
		if n := testing.AllocsPerRun(1, func() { st.Encode() }); n > 1 {
			t.Fatalf("encoding %v allocates %v times", st, n)
		}
	}
}

func TestAFormatOfTheFutureIsNamed(t *testing.T) {
	_, err := Decode([]byte{7, kindLive, 0, 0, 0, 0})
	if err == nil || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "format 7") {
		t.Errorf("decode = %v", err)
	}
}

func TestTheLastDateIsReadAndNoLater(t *testing.T) {
	for i := range 5 {
		for date, ok := range map[int64]bool{maxMillis: true, maxMillis + 1: false} {
			st := State{Created: 1, Authenticated: 1, LastSeen: 1, End: 1, Rotated: 1}
			*[]*int64{&st.Created, &st.Authenticated, &st.LastSeen, &st.End, &st.Rotated}[i] = date
			if got, err := Decode(st.Encode()); (err == nil) != ok || ok && !sameState(got, st) {
				t.Errorf("date %d of %d is read as %+v, %v", i, date, got, err)
			}
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		f.Add(randomState(r).Encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		st, err := Decode(slices.Clone(data))
		if err != nil {
			return
		}
		if !respelled(data, st.Encode()) {
			t.Fatalf("%x became %x", data, st.Encode())
		}
		again, err := Decode(st.Encode())
		if err != nil || !reflect.DeepEqual(again.Entries, st.Entries) && len(st.Entries) > 0 {
			t.Fatalf("decode(encode(x)) = %v, %v, want x = %v", again, err, st)
		}
		if j := Join(st, st); !sameState(j, st) {
			t.Fatalf("join(x, x) = %v, want %v", j, st)
		}
		st.Entries.Find("k")
		st.Entries.Latest()
	})
}
