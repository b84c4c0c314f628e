package backup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

func TestATextIsOpenedOnce(t *testing.T) {
	keys := mustKeys(t, seal.NewKey())
	c := newCookies(keys)
	jarOf := browser{}
	p := mustPack(t, c, copyWith(state.Change{Name: "long", Value: bytes.Repeat([]byte("x"), 2000)}), 3072)
	jarOf.store(t, c, p)
	sameAs := func(first *byte, is string) *byte {
		t.Helper()
		got := open(c, jarOf.header(), subject)
		if len(got.Copies) != 1 {
			t.Fatalf("got the faults %v", got.Faults)
		}
		bytes := &got.Copies[0].State.Entries[0]
		if first != nil && bytes != first {
			t.Errorf("%s was opened again", is)
		}
		return bytes
	}
	first := sameAs(nil, "")
	sameAs(first, "what was opened")
	c = newCookies(keys)
	c.Remember(p)
	sameAs(&p.State.Entries[0], "what was remembered")
	if got := open(c, jarOf.header(), "another"); len(got.Copies) != 0 || len(got.Faults) != 1 || got.Faults[0].Kind != Foreign {
		t.Errorf("for another session: got %d copies and the faults %v, want Foreign", len(got.Copies), got.Faults)
	}
}

func TestOtherKeysOpenNothingThatIsCached(t *testing.T) {
	first, second := seal.NewKey(), seal.NewKey()
	path := filepath.Join(t.TempDir(), "keys")
	write := func(k seal.Key) {
		if err := os.WriteFile(path, []byte(k.Reveal()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	file, err := seal.WatchFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c := newCookies(file.Keys)
	jarOf := browser{}
	p := mustPack(t, c, copyWith(), 3072)
	jarOf.store(t, c, p)
	c.Remember(p)
	write(second)
	if err := file.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := kinds(open(c, jarOf.header(), subject).Faults); len(got) != 1 || got[0] != UnknownKey {
		t.Errorf("with other keys: got the faults %v, want UnknownKey", got)
	}
	c.Remember(p) // a request that began before has sealed it
	if got := kinds(open(c, jarOf.header(), subject).Faults); len(got) != 1 || got[0] != UnknownKey {
		t.Errorf("sealed with the keys of before: got the faults %v, want UnknownKey", got)
	}
	again := mustPack(t, c, copyWith(), 3072)
	c.Remember(again)
	jarOf.store(t, c, again)
	if got := open(c, jarOf.header(), subject); len(got.Copies) != 1 {
		t.Errorf("sealed with the new keys: got the faults %v", got.Faults)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	var o openedCache
	b := copyWith(plain("v", 5000))
	size := 0
	for sum := range uint64(6000) { // 33 MB
		o.put(sum, 1, kept{Copy: b})
		size = max(size, o.bytes())
	}
	if size < cacheBytes || size > 2*cacheBytes+10_000 {
		t.Errorf("keeps up to %d bytes, want one to two times %d", size, cacheBytes)
	}
	if _, ok := o.get(5999, 1); !ok {
		t.Error("the newest is gone")
	}
	if _, ok := o.get(0, 1); ok {
		t.Error("the oldest is there")
	}
}

// A copy that is asked for often outlives one that is not.
func TestWhatIsUsedStaysInTheCache(t *testing.T) {
	var o openedCache
	b := copyWith(plain("v", 5000))
	for sum := range uint64(6000) {
		o.put(sum, 1, kept{Copy: b})
		if _, ok := o.get(0, 1); !ok {
			t.Fatalf("gone after %d others", sum)
		}
	}
}

func TestTheCacheKeepsWhatTravelsAlone(t *testing.T) {
	var o openedCache
	b := copyWith(plain("v", 100))
	b.Born = true
	b.State.Origin = []byte("origin")
	b.State.Bare = true
	large := append(make(state.Entries, 0, 1<<20), b.State.Entries...)
	b.State.Entries = large
	o.put(1, 1, kept{Copy: b})
	got, ok := o.get(1, 1)
	if !ok || got.Born || got.State.Bare || got.State.Origin != nil {
		t.Errorf("got %+v, %v", got, ok)
	}
	if !bytes.Equal(got.State.Entries, large) || o.bytes() > 2000 {
		t.Errorf("%d entries bytes take up %d", len(large), o.bytes())
	}
	if c := newCookies(mustKeys(t, seal.NewKey())); c.CachedBytes() != 0 {
		t.Error("a new cache is not empty")
	}
	if sumOf("a", "b") != sumOf(strings.Join([]string{"a", "b"}, "")) || sumOf("a") == sumOf("b") {
		t.Error("the hash of a text depends on how it is cut, or on nothing")
	}
}
