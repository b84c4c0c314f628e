package backup

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/seal"
)

// text returns n bytes of words, as JSON has them.
func text(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"sku":"bread-%d","count":%d},`, i, i%5)
	}
	return b.Bytes()[:n]
}

func TestValuesAreCompressedFrom256BytesOn(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	noise := make([]byte, 600)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for _, test := range []struct {
		is     string
		change state.Change
		packed bool
	}{
		{"a short value", state.Change{Name: "v", Value: text(255)}, false},
		{"a long one", state.Change{Name: "v", Value: text(256)}, true},
		{"a long one of a key that opts out", state.Change{Name: "v", Flags: state.Uncompressed, Value: text(600)}, false},
		{"what does not become shorter", state.Change{Name: "v", Value: noise}, false},
	} {
		p := mustPack(t, c, copyWith(test.change), 3072)
		plaintext, _, err := c.Copies.Open(p.Text)
		if err != nil {
			t.Fatal(err)
		}
		if packed := plaintext[0] == state.FormatPacked; packed != test.packed || packed == bytes.Contains(plaintext, test.change.Value) {
			t.Errorf("%s: the format is %d, compressed: %v, want %v", test.is, plaintext[0], packed, test.packed)
		}
		if got, err := c.openText(p.Text); err != nil || !bytes.Equal(got.Encode(), p.Encode()) {
			t.Errorf("%s: opens as %v, %v", test.is, got, err)
		}
	}
}

// A value that a client has sent compressed is sent on as it is while it does not change.
func TestWhatWasCompressedIsNotCompressedAgain(t *testing.T) {
	keys := mustKeys(t, seal.NewKey())
	cart := state.Change{Name: "cart", Value: text(900)}
	b := copyWith(cart, state.Change{Name: "user", Value: text(600)})
	sealing := newCookies(keys)
	first := mustPack(t, sealing, b, 3072)
	sealing.Remember(first)
	jarOf := browser{}
	jarOf.store(t, sealing, first)
	body := func(p Packed, name string) *byte {
		for _, d := range p.deflated {
			if d.name == name {
				return &d.body[0]
			}
		}
		t.Fatalf("%s is not compressed", name)
		return nil
	}
	for is, c := range map[string]*Cookies{"sealed here": sealing, "opened here": newCookies(keys)} {
		in := c.Collect(jarOf.header())
		opened := c.Open(&in, subject)
		brought := opened.Brought(b.State.Entries)
		next := b
		next.State = b.State.Write(state.Changes{{Name: "user", Value: text(601)}}, state.Dot{Clock: 2, Instance: 1})
		p, err := c.Pack(next, brought, noon, 3072)
		if err != nil {
			t.Fatal(err)
		}
		if body(p, "cart") != &brought.first.bodyOf(mustFind(t, b, "cart"))[0] {
			t.Errorf("%s: the cart was compressed again", is)
		}
		if got, err := c.openText(p.Text); err != nil || !bytes.Equal(got.Encode(), next.Encode()) {
			t.Errorf("%s: another copy opens than was packed: %v", is, err)
		}
	}
}

func mustFind(t *testing.T, b state.Copy, name string) state.Entry {
	t.Helper()
	e, ok := b.State.Entries.Find(name)
	if !ok {
		t.Fatalf("no %s", name)
	}
	return e
}

// Rolled out one after the other, instances of before open what has no long value, and
// instances of now open all copies of before: as they are, and with one compressed text.
func TestCopiesOfBeforeOpen(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	b := copyWith(state.Change{Name: "cart", Value: text(1000)})
	for _, codec := range []seal.Codec{nil, seal.Flate} {
		box := c.Copies
		box.Codec = codec
		sealed, err := box.Seal(noon, b.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.openText(sealed); err != nil || !bytes.Equal(got.Encode(), b.Encode()) {
			t.Errorf("with the codec %v: got %v, %v", codec, got, err)
		}
	}
}

// A value of 50,000 zeros is 64 bytes of a copy, and two of them are more than a reader
// accepts.
func TestACopyUnpacksToNoMoreThanAReaderAccepts(t *testing.T) {
	c := newCookies(mustKeys(t, seal.NewKey()))
	zeros := func(name string) state.Change { return state.Change{Name: name, Value: make([]byte, 50_000)} }
	p := mustPack(t, c, copyWith(zeros("a"), zeros("b")), 2048)
	if len(p.Withheld) != 1 {
		t.Errorf("withheld are %v, want one of the two", p.Withheld)
	}
	if _, err := c.openText(p.Text); err != nil {
		t.Errorf("what was packed does not open: %v", err)
	}
	body, _ := seal.Flate.Compress(nil, make([]byte, maxPlain))
	bomb := copyWith()
	packed := state.Entry{Name: []byte("a"), Dot: state.Dot{Clock: 1, Instance: 1}}.Pack(body).Append(nil)
	sealed, err := c.Copies.Seal(noon, bomb.EncodePacked(packed))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.openText(sealed); err == nil {
		t.Error("64 KiB and their name were unpacked")
	}
}

// guessed reports whether the length of a sealed session tells an attacker that a guess
// is right. The session holds a secret of 32 hex digits beside a value that the attacker
// has chosen: the words around the secret, the eight digits that they know, and four that
// they guess. They try 190 lengths, so that a block of the padding may begin anywhere.
func guessed(seed uint64, sealed func(state.Copy) string) bool {
	r := rand.New(rand.NewPCG(seed, 4))
	known := fmt.Sprintf("%08x", r.Uint32())
	guess := fmt.Sprintf("%04x", r.Uint32()&0xffff)
	rest := fmt.Sprintf("%016x%04x", r.Uint64(), r.Uint32()&0xffff)
	wrong := fmt.Sprintf("%04x", (r.Uint32()|1)&0xffff)
	lengths := func(secret string) (out []int) {
		for n := range 190 {
			noise := make([]byte, 300+n)
			r := rand.New(rand.NewPCG(uint64(n), 3))
			for i := range noise {
				noise[i] = "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ"[r.IntN(40)]
			}
			chosen := fmt.Sprintf(`{"csrf":"%s%s`, known, guess) + string(noise)
			out = append(out, len(sealed(copyWith(
				state.Change{Name: "address", Value: []byte(chosen)},
				state.Change{Name: "form", Value: []byte(`{"csrf":"` + secret + `"}`)},
			))))
		}
		return out
	}
	return !slices.Equal(lengths(known+guess+rest), lengths(known+wrong+rest))
}

// Two values in one compressed text tell about each other: where the chosen one has the
// secret's digits the text is shorter (CRIME). Values that are compressed alone do not.
func TestAGuessBesideASecretLearnsNothing(t *testing.T) {
	const guesses = 10
	c := newCookies(mustKeys(t, seal.NewKey()))
	one := c.Copies
	one.Codec = seal.Flate
	alone, together := 0, 0
	for seed := range uint64(guesses) {
		if guessed(seed, func(b state.Copy) string { return mustPack(t, c, b, 3072).Text }) {
			alone++
		}
		if guessed(seed, func(b state.Copy) string {
			text, err := one.Seal(noon, b.Encode())
			if err != nil {
				t.Fatal(err)
			}
			return text
		}) {
			together++
		}
	}
	t.Logf("of %d guesses the lengths tell %d with each value alone, and %d with one text", guesses, alone, together)
	if alone != 0 {
		t.Errorf("%d of %d guesses were told", alone, guesses)
	}
	if together < guesses*3/4 {
		t.Errorf("one compressed text told %d of %d guesses: the test would see no leak", together, guesses)
	}
}
