package session

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

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
	b := state.Copy{ID: "i", State: state.State{Entries: state.PackChanges(state.Changes{
		{Name: "a", Flags: 0, Value: value(700)},
		{Name: "b", Flags: 0, Value: value(400)},
		{Name: "c", Flags: 5 << state.RankShift, Value: value(600)},
		{Name: "d", Flags: 1 << state.RankShift, Value: value(300)},
		{Name: "s", Flags: state.ServerOnly, Value: value(100)},
	}, state.Dot{Clock: 1, Instance: 1})}}
	newer := b
	newer.State = b.State.Write(state.Changes{{Name: "a", Flags: 0, Value: value(701)}}, state.Dot{Clock: 2, Instance: 1})
	for _, c := range []struct {
		state.Copy
		saved uint64
		want  []string
	}{
		{b, 1, []string{"a"}},
		{newer, 1, []string{"b", "d"}}, // the store lacks a
		{newer, 2, []string{"a"}},
	} {
		c.Saved = c.saved
		p, err := m.pack(c.Copy, time.Now())
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
		got, err := state.DecodeCopy(plain)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Encode(), p.Encode()) {
			t.Error("what was sealed is not what is said to be")
		}
		for name, out := range map[string]bool{"a": slices.Contains(left, "a"), "c": false, "d": slices.Contains(left, "d"), "s": true} {
			before, _ := c.State.Entries.Find(name)
			if e, ok := got.State.Entries.Find(name); !ok || (e.Flags.Kind() == state.Withheld) != out || e.Dot != before.Dot {
				t.Errorf("saved up to %d: %s is %v, %v", c.saved, name, e.Flags.Kind(), e.Dot)
			}
		}
	}
	b.State.Entries = nil
	for i := range 200 {
		b.State = b.State.Write(state.Changes{{Name: strings.Repeat("n", 20) + string(rune('0'+i/100)) + string(rune('0'+i/10%10)) + string(rune('0'+i%10)), Flags: 0, Value: nil}}, state.Dot{Clock: uint64(i), Instance: 1})
	}
	if _, err := m.pack(b, time.Now()); err == nil {
		t.Error("two hundred names fit two thousand bytes")
	}
}

// emptyStore has nothing, and takes everything.
type emptyStore struct{}

func (emptyStore) Load(context.Context, ID) (Record, error) { return Record{}, ErrNotFound }

func (emptyStore) Save(context.Context, ID, Record, Version) (Version, error) { return Any, nil }
