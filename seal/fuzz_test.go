package seal_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/seal"
)

// Whatever is sent: no panic, and nothing opens but what was sealed, to the
// very character; what does not open has one of the documented errors.
func FuzzOpen(f *testing.F) {
	sealer := &seal.Box{Keys: mustKeys(f, key1, key2), Purpose: "bundle", Audience: "shop.test", Codec: seal.Flate}
	opener := &seal.Box{Keys: mustKeys(f, key2, key1), Purpose: "bundle", Audience: "shop.test"}
	// The same texts in each process of the fuzzer: nonces are given.
	sealed := map[string][]byte{}
	for i, plaintext := range [][]byte{nil, []byte("x"), []byte(strings.Repeat("a cart of bread and olives ", 30))} {
		nonce := bytes.Repeat([]byte{byte(i + 1)}, 24)
		text, _ := sealer.SealContent(key1, 12345, nonce, seal.Pad(0, plaintext))
		sealed[text] = plaintext
		text, _ = sealer.SealContent(key2, 12345, nonce, seal.Pad(1, deflate(f, plaintext)))
		sealed[text] = plaintext
	}
	for text := range sealed {
		f.Add(text, uint(0), uint(0), byte(0))
		f.Add(text, uint(3), uint(1), byte(1))
		f.Add(text, uint(20), uint(200), byte(0x20))
	}
	f.Add("", uint(0), uint(0), byte(0))
	f.Add("AQ", uint(0), uint(0), byte(0))
	f.Fuzz(func(t *testing.T, text string, at, cut uint, flip byte) {
		if text != "" { // helps the fuzzer to stay near what is authentic
			b := []byte(text)
			b[at%uint(len(b))] ^= flip
			text = string(b[:uint(len(b))-cut%uint(len(b))])
		}
		plaintext, at2, err := opener.Open(text)
		var unknown *seal.UnknownKeyError
		switch {
		case err == nil:
			want, ok := sealed[text]
			if !ok || !bytes.Equal(plaintext, want) || at2.Unix() != 12345*60 {
				t.Errorf("opened %q, which nobody sealed: %q", text, plaintext)
			}
		case plaintext != nil || !at2.IsZero():
			t.Errorf("%v comes with %q, %v", err, plaintext, at2)
		case !errors.Is(err, seal.ErrMalformed) && !errors.Is(err, seal.ErrFormat) && !errors.Is(err, seal.ErrForged) &&
			!errors.Is(err, seal.ErrAudience) && !errors.Is(err, seal.ErrTooLarge) && !errors.As(err, &unknown):
			t.Errorf("undocumented error %v", err)
		}
	})
}

// A sealed text opens unchanged, and for no other purpose, audience or key.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte(nil), "", "", int64(0), false)
	f.Add([]byte{0x80, 0, 0}, "bundle", "shop.test", int64(1_772_625_642), false)
	f.Add(bytes.Repeat([]byte("bread "), 300), "a", "b", int64(-1), true)
	keys, others := mustKeys(f, key1), mustKeys(f, key2)
	f.Fuzz(func(t *testing.T, plaintext []byte, purpose, audience string, unix int64, compress bool) {
		unix %= 1 << 37 // of the format's years
		b := seal.Box{Keys: keys, Purpose: purpose, Audience: audience}
		if compress {
			b.Codec = seal.Flate
		}
		text, err := b.Seal(time.Unix(unix, 0), plaintext)
		if len(plaintext) > 64<<10 {
			if !errors.Is(err, seal.ErrTooLarge) {
				t.Errorf("%d bytes: %v", len(plaintext), err)
			}
			return
		}
		if err != nil || len(text) > seal.SealedLen(len(plaintext)) {
			t.Fatalf("%d bytes became %d characters, %v", len(plaintext), len(text), err)
		}
		got, at, err := b.Open(text)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("opened %q, %v, want %q", got, err, plaintext)
		}
		if want := max(0, unix/60*60); at.Unix() != want {
			t.Errorf("sealed at %d, want %d", at.Unix(), want)
		}
		for _, wrong := range []seal.Box{
			{Keys: keys, Purpose: purpose + "x", Audience: audience},
			{Keys: keys, Purpose: purpose, Audience: audience + "x"},
			{Keys: keys, Purpose: purpose + audience, Audience: "x"},
		} {
			want := seal.ErrForged
			if wrong.Audience != audience {
				want = seal.ErrAudience
			}
			if _, _, err := wrong.Open(text); !errors.Is(err, want) {
				t.Errorf("for %q, %q: %v", wrong.Purpose, wrong.Audience, err)
			}
		}
		var unknown *seal.UnknownKeyError
		b.Keys = others
		if _, _, err := b.Open(text); !errors.As(err, &unknown) || unknown.ID != key1.ID() || !unknown.SealedAt.Equal(at) {
			t.Errorf("without the key: %v", err)
		}
	})
}

// Behind the cipher, for a faulty program with the key: no panic, and nothing
// beyond the limit.
func FuzzContent(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(make([]byte, 128))
	f.Add(seal.Pad(0, []byte("plain")))
	f.Add(seal.Pad(1, deflate(f, []byte("compressed"))))
	f.Add(seal.Pad(1, deflate(f, make([]byte, 100_000))))
	b := &seal.Box{Keys: mustKeys(f, key1), Limit: 4096}
	f.Fuzz(func(t *testing.T, content []byte) {
		plaintext, err := b.OpenContent(content)
		switch {
		case err == nil && len(plaintext) > b.Limit:
			t.Errorf("%d bytes", len(plaintext))
		case err != nil && !errors.Is(err, seal.ErrMalformed) && !errors.Is(err, seal.ErrCompression) && !errors.Is(err, seal.ErrTooLarge):
			t.Errorf("undocumented error %v", err)
		case err == nil && content[0] == 0:
			if again := seal.Pad(0, plaintext); !bytes.HasPrefix(content, again[:len(plaintext)+2]) {
				t.Errorf("%q was read as %q", content, plaintext)
			}
		}
	})
}

// Key files: no panic, and no error that quotes a word of the file.
func FuzzParseKeys(f *testing.F) {
	f.Add(key1.Reveal() + "\n# comment\n" + key2.Reveal() + " decrypt-only\n")
	f.Add("nonsense-and-more-of-it," + key1.Reveal()[:30])
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := seal.ParseKeys(text)
		if err == nil {
			b := &seal.Box{Keys: keys}
			if _, _, err := b.Open(mustSeal(t, b, nil)); err != nil {
				t.Error(err)
			}
			return
		}
		for word := range strings.FieldsSeq(text) {
			if len(word) >= 16 && strings.Contains(err.Error(), word) {
				t.Errorf("%q quotes %q", err, word)
			}
		}
	})
}
