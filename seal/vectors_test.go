package seal_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-go/session/seal"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

const vectorsFile = "testdata/vectors.json"

// vector is one text and what must become of it. docs/SPEC.md explains the
// fields to those who read them in another language.
type vector struct {
	Name     string   `json:"name"`
	Keys     []hexed  `json:"keys"`
	Purpose  string   `json:"purpose"`
	Audience string   `json:"audience"`
	Limit    int      `json:"limit,omitempty"`
	Sealed   string   `json:"sealed"`
	Error    string   `json:"error,omitempty"`
	Minute   *uint32  `json:"minute,omitempty"`
	KeyID    hexed    `json:"key_id,omitempty"`
	Plain    *hexed   `json:"plaintext,omitempty"`
	Making   *howMade `json:"making,omitempty"`
}

// howMade is how an authentic text came about.
type howMade struct {
	Nonce   hexed `json:"nonce"`
	Derived hexed `json:"derived_key"`
	AAD     hexed `json:"aad"`
	Content hexed `json:"content"`
}

type hexed []byte

func (h hexed) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexed) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

func TestVectors(t *testing.T) {
	if *update {
		b, err := json.MarshalIndent(makeVectors(t), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorsFile, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(file, &vectors); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) { v.check(t) })
		seen[v.Error] = true
	}
	for _, kind := range []string{"", "malformed", "format", "audience", "unknown key", "forged", "too large", "compression"} {
		if !seen[kind] {
			t.Errorf("no vector for %q", kind)
		}
	}
	spec, err := os.ReadFile("../docs/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{vectors[0].Sealed, hex.EncodeToString(vectors[0].Making.AAD), hex.EncodeToString(vectors[0].Making.Derived)} {
		if !strings.Contains(strings.Join(strings.Fields(string(spec)), ""), s) {
			t.Errorf("docs/SPEC.md works its example out differently: it lacks %s", s)
		}
	}
}

func (v vector) box(t testing.TB) *seal.Box {
	keys := make([]seal.Key, len(v.Keys))
	for i, secret := range v.Keys {
		k, err := seal.KeyFrom(secret)
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = k
	}
	return &seal.Box{Keys: mustKeys(t, keys...), Purpose: v.Purpose, Audience: v.Audience, Limit: v.Limit}
}

func (v vector) check(t *testing.T) {
	plaintext, at, err := v.box(t).Open(v.Sealed)
	if got := kindOf(err); got != v.Error {
		t.Errorf("%v, which is %q, want %q", err, got, v.Error)
	}
	var unknown *seal.UnknownKeyError
	switch {
	case err == nil:
		if v.Plain == nil || !bytes.Equal(plaintext, *v.Plain) || at.Unix() != int64(*v.Minute)*60 {
			t.Errorf("opened %x of %v", plaintext, at)
		}
	case errors.As(err, &unknown):
		if unknown.SealedAt.Unix() != int64(*v.Minute)*60 || !bytes.Equal(unknown.ID[:], v.KeyID) {
			t.Errorf("unknown key %v, %v", unknown.ID, unknown.SealedAt)
		}
	}
	if v.Making == nil {
		return
	}
	// Sealed again from its parts, it is the same to the character.
	for _, secret := range v.Keys {
		key, err := seal.KeyFrom(secret)
		if err != nil {
			t.Fatal(err)
		}
		text, aad := v.box(t).SealContent(key, *v.Minute, v.Making.Nonce, v.Making.Content)
		derived := seal.NewRawXAES([32]byte(secret)).Derive(v.Making.Nonce)
		if text == v.Sealed && bytes.Equal(aad, v.Making.AAD) && bytes.Equal(derived, v.Making.Derived) {
			return
		}
	}
	t.Error("its parts make another text")
}

func kindOf(err error) string {
	var unknown *seal.UnknownKeyError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &unknown):
		return "unknown key"
	case errors.Is(err, seal.ErrMalformed):
		return "malformed"
	case errors.Is(err, seal.ErrFormat):
		return "format"
	case errors.Is(err, seal.ErrAudience):
		return "audience"
	case errors.Is(err, seal.ErrForged):
		return "forged"
	case errors.Is(err, seal.ErrTooLarge):
		return "too large"
	case errors.Is(err, seal.ErrCompression):
		return "compression"
	}
	return err.Error()
}

// makeVectors is deterministic but for what compress/flate chooses, which
// another version of Go may change: the file is what counts.
func makeVectors(t *testing.T) (all []vector) {
	const minute = 29543760 // 2026-03-04 12:00
	hello := []byte("hello, visitor")

	authentic := func(name, failure string, content []byte, change func(*vector)) {
		at := uint32(minute)
		v := vector{Name: name, Error: failure, Keys: []hexed{key1.Secret()}, Purpose: "bundle", Audience: "shop.test", Minute: &at}
		if change != nil {
			change(&v)
		}
		key, err := seal.KeyFrom(v.Keys[len(v.Keys)-1])
		if err != nil {
			t.Fatal(err)
		}
		nonce := sha256.Sum256([]byte("nonce of " + name))
		id := key.ID()
		v.KeyID = id[:]
		text, aad := v.box(t).SealContent(key, *v.Minute, nonce[:24], content)
		v.Sealed = text
		v.Making = &howMade{nonce[:24], seal.NewRawXAES([32]byte(key.Secret())).Derive(nonce[:24]), aad, content}
		if failure == "" {
			plaintext, err := v.box(t).OpenContent(content)
			if err != nil {
				t.Fatal(err)
			}
			v.Plain = (*hexed)(&plaintext)
		}
		all = append(all, v)
	}
	authentic("a short plaintext", "", seal.Pad(0, hello), nil)
	good := all[0]

	authentic("an empty plaintext", "", seal.Pad(0, nil), nil)
	authentic("126 bytes fill a block", "", seal.Pad(0, bytes.Repeat([]byte("x"), 126)), nil)
	authentic("127 bytes begin a second block", "", seal.Pad(0, bytes.Repeat([]byte("x"), 127)), nil)
	authentic("a plaintext that looks like padding", "", seal.Pad(0, []byte{0x80, 0, 0, 0x80, 0}), nil)
	authentic("a block more of padding than needed", "", append(seal.Pad(0, hello), make([]byte, 128)...), nil)
	authentic("no purpose and no audience", "", seal.Pad(0, hello), func(v *vector) { v.Purpose, v.Audience = "", "" })
	authentic("lengths in the AAD count bytes of UTF-8", "", seal.Pad(0, hello), func(v *vector) { v.Purpose, v.Audience = "Bündel", "店" })
	authentic("the first minute", "", seal.Pad(0, hello), func(v *vector) { *v.Minute = 0 })
	authentic("the last minute", "", seal.Pad(0, hello), func(v *vector) { *v.Minute = 1<<32 - 1 })
	authentic("the second key", "", seal.Pad(0, hello), func(v *vector) { v.Keys = []hexed{key2.Secret(), key1.Secret()} })
	a, b := seal.Colliding()
	authentic("the second of two keys with one ID", "", seal.Pad(0, hello), func(v *vector) { v.Keys = []hexed{a[:], b[:]} })
	cart := []byte(strings.Repeat(`{"sku":"bread","count":2},`, 40))
	authentic("DEFLATE", "", seal.Pad(1, deflate(t, cart)), nil)
	authentic("DEFLATE of nothing", "", seal.Pad(1, deflate(t, nil)), nil)
	authentic("exactly the limit, uncompressed", "", seal.Pad(0, make([]byte, 100)), func(v *vector) { v.Limit = 100 })
	authentic("exactly the limit, compressed", "", seal.Pad(1, deflate(t, make([]byte, 5000))), func(v *vector) { v.Limit = 5000 })

	raw, err := base64.RawURLEncoding.DecodeString(good.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := func(name, failure, text string, change func(*vector)) {
		v := good
		v.Name, v.Error = name, failure
		v.Sealed = text
		v.Plain, v.Making = nil, nil
		v.Minute, v.KeyID = nil, nil
		if change != nil {
			change(&v)
		}
		all = append(all, v)
	}
	bytesOf := func(name, failure string, b []byte) {
		spoiled(name, failure, base64.RawURLEncoding.EncodeToString(b), nil)
	}
	flipped := func(name, failure string, at int) {
		b := bytes.Clone(raw)
		b[at] ^= 1
		bytesOf("a flipped bit: "+name, failure, b)
	}

	spoiled("nothing", "malformed", "", nil)
	spoiled("a character outside the alphabet", "malformed", good.Sealed[:80]+"+"+good.Sealed[81:], nil)
	spoiled("a line break", "malformed", good.Sealed[:80]+"\n"+good.Sealed[80:], nil)
	spoiled("padding of base64", "malformed", good.Sealed+"=", nil)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	authentic("a text that ends in spare bits", "", seal.Pad(0, make([]byte, 126)), nil)
	spare := all[len(all)-1]
	end := len(spare.Sealed) - 1
	spoiled("spare bits that are not zero", "malformed", spare.Sealed[:end]+alphabet[strings.IndexByte(alphabet, spare.Sealed[end])+1:][:1], nil)
	bytesOf("cut short: the format alone", "malformed", raw[:1])
	bytesOf("cut short: the header alone", "malformed", raw[:seal.HeaderLen])
	bytesOf("cut short: no content", "malformed", raw[:seal.Overhead])
	bytesOf("cut short: the last byte", "malformed", raw[:len(raw)-1])
	bytesOf("a byte too many", "malformed", append(bytes.Clone(raw), 0))
	long, err := base64.RawURLEncoding.DecodeString(all[3].Sealed)
	if err != nil {
		t.Fatal(err)
	}
	bytesOf("cut short: the last block", "forged", long[:len(long)-128])
	bytesOf("a block too many", "forged", append(bytes.Clone(raw), make([]byte, 128)...))

	bytesOf("format 0", "format", append([]byte{0}, raw[1:]...))
	bytesOf("format 2", "format", append([]byte{2}, raw[1:]...))
	bytesOf("format 2, cut short", "format", []byte{2})

	flipped("minute", "forged", 8)
	flipped("hint of the audience", "audience", 9)
	flipped("first half of the nonce", "forged", 13)
	flipped("second half of the nonce", "forged", 25)
	flipped("ciphertext", "forged", 37)
	flipped("tag", "forged", len(raw)-1)
	flipped("key ID", "unknown key", 1)
	last := &all[len(all)-1]
	last.Minute, last.KeyID = good.Minute, append(hexed{good.KeyID[0] ^ 1}, good.KeyID[1:]...)
	spoiled("an unknown key", "unknown key", good.Sealed, func(v *vector) {
		v.Keys = []hexed{key2.Secret()}
		v.Minute = good.Minute
		v.KeyID = good.KeyID
	})
	spoiled("another purpose", "forged", good.Sealed, func(v *vector) { v.Purpose = "tombstone" })
	spoiled("another audience", "audience", good.Sealed, func(v *vector) { v.Audience = "shop.example" })
	spoiled("another audience and an unknown key", "audience", good.Sealed, func(v *vector) {
		v.Keys, v.Audience = []hexed{key2.Secret()}, "shop.example"
	})
	spoiled("no audience", "audience", good.Sealed, func(v *vector) { v.Audience = "" })
	spoiled("purpose and audience cut elsewhere", "audience", good.Sealed, func(v *vector) { v.Purpose, v.Audience = "bundles", "hop.test" })
	posing := bytes.Clone(raw)
	hint := sha256.Sum256([]byte("session seal audience\x00shop.example"))
	copy(posing[9:13], hint[:])
	spoiled("another audience under the reader's hint", "forged", base64.RawURLEncoding.EncodeToString(posing), func(v *vector) { v.Audience = "shop.example" })
	spoiled("another key with the same ID", "forged", "", func(v *vector) {
		v.Keys = []hexed{a[:]}
		for _, other := range all {
			if other.Name == "the second of two keys with one ID" {
				v.Sealed = other.Sealed
			}
		}
	})

	spoiled("a text longer than the limit seals to", "too large", all[3].Sealed, func(v *vector) { v.Limit = 126 })
	authentic("a plaintext of one byte over the limit, in the same block", "too large", seal.Pad(0, make([]byte, 101)), func(v *vector) { v.Limit = 100 })

	block := func(begin string) []byte { return append([]byte(begin), make([]byte, 128-len(begin))...) }
	authentic("bad padding: zeros only", "malformed", block(""), nil)
	authentic("bad padding: no 0x80", "malformed", block("\x00hello, visitor"), nil)
	authentic("bad padding: ends in 0x01", "malformed", append(block("\x00hello, visitor\x80")[:127], 1), nil)
	authentic("no codec before the padding", "malformed", block("\x80"), nil)
	authentic("the codec 2", "compression", seal.Pad(2, hello), nil)
	authentic("the codec 200, which is not known", "compression", seal.Pad(200, hello), nil)
	authentic("DEFLATE: block type 3", "compression", seal.Pad(1, []byte{7}), nil)
	authentic("DEFLATE: cut short", "compression", seal.Pad(1, deflate(t, cart)[:20]), nil)
	authentic("DEFLATE: something follows", "compression", seal.Pad(1, append(deflate(t, cart), 0)), nil)
	authentic("DEFLATE: one byte over the limit", "compression", seal.Pad(1, deflate(t, make([]byte, 5001))), func(v *vector) { v.Limit = 5000 })
	authentic("DEFLATE: a bomb", "compression", seal.Pad(1, deflate(t, make([]byte, 2<<20))), nil)
	return all
}
