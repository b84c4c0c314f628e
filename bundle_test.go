package session

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/seal"
)

func exampleBundle() bundle {
	return bundle{
		id:        "00112233445566778899aabbccddeeff",
		confirmed: 1763716800000,
		saved:     115570000000000000,
		kills:     []kill{{id: "ffeeddccbbaa99887766554433221100", dot: dot{115570000000000000, 7}, heir: true}},
		state: state{
			created: 1763716700000, authenticated: 1763716750000, lastSeen: 1763716800000, end: 1763803150000,
			entries: packChanges(changes{
				{"card", withheld | serverOnly, nil},
				{"cart", 3 << rankShift, []byte(`["tofu"]`)},
				{"flash", deleted, nil},
			}, dot{115570000000000001, 7}),
		},
	}
}

func TestABundleIsAsTheSpecificationSays(t *testing.T) {
	b := exampleBundle()
	text := hex.EncodeToString(b.encode())
	page, err := os.ReadFile("docs/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(page)), ""), text) {
		t.Errorf("docs/SPEC.md does not have the example %s", text)
	}
	got, err := decodeBundle(b.encode())
	if err != nil || got.id != b.id || got.confirmed != b.confirmed || got.saved != b.saved || !slices.Equal(got.kills, b.kills) || !got.state.equal(b.state) {
		t.Errorf("decodeBundle = %+v, %v", got, err)
	}
}

func FuzzDecodeBundle(f *testing.F) {
	b := exampleBundle().encode()
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add([]byte{formatV1, 0, 0, 9})
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := decodeBundle(in)
		if err != nil {
			return
		}
		again, err := decodeBundle(b.encode())
		if err != nil || again.id != b.id || again.confirmed != b.confirmed || again.saved != b.saved || !slices.Equal(again.kills, b.kills) || !again.state.equal(b.state) {
			t.Errorf("%+v became %+v, %v", b, again, err)
		}
	})
}

func TestWhatDoesNotFitIsLeftOutByRankAndSize(t *testing.T) {
	keys, err := seal.NewKeys(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(emptyStore{}, &Options{Backup: &Backup{Audience: "shop-test", Keys: keys, Copy: 2040}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	value := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	b := bundle{id: "i", state: state{entries: packChanges(changes{
		{"a", 0, value(700)},
		{"b", 0, value(400)},
		{"c", 5 << rankShift, value(600)},
		{"d", 1 << rankShift, value(300)},
		{"s", serverOnly, value(100)},
	}, dot{1, 1})}}
	newer := b
	newer.state = b.state.write(changes{{"a", 0, value(701)}}, dot{2, 1})
	for _, c := range []struct {
		bundle
		saved uint64
		want  []string
	}{
		{b, 1, []string{"a"}},
		{newer, 1, []string{"b", "d"}}, // the store lacks a
		{newer, 2, []string{"a"}},
	} {
		c.bundle.saved = c.saved
		p, err := m.pack(c.bundle, time.Now())
		text, left := p.text, p.left
		if err != nil || !slices.Equal(left, c.want) {
			t.Errorf("saved up to %d: left out %q, %v, want %q", c.saved, left, err, c.want)
		}
		if n := m.carrier.size(len(text)); n > 2040 {
			t.Errorf("%d bytes of cookies", n)
		}
		plain, _, err := m.bundles.Open(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeBundle(plain)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.encode(), p.encode()) {
			t.Error("what was sealed is not what is said to be")
		}
		for name, out := range map[string]bool{"a": slices.Contains(left, "a"), "c": false, "d": slices.Contains(left, "d"), "s": true} {
			before, _ := c.state.entries.find(name)
			if e, ok := got.state.entries.find(name); !ok || (e.flags.kind() == withheld) != out || e.dot != before.dot {
				t.Errorf("saved up to %d: %s is %v, %v", c.saved, name, e.flags.kind(), e.dot)
			}
		}
	}
	b.state.entries = nil
	for i := range 200 {
		b.state = b.state.write(changes{{strings.Repeat("n", 20) + string(rune('0'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10)), 0, nil}}, dot{uint64(i), 1})
	}
	if _, err := m.pack(b, time.Now()); err == nil {
		t.Error("two hundred names fit two thousand bytes")
	}
}

// emptyStore has nothing, and takes everything.
type emptyStore struct{}

func (emptyStore) Load(context.Context, ID) (Record, error) { return Record{}, ErrNotFound }

func (emptyStore) Save(context.Context, ID, Record, Version) (Version, error) { return Any, nil }
