package express_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/node/express"
)

// row is one of a mark's, as docs/FROM-NODE.md and the comment in mark.go have it.
type row struct {
	flags state.Flags
	clock uint64
	name  string
	hash  string
}

func (r row) append(b []byte) []byte {
	b = append(b, byte(r.flags))
	b = binary.BigEndian.AppendUint64(b, r.clock)
	b = binary.BigEndian.AppendUint32(b, 7)
	b = append(binary.AppendUvarint(b, uint64(len(r.name))), r.name...)
	return append(b, r.hash...)
}

// markOf returns a mark of dates and rows.
func markOf(version byte, end uint64, rows ...row) []byte {
	ms := uint64(begin.UnixMilli())
	b := []byte{version}
	for _, date := range []uint64{ms, ms, ms, end} {
		b = binary.AppendUvarint(b, date)
	}
	for _, r := range rows {
		b = r.append(b)
	}
	return b
}

func TestAMarkThatIsNotOursCountsAsNone(t *testing.T) {
	f := formatOf(t, nil)
	end := uint64(begin.UnixMilli() + 1e9)
	const hash, longest = "8 bytes.", 255
	present := func(name string) row { return row{name: name, clock: 1 << 20, hash: hash} }
	deleted := func(name string) row { return row{flags: state.Deleted, name: name, clock: 1 << 20} }
	good := markOf(1, end, present("a"), deleted("b"))
	for _, test := range []struct {
		is   string
		mark []byte
		ours bool
	}{
		{"ours", good, true},
		{"ours, with the longest name", markOf(1, end, deleted(strings.Repeat("n", longest))), true},
		{"ours, with the last clock value", markOf(1, end, row{flags: state.Deleted, name: "a", clock: (1<<47-2)<<16 | 0xffff}), true},
		{"empty", nil, false},
		{"of a later version", markOf(2, end, present("a")), false},
		{"of an earlier version", markOf(0, end, present("a")), false},
		{"without its dates", markOf(1, end)[:5], false},
		{"with a date beyond the year 6429", markOf(1, 1<<47, present("a")), false},
		{"with a row of an unknown kind", markOf(1, end, row{flags: state.Deleted | state.Withheld, name: "a", clock: 1 << 20}), false},
		{"with a clock value beyond all dates", markOf(1, end, row{flags: state.Deleted, name: "a", clock: (1<<47 - 1) << 16}), false},
		{"with a row without a name", markOf(1, end, deleted("")), false},
		{"with a name that is too long", markOf(1, end, deleted(strings.Repeat("n", longest+1))), false},
		{"with a row that is cut short", markOf(1, end, deleted("a"))[:len(markOf(1, end))+12], false},
		{"with a name that is cut short", markOf(1, end, deleted("abc"))[:len(markOf(1, end, deleted("ab")))], false},
		{"with a hash that is cut short", markOf(1, end, row{name: "a", clock: 1 << 20, hash: hash[:7]}), false},
		{"with a row twice", markOf(1, end, deleted("a"), deleted("a")), false},
		{"with rows in another order", markOf(1, end, deleted("b"), deleted("a")), false},
	} {
		s := decode(t, f, `{"cookie":{"originalMaxAge":60000},"a":1,"session/dots":"`+base64.RawURLEncoding.EncodeToString(test.mark)+`"}`)
		if s.Bare == test.ours {
			t.Errorf("%s: it counts as ours: %v", test.is, !s.Bare)
		}
		if err := s.Entries.Check(); err != nil {
			t.Errorf("%s: the entries are %s: %v", test.is, show(s), err)
		}
	}
}

func TestTheDatesOfASessionTravelInTheMark(t *testing.T) {
	f := formatOf(t, nil)
	want := fill(wrote("a", "1", 1<<20))
	want.Created = begin.Add(-3 * time.Hour).UnixMilli()
	want.Authenticated = begin.Add(-2 * time.Hour).UnixMilli()
	want.LastSeen = begin.Add(-time.Second).UnixMilli()
	want.End = begin.Add(5 * time.Hour).UnixMilli()
	got := decode(t, f, encode(t, f, want))
	if got.Created != want.Created || got.Authenticated != want.Authenticated || got.LastSeen != want.LastSeen || got.End != want.End {
		t.Errorf("got the dates %d %d %d %d, want %d %d %d %d", got.Created, got.Authenticated, got.LastSeen, got.End,
			want.Created, want.Authenticated, want.LastSeen, want.End)
	}
	if got.Bare {
		t.Error("the record counts as one without a mark")
	}
}

func TestAMarkOfDatesBefore1970IsOurs(t *testing.T) {
	f := formatOf(t, nil)
	s := fill(wrote("a", "1", 1<<20))
	s.Created, s.Authenticated = -1, -1
	if got := decode(t, f, encode(t, f, s)); got.Bare {
		t.Error("the record counts as one without a mark")
	}
}

func TestTheCookieIsAnEntryOnlyWhereItWasWritten(t *testing.T) {
	f := formatOf(t, nil)
	const stored = `{"cookie":{"originalMaxAge":60000,"expires":"2023-11-14T22:14:20.000Z","httpOnly":true,"path":"/shop"},"a":1}`
	if got, want := show(decode(t, f, stored)), "a=1@1.0"; got != want {
		t.Errorf("what Node has stored: got %s, want %s", got, want)
	}
	for name, kind := range map[string]state.Flags{"deleted": state.Deleted, "withheld": state.Withheld} {
		s := decode(t, f, stored)
		s.LastSeen, s.End = begin.UnixMilli(), begin.UnixMilli()+1e9
		s.Entries = append(state.Entries(wrote("a", "1", 1<<20).Append(nil)),
			state.Entry{Name: []byte("cookie"), Flags: kind, Dot: state.Dot{Clock: 2 << 20, Instance: 7}}.Append(nil)...)
		data, _, err := f.Encode(context.Background(), s, begin)
		if want := []byte(`{"cookie":{"originalMaxAge":60000,`); err != nil || !bytes.HasPrefix(data, want) || !bytes.Contains(data, []byte(`"path":"/shop"`)) {
			t.Errorf("%s: got %s, %v, want the cookie as it was stored", name, data, err)
		}
	}

	s := decode(t, f, stored)
	s.LastSeen, s.End = begin.UnixMilli(), begin.UnixMilli()+1e9
	s.Entries = append(s.Entries, wrote("cookie", `{"path":"/other"}`, 2<<20).Append(nil)...)
	once := encode(t, f, s)
	if !strings.Contains(once, `"path":"/other"`) {
		t.Errorf("a change of the cookie: got %s", once)
	}
	again := decode(t, f, once)
	if e, ok := again.Entries.Find("cookie"); !ok || e.Dot != (state.Dot{Clock: 2 << 20, Instance: 7}) || e.Flags.Kind() != state.Present {
		t.Errorf("the cookie came back as %s", show(again))
	}
}

func TestWhatNodeWritesKeepsItsRank(t *testing.T) {
	f := formatOf(t, nil)
	ranked := wrote("a", "1", 1<<20)
	ranked.Flags = state.ServerOnly | 3<<state.RankShift
	theirs := edited(t, encode(t, f, fill(ranked)), func(m map[string]json.RawMessage) { m["a"] = []byte("2") })
	e, ok := decode(t, f, theirs).Entries.Find("a")
	if !ok || string(e.Value) != "2" || e.Flags != ranked.Flags {
		t.Errorf("got %s with the flags %08b, want 2 with %08b", e.Value, e.Flags, ranked.Flags)
	}
}

func TestWhatGoDeletesIsNoFieldAnyMore(t *testing.T) {
	f := formatOf(t, nil)
	s := decode(t, f, `{"cookie":{"originalMaxAge":60000},"a":1,"b":2}`)
	s.LastSeen, s.End = begin.UnixMilli(), begin.UnixMilli()+1e9
	s.Entries = replaced(s.Entries, state.Entry{Name: []byte("a"), Flags: state.Deleted, Dot: state.Dot{Clock: 1 << 20, Instance: 7}})
	data := encode(t, f, s)
	if strings.Contains(data, `"a":`) || !strings.Contains(data, `"b":2`) {
		t.Errorf("got %s, want b alone", data)
	}
	if got, want := show(decode(t, f, data)), "a=-@1048576.7 b=2@1.0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestARecordEndsWithItsSession(t *testing.T) {
	f := formatOf(t, nil)
	s := fill(wrote("a", "1", 1<<20))
	s.End = begin.Add(30 * time.Second).UnixMilli() // the cookie has a minute
	if _, expires, err := f.Encode(context.Background(), s, begin); err != nil || !expires.Equal(begin.Add(30*time.Second)) {
		t.Errorf("the record expires at %v, %v, want at the session's end", expires, err)
	}
	s.End = begin.Add(time.Hour).UnixMilli()
	if _, expires, err := f.Encode(context.Background(), s, begin); err != nil || expires.Before(begin.Add(time.Minute)) || expires.After(begin.Add(2*time.Minute)) {
		t.Errorf("the record expires at %v, %v, want when the cookie does, or a refresh later", expires, err)
	}
}

func TestATouchByNodeIsAVisit(t *testing.T) {
	f := formatOf(t, nil)
	s := fill(wrote("a", "1", 1<<20))
	s.LastSeen = begin.Add(-50 * time.Second).UnixMilli()
	for name, test := range map[string]struct{ expires, want time.Time }{
		"ten seconds ago": {begin.Add(50 * time.Second), begin.Add(-10 * time.Second)},
		"before ours":     {begin.Add(5 * time.Second), begin.Add(-50 * time.Second)},
		"by a fast clock": {begin.Add(time.Hour), begin},
	} {
		theirs := edited(t, encode(t, f, s), func(m map[string]json.RawMessage) {
			m["cookie"] = []byte(`{"originalMaxAge":60000,"expires":"` + test.expires.UTC().Format("2006-01-02T15:04:05.000Z") + `"}`)
		})
		if got := decode(t, f, theirs).LastSeen; got != test.want.UnixMilli() {
			t.Errorf("%s: last seen at %v, want %v", name, time.UnixMilli(got), test.want)
		}
	}
}

// reversing is a cipher, of a kind.
type reversing struct{}

func (reversing) Seal(text []byte) (string, error) {
	text = bytes.Clone(text)
	slices.Reverse(text)
	return string(text), nil
}

func (r reversing) Open(sealed string) ([]byte, error) {
	text, err := r.Seal([]byte(sealed))
	return []byte(text), err
}

func TestWhatIsStoredIsEncrypted(t *testing.T) {
	f := formatOf(t, func(p *express.Profile) { p.Cipher = reversing{} })
	live := fill(wrote("a", `"secret"`, 1<<20))
	dead := state.State{Death: state.Death{Dot: state.Dot{Clock: 1 << 20, Instance: 7}, Reason: state.Destroyed}}
	for name, s := range map[string]state.State{"a session": live, "a tombstone": dead} {
		data := encode(t, f, s)
		if strings.Contains(data, "secret") || strings.HasPrefix(data, "null") {
			t.Errorf("%s is stored in clear: %s", name, data)
		}
		if got := decode(t, f, data); got.Dead() != s.Dead() || show(got) != show(s) {
			t.Errorf("%s: got %s, want %s", name, show(got), show(s))
		}
	}
}

func TestAnIDThatNoStoreCouldHaveIsNoSession(t *testing.T) {
	f := formatOf(t, nil)
	s, err := express.NewSecrets([]byte("keyboard cat"))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{
		"a": true, strings.Repeat("x", 200): true, strings.Repeat("x", 201): false, "a b": false, "größe": false, "a\x7f": false,
	} {
		if got, ok := f.ParseToken(url.PathEscape(s.Sign(id))); ok != want || ok && got != id {
			t.Errorf("%q: got %q, %v, want %v", id, got, ok, want)
		}
	}
}
