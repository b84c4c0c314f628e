package session

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// randomState makes small states, so that two of them often share names and
// dots, which is where a join has something to decide.
func randomState(r *rand.Rand) state {
	if r.IntN(8) == 0 {
		return state{death: randomDeath(r)}
	}
	st := state{
		created: int64(r.IntN(4)), authenticated: int64(r.IntN(4)),
		lastSeen: int64(r.IntN(4)), end: int64(r.IntN(4)), rotated: int64(r.IntN(3)),
	}
	for _, name := range []string{"a", "ab", "b", "c"} {
		if r.IntN(2) == 0 {
			continue
		}
		e := entry{
			dot:   dot{uint64(r.IntN(3)), uint32(r.IntN(2))},
			flags: flags(r.IntN(3)) | flags(r.IntN(2))*serverOnly | flags(r.IntN(2)<<4),
			name:  []byte(name),
		}
		if e.flags.kind() == present {
			e.value = []byte{"xyz"[r.IntN(3)]}
		}
		st.entries = e.append(st.entries)
	}
	return st
}

func randomDeath(r *rand.Rand) death {
	d := death{dot: dot{uint64(r.IntN(3)), uint32(r.IntN(2))}, reason: reason(1 + r.IntN(4))}
	at := d.dot
	if d.reason != rotated {
		if r.IntN(2) == 0 {
			return d
		}
		at = dot{uint64(r.IntN(3)), uint32(r.IntN(2))} // it was rotated, and somebody ended it as well
	}
	d.link = newLink(at, time.UnixMilli(int64(r.IntN(2))), [linkRandom]byte{byte(r.IntN(2))}, string(ID(strings.Repeat("xy"[r.IntN(2):][:1], idLen))))
	return d
}

func sameState(a, b state) bool { return bytes.Equal(a.encode(), b.encode()) }

func TestJoinIsASemilattice(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		a, b, c := randomState(r), randomState(r), randomState(r)
		switch {
		case !sameState(join(a, a), a):
			t.Fatalf("join is not idempotent: %v", a)
		case !sameState(join(a, b), join(b, a)):
			t.Fatalf("join is not commutative: %v, %v", a, b)
		case !sameState(join(join(a, b), c), join(a, join(b, c))):
			t.Fatalf("join is not associative: %v, %v, %v", a, b, c)
		case (a.dead() || b.dead()) != join(a, b).dead():
			t.Fatalf("death does not absorb: %v, %v", a, b)
		}
	}
}

func TestJoinDecidesPerEntry(t *testing.T) {
	live := func(l ...entry) state {
		st := state{created: 5, authenticated: 5, lastSeen: 5, end: 9}
		for _, e := range l {
			st.entries = e.append(st.entries)
		}
		return st
	}
	old, recent := dot{1, 1}, dot{2, 0}
	for _, test := range []struct {
		name       string
		a, b, want state
	}{
		{"the larger clock stays",
			live(entry{dot: old, name: []byte("k"), value: []byte("old")}),
			live(entry{dot: recent, name: []byte("k"), value: []byte("new")}),
			live(entry{dot: recent, name: []byte("k"), value: []byte("new")})},
		{"between equal clocks the larger instance stays",
			live(entry{dot: dot{1, 1}, name: []byte("k"), value: []byte("z")}),
			live(entry{dot: dot{1, 2}, name: []byte("k"), value: []byte("a")}),
			live(entry{dot: dot{1, 2}, name: []byte("k"), value: []byte("a")})},
		{"a later deletion stays",
			live(entry{dot: old, name: []byte("k"), value: []byte("v")}),
			live(entry{dot: recent, flags: deleted, name: []byte("k")}),
			live(entry{dot: recent, flags: deleted, name: []byte("k")})},
		{"a value beats withheld of the same dot",
			live(entry{dot: old, flags: withheld, name: []byte("k")}),
			live(entry{dot: old, name: []byte("k")}),
			live(entry{dot: old, name: []byte("k")})},
		{"withheld of a later dot stays: the older value is not it",
			live(entry{dot: recent, flags: withheld, name: []byte("k")}),
			live(entry{dot: old, name: []byte("k"), value: []byte("v")}),
			live(entry{dot: recent, flags: withheld, name: []byte("k")})},
		{"different keys are both kept",
			live(entry{dot: old, name: []byte("a"), value: []byte("1")}),
			live(entry{dot: recent, name: []byte("b"), value: []byte("2")}),
			live(entry{dot: old, name: []byte("a"), value: []byte("1")}, entry{dot: recent, name: []byte("b"), value: []byte("2")})},
		{"created and end by the earlier, the others by the later",
			state{created: 1, authenticated: 2, lastSeen: 3, end: 4},
			state{created: 2, authenticated: 1, lastSeen: 4, end: 3},
			state{created: 1, authenticated: 2, lastSeen: 4, end: 3}},
		{"dead stays dead",
			live(entry{dot: recent, name: []byte("k")}),
			state{death: death{dot: old, reason: renewed}},
			state{death: death{dot: old, reason: renewed}}},
		{"of two deaths the later is told",
			state{death: death{dot: recent, reason: renewed}},
			state{death: death{dot: old, reason: destroyed}},
			state{death: death{dot: recent, reason: renewed}}},
		{"a death by any hand outranks a later rotation, and the link stays",
			state{death: death{dot: recent, reason: rotated, link: newLink(recent, recent.time(), [linkRandom]byte{7}, "successor")}},
			state{death: death{dot: old, reason: destroyed}},
			state{death: death{dot: old, reason: destroyed, link: newLink(recent, recent.time(), [linkRandom]byte{7}, "successor")}}},
		{"of two rotations the later leads on",
			state{death: death{dot: recent, reason: rotated, link: newLink(recent, recent.time(), [linkRandom]byte{1}, "a")}},
			state{death: death{dot: old, reason: rotated, link: newLink(old, old.time(), [linkRandom]byte{9}, "b")}},
			state{death: death{dot: recent, reason: rotated, link: newLink(recent, recent.time(), [linkRandom]byte{1}, "a")}}},
		{"the later rotation of a token counts",
			state{created: 1, authenticated: 2, lastSeen: 3, end: 4, rotated: 6},
			state{created: 1, authenticated: 2, lastSeen: 3, end: 4},
			state{created: 1, authenticated: 2, lastSeen: 3, end: 4, rotated: 6}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := join(test.a, test.b); !sameState(got, test.want) {
				t.Errorf("join = %v, want %v", got, test.want)
			}
			if got := join(test.b, test.a); !sameState(got, test.want) {
				t.Errorf("join the other way = %v, want %v", got, test.want)
			}
		})
	}
}

func TestAWriteWinsOverAllItKnewOf(t *testing.T) {
	var c clock
	now := time.Now()
	for _, ahead := range []time.Duration{-time.Hour, 0, 30 * time.Second, time.Hour, 1000 * time.Hour} {
		st := state{}
		st.entries = entry{dot: dot{uint64(now.Add(ahead).UnixMilli()) << counterBits, 1<<32 - 1}, name: []byte("k"), value: []byte("theirs")}.append(nil)
		st = st.write(changes{{name: "k", value: []byte("ours")}}, dot{c.next(now, st.entries.latest()), 0})
		if e, _ := st.entries.find("k"); string(e.value) != "ours" {
			t.Errorf("a write lost against a dot that is %v ahead", ahead)
		}
	}
	if got, bound := c.last.Load(), uint64(now.Add(maxAhead+time.Second).UnixMilli())<<counterBits; got > bound {
		t.Errorf("the clock followed a dot that is too far ahead: %d > %d", got, bound)
	}
}

func TestClockNeverRepeats(t *testing.T) {
	var c clock
	now := time.Now()
	const goroutines, each = 8, 2000
	got := make(chan uint64, goroutines*each)
	done := make(chan bool)
	for range goroutines {
		go func() {
			for range each {
				got <- c.next(now, 0)
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
	st := state{created: 1, authenticated: 2, lastSeen: 300, end: 70000}
	st.entries = entry{dot: dot{0x0102030405060708, 0x090a0b0c}, flags: serverOnly, name: []byte("cart"), value: []byte("[]")}.append(nil)
	st.entries = entry{dot: dot{1, 2}, flags: deleted, name: []byte("user")}.append(st.entries)
	turned := state{created: 1, authenticated: 2, lastSeen: 300, end: 70000, rotated: 5000}
	tomb := state{death: death{dot: dot{3, 4}, reason: revoked}}
	link := state{death: death{dot: dot{3, 4}, reason: rotated, link: newLink(dot{3, 4}, time.UnixMilli(9), [linkRandom]byte{0xab}, string(ID(strings.Repeat("f", idLen))))}}
	for _, test := range []struct {
		name string
		st   state
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
		if got := hex.EncodeToString(test.st.encode()); got != test.want {
			t.Errorf("%s: encode = %s, want %s; records of running sites would become unreadable", test.name, got, test.want)
		}
	}
}

func TestStateSurvivesEncoding(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20_000 {
		st := randomState(r)
		got, err := decodeState(st.encode())
		if err != nil || !sameState(got, st) {
			t.Fatalf("decode(encode(%v)) = %v, %v", st, got, err)
		}
	}
}

func TestDamagedRecordsAreErrors(t *testing.T) {
	st := state{created: 1, authenticated: 2, lastSeen: 3, end: 4}
	st = st.write(changes{{name: "cart", value: []byte("[1]")}, {name: "user", value: []byte(`"bob"`)}}, dot{5, 6})
	whole := st.encode()
	for n := range whole {
		got, err := decodeState(whole[:n])
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
		if st, err := decodeState(data); err == nil {
			t.Errorf("%s was accepted: %v", test.name, st)
		}
	}
}

func isPrefixOfEntries(got, whole state) bool { return bytes.HasPrefix(whole.entries, got.entries) }

func TestChangesThatChangeNothing(t *testing.T) {
	var st state
	st = st.write(changes{{name: "a", value: []byte("1")}, {name: "b", value: []byte("2")}}, dot{1, 1})
	st = st.write(changes{{name: "b", flags: deleted}}, dot{2, 1})
	for _, test := range []struct {
		name string
		c    change
		want bool
	}{
		{"the value it has", change{name: "a", value: []byte("1")}, false},
		{"another value", change{name: "a", value: []byte("2")}, true},
		{"the value, but on the server only", change{name: "a", flags: serverOnly, value: []byte("1")}, true},
		{"deleting a value", change{name: "a", flags: deleted}, true},
		{"deleting what is deleted", change{name: "b", flags: deleted}, false},
		{"deleting what never was", change{name: "c", flags: deleted}, false},
		{"a new value", change{name: "c", value: []byte("")}, true},
	} {
		if got := len(changes{test.c}.against(st)) == 1; got != test.want {
			t.Errorf("%s is a change: %v, want %v", test.name, got, test.want)
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		f.Add(randomState(r).encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		st, err := decodeState(slices.Clone(data))
		if err != nil {
			return
		}
		again, err := decodeState(st.encode())
		if err != nil || !reflect.DeepEqual(again.entries, st.entries) && len(st.entries) > 0 {
			t.Fatalf("decode(encode(x)) = %v, %v, want x = %v", again, err, st)
		}
		if j := join(st, st); !sameState(j, st) {
			t.Fatalf("join(x, x) = %v, want %v", j, st)
		}
		st.entries.find("k")
		st.entries.latest()
	})
}

// What docs/SPEC.md says of rotations, so that another language can be held to
// it.
func TestTheSpecificationOfRotations(t *testing.T) {
	page, err := os.ReadFile("docs/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	var b [tokenSize]byte
	var random [linkRandom]byte
	for i := range b {
		b[i], random[i] = byte(i), byte(tokenSize+i)
	}
	old := token{strictBase64.EncodeToString(b[:]), idOf(b)}
	at := dot{1772625600000 << counterBits, 7}
	next := old.successor(string(random[:]))
	tomb := state{death: death{dot: at, reason: rotated, link: newLink(at, at.time().Add(-5*time.Second), random, string(next.id()))}}
	session := state{created: 1, authenticated: 1, lastSeen: 300, end: 70000, rotated: 300}
	plain := strings.Join(strings.Fields(string(page)), "")
	for _, want := range []string{next.secret, string(next.id()), hex.EncodeToString(tomb.encode()), hex.EncodeToString(session.encode())} {
		if !strings.Contains(plain, want) {
			t.Errorf("SPEC.md does not have %s", want)
		}
	}
}
