package revoked

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/state"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

func randomTombstone(r *rand.Rand) Tombstone {
	t := tombstone(r.IntN(1<<30), Class(r.IntN(int(classes))))
	t.Death.Reason = state.Reason(1 + r.IntN(4))
	t.Death.Dot.Instance = r.Uint32()
	if t.Class == Users {
		t.Death.Reason = state.Revoked
	} else if r.IntN(2) == 0 {
		t.Successor = idOf(1 + r.IntN(1<<30))
		t.Flags = Flags(r.IntN(2)) * ByRotation
	}
	t.Flags |= Flags(r.IntN(2)) * Conflict
	return t
}

func randomMembers(r *rand.Rand) *Members {
	m := &Members{
		Value: [16]byte{7}, Made: int64(r.IntN(3)), Sequence: uint64(r.IntN(9)), Minute: uint32(r.IntN(4)), NothingBefore: uint32(r.IntN(3)),
	}
	for range r.IntN(4) {
		first := uint32(r.IntN(4))
		m.Put(Row{
			Log: LogName{byte(r.IntN(5))}, Instance: uint32(r.IntN(3)), Layout: uint64(r.IntN(3)),
			First: first, Next: first + uint32(r.IntN(4)), Renewed: uint32(r.IntN(3)),
		})
	}
	for range r.IntN(3) {
		m.Ask(LogName{byte(r.IntN(5))})
	}
	return m
}

func TestASegmentIsReadAsItWasWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 200 {
		want := Segment{Minute: r.Uint32(), First: r.Uint32(), Tombstones: []Tombstone{}}
		size := 18
		for range n {
			x := randomTombstone(r)
			want.Tombstones = append(want.Tombstones, x)
			size += 29
			if x.hasSuccessor() {
				size += 16
			}
		}
		b := want.Append(nil)
		if len(b) != size {
			t.Fatalf("%d bytes, want %d", len(b), size)
		}
		got, err := DecodeSegment(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
		for i := range b {
			if _, err := DecodeSegment(b[:i]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("the first %d of %d bytes: got %v", i, len(b), err)
			}
		}
		if _, err := DecodeSegment(append(b, 0)); !errors.Is(err, ErrMalformed) {
			t.Fatalf("a byte too many: got %v", err)
		}
	}
}

func TestSegmentsFitTheirRecords(t *testing.T) {
	for n, most := range map[int]int{SmallPart: 4 << 10, Block: 46 << 10} {
		s := Segment{}
		for i := range n {
			x := tombstone(i, Known)
			x.Successor = idOf(i + 1)
			s.Tombstones = append(s.Tombstones, x)
		}
		if got := len(s.Append(nil)); got > most {
			t.Errorf("%d tombstones take up %d bytes, want %d at most", n, got, most)
		}
	}
}

func TestAnEntryThatNobodyWritesIsRefused(t *testing.T) {
	x := tombstone(1, Known)
	alone := Segment{Tombstones: []Tombstone{x}}.Append(nil)
	x.Successor = idOf(2)
	whole := Segment{Tombstones: []Tombstone{x}}.Append(nil)
	const flags = 14 + 28
	alone[flags] |= byRotationBit
	if s, err := DecodeSegment(resealed(alone)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a rotation without a successor: got %v, %v", s, err)
	}
	for name, change := range map[string]func([]byte){
		"no reason":            func(b []byte) { b[flags] &^= reasonBits },
		"an unknown reason":    func(b []byte) { b[flags] |= reasonBits },
		"a user's successor":   func(b []byte) { b[flags] = b[flags]&^reasonBits | classBits | byte(state.Revoked) },
		"by a rotation alone":  func(b []byte) { b[flags] ^= successorBit | byRotationBit },
		"a successor of no ID": func(b []byte) { clear(b[flags+1 : len(b)-4]) },
		"a wrong count":        func(b []byte) { b[13] = 2 },
	} {
		b := bytes.Clone(whole)
		change(b)
		b = resealed(b)
		if s, err := DecodeSegment(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, %v", name, s, err)
		}
	}
}

func TestARevocationOfAUserHasOneReason(t *testing.T) {
	for reason := state.Destroyed; reason <= state.Rotated; reason++ {
		x := tombstone(1, Users)
		x.Death.Reason = reason
		s, err := DecodeSegment(Segment{Tombstones: []Tombstone{x}}.Append(nil))
		if ok := err == nil; ok != (reason == state.Revoked) {
			t.Errorf("reason %d: got %v, %v", reason, s, err)
		}
	}
}

func TestMembersAreReadAsTheyWereWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		want := randomMembers(r)
		b := want.Append(nil)
		if size := 52 + 40*len(want.Rows) + 16*len(want.Asked); len(b) != size {
			t.Fatalf("%d bytes, want %d", len(b), size)
		}
		got, err := DecodeMembers(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
		for i := range b {
			if _, err := DecodeMembers(b[:i]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("the first %d of %d bytes: got %v", i, len(b), err)
			}
		}
		if _, err := DecodeMembers(append(b, 0)); !errors.Is(err, ErrMalformed) {
			t.Fatalf("a byte too many: got %v", err)
		}
	}
}

func TestMembersThatNobodyWritesAreRefused(t *testing.T) {
	for name, m := range map[string]Members{
		"rows in another order":  {Rows: []Row{{Log: LogName{2}}, {Log: LogName{1}}}},
		"two rows of a log":      {Rows: []Row{{Log: LogName{1}}, {Log: LogName{1}}}},
		"a row before its start": {Rows: []Row{{Log: LogName{1}, First: 2, Next: 1}}},
		"names in another order": {Asked: []LogName{{2}, {1}}},
		"a name twice":           {Asked: []LogName{{1}, {1}}},
	} {
		if got, err := DecodeMembers(m.Append(nil)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

// resealed returns a changed record with the checksum that it has to have.
func resealed(b []byte) []byte { return checksummed(bytes.Clone(b[:len(b)-4]), 0) }

func TestALaterFormatIsToldFromDamage(t *testing.T) {
	segment := Segment{Minute: 1, Tombstones: []Tombstone{tombstone(1, Known)}}.Append(nil)
	members := randomMembers(rand.New(rand.NewPCG(1, 1))).Append(nil)
	later := func(magic string, content string) []byte { return checksummed([]byte(magic+"\x02"+content), 0) }
	for name, test := range map[string]struct {
		segment, members []byte
		want             error
	}{
		"a later format":                   {later("HFS", "unknown"), later("HFM", "unknown"), ErrFormat},
		"a later format without content":   {later("HFS", ""), later("HFM", ""), ErrFormat},
		"nothing":                          {nil, nil, ErrMalformed},
		"nonsense":                         {[]byte("nonsense"), []byte("nonsense"), ErrMalformed},
		"the bytes of the other kind":      {members, segment, ErrMalformed},
		"no content":                       {checksummed([]byte("HFS\x01"), 0), checksummed([]byte("HFM\x01"), 0), ErrMalformed},
		"a later format of the other kind": {later("HFM", "unknown"), later("HFS", "unknown"), ErrMalformed},
	} {
		if got, err := DecodeSegment(test.segment); !errors.Is(err, test.want) {
			t.Errorf("%s: segment: got %v, %v, want %v", name, got, err, test.want)
		}
		if got, err := DecodeMembers(test.members); !errors.Is(err, test.want) {
			t.Errorf("%s: members: got %v, %v, want %v", name, got, err, test.want)
		}
	}
}

func TestAFlippedBitIsDamage(t *testing.T) {
	segment := Segment{Minute: 1, Tombstones: []Tombstone{tombstone(1, Known)}}.Append(nil)
	members := (&Members{Rows: []Row{{Log: LogName{1}}}}).Append(nil)
	flipped := func(b []byte, bit int) []byte {
		b = bytes.Clone(b)
		b[bit/8] ^= 1 << (bit % 8)
		return b
	}
	for bit := range 8 * len(segment) {
		if got, err := DecodeSegment(flipped(segment, bit)); !errors.Is(err, ErrMalformed) {
			t.Fatalf("bit %d of a segment: got %v, %v", bit, got, err)
		}
	}
	for bit := range 8 * len(members) {
		if got, err := DecodeMembers(flipped(members, bit)); !errors.Is(err, ErrMalformed) {
			t.Fatalf("bit %d of members: got %v, %v", bit, got, err)
		}
	}
}

func TestARowIsTakenOut(t *testing.T) {
	m := &Members{}
	for i := range byte(3) {
		m.Put(Row{Log: LogName{i}})
	}
	m.Remove(LogName{1})
	m.Remove(LogName{7})
	if want := []Row{{Log: LogName{0}}, {Log: LogName{2}}}; !slices.Equal(m.Rows, want) {
		t.Errorf("got %v, want %v", m.Rows, want)
	}
}

func TestMembersJoin(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	for range 5000 {
		a := randomMembers(r)
		b := randomMembers(r)
		c := randomMembers(r)
		before := a.Append(nil)
		ab := JoinMembers(a, b)
		if !reflect.DeepEqual(ab, JoinMembers(b, a)) {
			t.Fatalf("not commutative:\n%v\n%v", a, b)
		}
		if !reflect.DeepEqual(JoinMembers(ab, c), JoinMembers(a, JoinMembers(b, c))) {
			t.Fatalf("not associative:\n%v\n%v\n%v", a, b, c)
		}
		if !reflect.DeepEqual(JoinMembers(a, a), a) || !reflect.DeepEqual(JoinMembers(ab, b), ab) {
			t.Fatalf("not idempotent:\n%v\n%v", a, b)
		}
		if !ab.ordered() {
			t.Fatalf("not in order: %v", ab)
		}
		for _, x := range []*Members{a, b} {
			for _, row := range x.Rows {
				if j := ab.Find(row.Log); j == nil || j.Next < row.Next || j.First < row.First || j.Renewed < row.Renewed {
					t.Fatalf("row %v became %v", row, j)
				}
			}
			for _, n := range x.Asked {
				if !ab.Asks(n) {
					t.Fatalf("%v is not asked for any more", n)
				}
			}
			if ab.Sequence < x.Sequence || ab.Minute < x.Minute || ab.NothingBefore < x.NothingBefore || ab.Made < x.Made {
				t.Fatalf("a count of %v is larger than in %v", x, ab)
			}
		}
		for i := range ab.Rows {
			ab.Rows[i].Next = 99
		}
		for i := range ab.Asked {
			ab.Asked[i] = LogName{99}
		}
		if !bytes.Equal(a.Append(nil), before) {
			t.Fatal("the join shares memory with what it was made of")
		}
	}
}

func TestALaterRenewalKnowsTheLayout(t *testing.T) {
	early := &Members{Rows: []Row{{Log: LogName{1}, Instance: 1, Layout: 9, Renewed: 1, Next: 5}}}
	late := &Members{Rows: []Row{{Log: LogName{1}, Instance: 1, Layout: 3, Renewed: 2, Next: 4}}}
	want := []Row{{Log: LogName{1}, Instance: 1, Layout: 3, Renewed: 2, Next: 5}}
	if got := JoinMembers(early, late).Rows; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzSegment(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 4 {
		s := Segment{Minute: 1, First: 64}
		for range n {
			s.Tombstones = append(s.Tombstones, randomTombstone(r))
		}
		f.Add(s.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSegment(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if again := s.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x was read, and is written as %x", b, again)
		}
	})
}

func FuzzMembers(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 4 {
		f.Add(randomMembers(r).Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMembers(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if again := m.Append(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x was read, and is written as %x", b, again)
		}
		if j := JoinMembers(m, m); !reflect.DeepEqual(j, m) {
			t.Fatalf("joined with itself %v becomes %v", m, j)
		}
	})
}

// vector is one record of docs/SPEC.md.
type vector struct {
	Name    string         `json:"name"`
	Bytes   string         `json:"bytes"` // hex
	Error   bool           `json:"error,omitempty"`
	Content map[string]any `json:"content,omitempty"`
	segment *Segment
	members *Members
}

func segmentVector(name string, s Segment) vector {
	var all []any
	for _, t := range s.Tombstones {
		entry := map[string]any{
			"id": hex.EncodeToString(t.ID[:]), "clock": t.Death.Dot.Clock, "instance": t.Death.Dot.Instance, "reason": t.Death.Reason, "class": t.Class,
		}
		if t.hasSuccessor() {
			entry["successor"] = hex.EncodeToString(t.Successor[:])
			entry["by_rotation"] = t.Flags&ByRotation != 0
		}
		if t.Flags&Conflict != 0 {
			entry["conflict"] = true
		}
		all = append(all, entry)
	}
	return vector{
		Name: name, Bytes: hex.EncodeToString(s.Append(nil)), segment: &s,
		Content: map[string]any{"minute": s.Minute, "first": s.First, "tombstones": all},
	}
}

func membersVector(name string, m Members) vector {
	var rows []any
	for _, r := range m.Rows {
		rows = append(rows, map[string]any{
			"log": hex.EncodeToString(r.Log[:]), "instance": r.Instance, "layout": r.Layout, "next": r.Next, "first": r.First, "renewed": r.Renewed,
		})
	}
	var asked []string
	for _, n := range m.Asked {
		asked = append(asked, hex.EncodeToString(n[:]))
	}
	return vector{
		Name: name, Bytes: hex.EncodeToString(m.Append(nil)), members: &m,
		Content: map[string]any{
			"value": hex.EncodeToString(m.Value[:]), "made": m.Made, "sequence": m.Sequence, "minute": m.Minute,
			"nothing_before": m.NothingBefore, "rows": rows, "asked": asked,
		},
	}
}

func vectors() []vector {
	death := func(r state.Reason) state.Death {
		return state.Death{Dot: state.Dot{Clock: 0x0000019c_b8cb_0001, Instance: 0xa1b2c3d4}, Reason: r}
	}
	id := ID{0: 0x0f, 15: 0x01}
	alone := Segment{Minute: 29543760, First: 64, Tombstones: []Tombstone{{ID: id, Death: death(state.Destroyed), Class: Known}}}
	successor := Segment{Minute: 29543761, First: 1024, Tombstones: []Tombstone{
		{ID: id, Death: death(state.Renewed), Class: Anonymous, Successor: ID{0: 0x0f, 15: 0x02}},
		{ID: ID{0: 0x10}, Death: death(state.Revoked)},
		{ID: ID{0: 0x11}, Death: death(state.Destroyed), Class: Known, Successor: ID{0: 0x0f, 15: 0x03}, Flags: ByRotation | Conflict},
	}}
	user := Segment{Minute: 29543761, First: 65, Tombstones: []Tombstone{{ID: IDOf(UserID("ann")), Death: death(state.Revoked), Class: Users}}}
	m := Members{
		Value: [16]byte{0xaa, 15: 0xbb}, Made: 1772625600000, Sequence: 17, Minute: 29543761, NothingBefore: 29543700,
		Rows: []Row{
			{Log: LogName{1}, Instance: 0xa1b2c3d4, Layout: 5, Next: 70, First: 0, Renewed: 29543760},
			{Log: LogName{2}, Instance: 0xd4c3b2a1, Layout: 5, Next: 2048, First: 1024, Renewed: 29543761},
		},
		Asked: []LogName{{2}},
	}
	bad := alone.Append(nil)
	bad[14+28] = 0x07
	damaged := alone.Append(nil)
	damaged[14] ^= 1
	long := m.Append(nil)
	long = append(long[:len(long)-4], 0, 0, 0, 0, 0)
	return []vector{
		segmentVector("a segment of one tombstone", alone),
		segmentVector("a segment of three, of which two name a successor", successor),
		segmentVector("a segment with the revocation of a user", user),
		{Name: "a segment with an unknown reason", Bytes: hex.EncodeToString(resealed(bad)), Error: true},
		{Name: "a segment whose checksum does not fit", Bytes: hex.EncodeToString(damaged), Error: true},
		membersVector("members", m),
		{Name: "members, and a byte too many", Bytes: hex.EncodeToString(resealed(long)), Error: true},
		{Name: "members of a later format, which a program leaves alone", Bytes: hex.EncodeToString(checksummed([]byte("HFM\x02"), 0)), Error: true},
	}
}

func TestTheVectorsHold(t *testing.T) {
	const file = "testdata/vectors.json"
	want, err := json.MarshalIndent(vectors(), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s is not what the code writes (%v): run with -update if the format may change", file, err)
	}
	for _, v := range vectors() {
		b, _ := hex.DecodeString(v.Bytes)
		s, errSegment := DecodeSegment(b)
		m, errMembers := DecodeMembers(b)
		switch {
		case v.Error && (errSegment == nil || errMembers == nil):
			t.Errorf("%s: it is read", v.Name)
		case v.segment != nil && !reflect.DeepEqual(s, *v.segment):
			t.Errorf("%s: got %v, %v", v.Name, s, errSegment)
		case v.members != nil && !reflect.DeepEqual(m, v.members):
			t.Errorf("%s: got %v, %v", v.Name, m, errMembers)
		}
	}
}

func TestTheSpecificationHasTheFirstVector(t *testing.T) {
	page, err := os.ReadFile("../../docs/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "The first vector: a session that was destroyed, at position 64.\n\n")
	example, _, _ := strings.Cut(rest, "\n\n")
	var got strings.Builder
	for line := range strings.Lines(example) {
		bytes, _, _ := strings.Cut(strings.TrimSpace(line), "   ")
		got.WriteString(strings.ReplaceAll(bytes, " ", ""))
	}
	if want := vectors()[0].Bytes; got.String() != want {
		t.Errorf("docs/SPEC.md has %s, the vector is %s", got.String(), want)
	}
}

// A checksum that fits does not make a record one that Append has written: a reader takes none
// of another length, and panics on none.
func TestAContentOfAnotherLengthIsMalformed(t *testing.T) {
	named := tombstone(2, Known)
	named.Successor = idOf(3)
	segment := Segment{Minute: 1, Tombstones: []Tombstone{named, tombstone(1, Known), named}}.Append(nil)
	m := &Members{Minute: 1}
	m.Put(Row{Log: LogName{1}, Next: 1})
	m.Put(Row{Log: LogName{2}, Next: 1})
	m.Ask(LogName{3})
	for what, test := range map[string]struct {
		record []byte
		decode func([]byte) error
	}{
		"a segment": {segment, func(b []byte) error { _, err := DecodeSegment(b); return err }},
		"members":   {m.Append(nil), func(b []byte) error { _, err := DecodeMembers(b); return err }},
	} {
		size := len(test.record) - 4 // the checksum
		for n := range size {
			if err := test.decode(resealed(slices.Clone(test.record[:n+4]))); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s of %d bytes, cut to %d: got %v", what, size, n, err)
			}
		}
		for _, more := range []int{1, 16, entryHead, rowSize} {
			long := append(slices.Clone(test.record), make([]byte, more)...)
			if err := test.decode(resealed(long)); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s and %d bytes more: got %v", what, more, err)
			}
		}
	}
}
