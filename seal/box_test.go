package seal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/seal"
)

var (
	key1 = testKey("one")
	key2 = testKey("two")
	noon = time.Date(2026, 3, 4, 12, 0, 42, 0, time.UTC)
)

// testKey returns a key that is the same in each run.
func testKey(name string) seal.Key {
	secret := sha256.Sum256([]byte("test key " + name))
	k, err := seal.KeyFrom(secret[:])
	if err != nil {
		panic(err)
	}
	return k
}

func mustKeys(t testing.TB, keys ...seal.Key) *seal.Keys {
	t.Helper()
	k, err := seal.NewKeys(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func box(t testing.TB) *seal.Box {
	t.Helper()
	return &seal.Box{Keys: mustKeys(t, key1), Purpose: "bundle", Audience: "shop.test"}
}

func mustSeal(t testing.TB, b *seal.Box, plaintext []byte) string {
	t.Helper()
	text, err := b.Seal(noon, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWhatIsSealedOpens(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 128, 254, 255, 1000, 4096, 64 << 10} {
		b := box(t)
		plaintext := bytes.Repeat([]byte{0x80, 0, 'x', 0}, n/4+1)[:n]
		text := mustSeal(t, b, plaintext)
		if len(text) != seal.SealedLen(n) {
			t.Errorf("%d bytes are sealed in %d characters, SealedLen says %d", n, len(text), seal.SealedLen(n))
		}
		if i := strings.IndexFunc(text, func(r rune) bool {
			return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", r)
		}); i >= 0 {
			t.Errorf("%q does not belong into a cookie", text[i])
		}
		got, at, err := b.Open(text)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: opened %q, %v", n, got, err)
		}
		if want := noon.Truncate(time.Minute); !at.Equal(want) || at.Location() != time.UTC {
			t.Errorf("sealed at %v, want %v", at, want)
		}
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	b := box(t)
	text := mustSeal(t, b, []byte("a plaintext of some length"))
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(raw) * 8 {
		flipped := bytes.Clone(raw)
		flipped[i/8] ^= 1 << (i % 8)
		_, _, err := b.Open(base64.RawURLEncoding.EncodeToString(flipped))
		var unknown *seal.UnknownKeyError
		switch at := i / 8; {
		case at == 0:
			if !errors.Is(err, seal.ErrFormat) {
				t.Errorf("format, bit %d: %v", i%8, err)
			}
		case at < 5:
			if !errors.As(err, &unknown) || !unknown.SealedAt.Equal(noon.Truncate(time.Minute)) {
				t.Errorf("key ID, bit %d: %v", i-8, err)
			}
		case 9 <= at && at < seal.HeaderLen:
			if !errors.Is(err, seal.ErrAudience) {
				t.Errorf("hint of the audience, bit %d: %v", i-9*8, err)
			}
		case !errors.Is(err, seal.ErrForged):
			t.Errorf("byte %d, bit %d: %v, want %v", at, i%8, err, seal.ErrForged)
		}
	}
	// And of the text, which has bits of its own at the end.
	for i := range len(text) * 8 {
		flipped := []byte(text)
		flipped[i/8] ^= 1 << (i % 8)
		if _, _, err := b.Open(string(flipped)); err == nil {
			t.Errorf("character %d, bit %d: opened %q", i/8, i%8, flipped)
		}
	}
}

func TestOneTextForTheSameBytes(t *testing.T) {
	b := box(t)
	// Lengths whose text ends in spare bits, and such as do not.
	for _, n := range []int{0, 127, 255} {
		text := mustSeal(t, b, make([]byte, n))
		for _, other := range []string{text + "\n", "\r" + text, text[:4] + "\n" + text[4:], text + "=", text + "==", text + "A", " " + text, text[:len(text)-1]} {
			if _, _, err := b.Open(other); !errors.Is(err, seal.ErrMalformed) {
				t.Errorf("%q: %v, want %v", other, err, seal.ErrMalformed)
			}
		}
	}
}

func TestPaddingHidesTheLengthWithin128Bytes(t *testing.T) {
	b := box(t)
	lengths := map[int]int{}
	for n := range 126 + 128 + 1 {
		lengths[len(mustSeal(t, b, make([]byte, n)))]++
	}
	if len(lengths) != 2 || lengths[seal.SealedLen(126)] != 127 || lengths[seal.SealedLen(127)] != 128 {
		t.Errorf("texts have these lengths: %v, want 127 of %d and 128 of %d", lengths, seal.SealedLen(126), seal.SealedLen(127))
	}
}

func TestNoncesDoNotRepeat(t *testing.T) {
	rounds := 100_000
	if raceEnabled {
		rounds /= 10 // it would take seconds
	}
	b := box(t)
	first, second := make(map[[12]byte]bool, rounds), make(map[[12]byte]bool, rounds)
	for range rounds {
		raw, err := base64.RawURLEncoding.DecodeString(mustSeal(t, b, nil))
		if err != nil {
			t.Fatal(err)
		}
		first[[12]byte(raw[seal.HeaderLen:])] = true
		second[[12]byte(raw[seal.HeaderLen+12:])] = true
	}
	// Each half by itself: both must be random.
	if len(first) != rounds || len(second) != rounds {
		t.Errorf("of %d nonces %d first and %d second halves differ", rounds, len(first), len(second))
	}
}

func TestPurposeAndAudienceAreVouchedFor(t *testing.T) {
	text := mustSeal(t, &seal.Box{Keys: mustKeys(t, key1), Purpose: "ab", Audience: "c"}, []byte("x"))
	for _, b := range []seal.Box{
		{Purpose: "ab", Audience: "d"},
		{Purpose: "ac", Audience: "c"},
		{Purpose: "c", Audience: "ab"},
		{Purpose: "a", Audience: "bc"},
		{Purpose: "abc"},
		{Audience: "abc"},
		{},
	} {
		b.Keys = mustKeys(t, key1)
		want := seal.ErrForged
		if b.Audience != "c" {
			want = seal.ErrAudience
		}
		if _, _, err := b.Open(text); !errors.Is(err, want) {
			t.Errorf("purpose %q, audience %q: %v, want %v", b.Purpose, b.Audience, err, want)
		}
	}
}

// The sentences of the package comment: no visitor is logged out in between.
func TestRotationKeepsEveryTextOpen(t *testing.T) {
	before, added := mustKeys(t, key1), mustKeys(t, key1, key2)
	moved, after := mustKeys(t, key2, key1), mustKeys(t, key2)
	old, young := mustSeal(t, &seal.Box{Keys: added}, nil), mustSeal(t, &seal.Box{Keys: moved}, nil)
	opens := func(k *seal.Keys, text string) bool {
		_, _, err := (&seal.Box{Keys: k}).Open(text)
		var unknown *seal.UnknownKeyError
		if err != nil && !errors.As(err, &unknown) {
			t.Errorf("%v", err)
		}
		return err == nil
	}
	for _, test := range []struct {
		name string
		keys *seal.Keys
		text string
		want bool
	}{
		{"step 1: those that have not seen the new key", before, old, true},
		{"step 1", added, old, true},
		{"step 2: those that still seal with the old key", added, young, true},
		{"step 2", moved, old, true},
		{"step 2, new texts", moved, young, true},
		{"step 3", after, young, true},
		{"step 3, texts of the old key", after, old, false},
		{"step 1 was left out", before, young, false},
	} {
		if got := opens(test.keys, test.text); got != test.want {
			t.Errorf("%s: opens is %v, want %v", test.name, got, test.want)
		}
	}
}

func TestADecryptOnlyKeyOpensAndNeverSeals(t *testing.T) {
	text := mustSeal(t, &seal.Box{Keys: mustKeys(t, key1)}, []byte("x"))
	b := &seal.Box{Keys: mustKeys(t, key1.DecryptOnly(), key2)}
	if _, _, err := b.Open(text); err != nil {
		t.Error(err)
	}
	if _, _, err := (&seal.Box{Keys: mustKeys(t, key2)}).Open(mustSeal(t, b, nil)); err != nil {
		t.Errorf("was not sealed with the second key: %v", err)
	}
}

func TestKeysWithTheSameIDAreAllTried(t *testing.T) {
	a, b := seal.Colliding()
	keyA, _ := seal.KeyFrom(a[:])
	keyB, _ := seal.KeyFrom(b[:])
	if keyA.ID() != keyB.ID() {
		t.Fatalf("IDs %v and %v differ", keyA.ID(), keyB.ID())
	}
	both := &seal.Box{Keys: mustKeys(t, keyA, key1, keyB)}
	for _, k := range []seal.Key{keyA, keyB} {
		text := mustSeal(t, &seal.Box{Keys: mustKeys(t, k)}, []byte("x"))
		if got, _, err := both.Open(text); err != nil || string(got) != "x" {
			t.Errorf("opened %q, %v", got, err)
		}
		if _, _, err := (&seal.Box{Keys: both.Keys, Purpose: "other"}).Open(text); !errors.Is(err, seal.ErrForged) {
			t.Errorf("got %v, want %v", err, seal.ErrForged)
		}
	}
}

func TestTheLimitHoldsBothWays(t *testing.T) {
	b := box(t)
	small := &seal.Box{Keys: b.Keys, Purpose: b.Purpose, Audience: b.Audience, Limit: 100}
	if _, err := small.Seal(noon, make([]byte, 101)); !errors.Is(err, seal.ErrTooLarge) {
		t.Errorf("sealing 101 bytes: %v", err)
	}
	if _, _, err := small.Open(mustSeal(t, b, make([]byte, 101))); !errors.Is(err, seal.ErrTooLarge) {
		t.Errorf("101 bytes in the block of 100: %v", err)
	}
	if _, _, err := small.Open(mustSeal(t, b, make([]byte, 1000))); !errors.Is(err, seal.ErrTooLarge) {
		t.Errorf("1000 bytes: %v", err)
	}
	if got, _, err := small.Open(mustSeal(t, small, make([]byte, 100))); err != nil || len(got) != 100 {
		t.Errorf("100 bytes: %d, %v", len(got), err)
	}
	if _, err := b.Seal(noon, make([]byte, 64<<10+1)); !errors.Is(err, seal.ErrTooLarge) {
		t.Errorf("sealing over 64 KiB: %v", err)
	}
	// Too long a text is refused unread.
	if _, _, err := b.Open(strings.Repeat("!", seal.SealedLen(64<<10)+1)); !errors.Is(err, seal.ErrTooLarge) {
		t.Errorf("a long text: %v", err)
	}
	for _, codec := range []seal.Codec{nil, seal.Flate} {
		huge := &seal.Box{Keys: b.Keys, Limit: math.MaxInt, Codec: codec}
		if _, _, err := huge.Open(mustSeal(t, huge, make([]byte, 1<<20))); err != nil {
			t.Errorf("1 MiB: %v", err)
		}
	}
}

func TestTimesBeyondTheFormatAreClamped(t *testing.T) {
	b := box(t)
	for _, test := range []struct{ now, want time.Time }{
		{time.Time{}, time.Unix(0, 0)},
		{time.Unix(-61, 0), time.Unix(0, 0)},
		{time.Unix(119, 0), time.Unix(60, 0)},
		{time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(math.MaxUint32*60, 0)},
	} {
		text, err := b.Seal(test.now, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, got, err := b.Open(text); err != nil || !got.Equal(test.want) {
			t.Errorf("sealed at %v, opened as of %v, %v, want %v", test.now, got, err, test.want)
		}
	}
}

func TestABoxWithoutKeys(t *testing.T) {
	text := mustSeal(t, box(t), nil)
	for _, b := range []*seal.Box{{Audience: "shop.test"}, {Audience: "shop.test", Keys: new(seal.Keys)}} {
		var unknown *seal.UnknownKeyError
		if _, _, err := b.Open(text); !errors.As(err, &unknown) || unknown.ID != key1.ID() {
			t.Errorf("opens: %v", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("seals")
				}
			}()
			b.Seal(noon, nil)
		}()
	}
}

func TestConcurrentUse(t *testing.T) {
	b := box(t)
	b.Codec = seal.Flate
	text := mustSeal(t, b, bytes.Repeat([]byte("shared "), 100))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				want := fmt.Appendf(nil, "%d-%d %s", g, i, strings.Repeat("compressible ", i))
				mine, err := b.Seal(noon, want)
				if err != nil {
					t.Error(err)
				}
				if got, _, err := b.Open(mine); err != nil || !bytes.Equal(got, want) {
					t.Errorf("opened %q, %v", got, err)
				}
				if _, _, err := b.Open(text); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
