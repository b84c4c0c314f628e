package seal_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/holdfast-go/session/seal"
)

// cartOf is JSON of about n bytes, as sessions hold it.
func cartOf(n int) []byte {
	type item struct {
		SKU   string `json:"sku"`
		Name  string `json:"name"`
		Count int    `json:"count"`
		Cents int    `json:"cents"`
	}
	var cart []item
	for i := 0; ; i++ {
		b, _ := json.Marshal(cart)
		if len(b) >= n {
			return b[:n]
		}
		cart = append(cart, item{fmt.Sprintf("%08x", uint32(i)*2654435761), fmt.Sprintf("Article no. %d of the shop", i*37%101), i%5 + 1, i * 7919 % 10000})
	}
}

var sizes = []struct {
	name string
	n    int
}{{"1KB", 1 << 10}, {"4KB", 4 << 10}}

// The cost of sealing beside that of AES-256-GCM and base64url, which every sealed cookie
// pays.
func BenchmarkSeal(b *testing.B) {
	gcm := plainGCM(b)
	for _, size := range sizes {
		plaintext := cartOf(size.n)
		plain, packs := box(b), box(b)
		packs.Codec = seal.Flate
		run(b, size.n, "box/"+size.name, func() { plain.Seal(noon, plaintext) })
		run(b, size.n, "box+flate/"+size.name, func() { packs.Seal(noon, plaintext) })
		run(b, size.n, "gcm+base64/"+size.name, func() {
			base64.RawURLEncoding.EncodeToString(gcm.Seal(nil, nil, plaintext, nil))
		})
		run(b, size.n, "gcm/"+size.name, func() { gcm.Seal(nil, nil, plaintext, nil) })
		xaes := seal.NewRawXAES([32]byte(key1.Secret()))
		run(b, size.n, "xaes/"+size.name, func() { xaes.SealRandom(make([]byte, 0, 40+size.n), plaintext, nil) })
	}
}

func BenchmarkOpen(b *testing.B) {
	gcm := plainGCM(b)
	for _, size := range sizes {
		plaintext := cartOf(size.n)
		plain, packs := box(b), box(b)
		packs.Codec = seal.Flate
		text, packed := mustSeal(b, plain, plaintext), mustSeal(b, packs, plaintext)
		raw := gcm.Seal(nil, nil, plaintext, nil)
		rawText := base64.RawURLEncoding.EncodeToString(raw)
		b.Logf("%s: %d characters, with flate %d", size.name, len(text), len(packed))
		run(b, size.n, "box/"+size.name, func() { plain.Open(text) })
		run(b, size.n, "box+flate/"+size.name, func() { plain.Open(packed) })
		run(b, size.n, "gcm+base64/"+size.name, func() {
			raw, _ := base64.RawURLEncoding.DecodeString(rawText)
			gcm.Open(nil, nil, raw, nil)
		})
		run(b, size.n, "gcm/"+size.name, func() { gcm.Open(nil, nil, raw, nil) })
	}
	// The cost of a flood of forged cookies.
	opener := box(b)
	text := []byte(mustSeal(b, opener, cartOf(4<<10)))
	text[1000] ^= 1
	forged := string(text)
	run(b, 4<<10, "forged/4KB", func() { opener.Open(forged) })
}

func run(b *testing.B, n int, name string, f func()) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(n))
		for b.Loop() {
			f()
		}
	})
}

func plainGCM(tb testing.TB) cipher.AEAD {
	tb.Helper()
	block, err := aes.NewCipher(key1.Secret())
	if err != nil {
		tb.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		tb.Fatal(err)
	}
	return gcm
}

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates: make test counts, make race does not")
	}
	plain := box(t)
	plaintext := cartOf(4 << 10)
	text := mustSeal(t, plain, plaintext)
	for _, test := range []struct {
		name string
		f    func()
		most float64
	}{
		{"Seal", func() { plain.Seal(noon, plaintext) }, 8},
		{"Open", func() { plain.Open(text) }, 5},
	} {
		got := testing.AllocsPerRun(1000, test.f)
		t.Logf("%s: %v allocations", test.name, got)
		if got > test.most {
			t.Errorf("%s: %v allocations, want at most %v", test.name, got, test.most)
		}
	}
}
