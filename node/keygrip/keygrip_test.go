package keygrip_test

import (
	"crypto"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-go/session/node/internal/vectors"
	"github.com/holdfast-go/session/node/keygrip"
)

var hashes = map[string]crypto.Hash{
	"sha1": crypto.SHA1, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512,
}

func TestVectors(t *testing.T) {
	type row struct {
		Keys                           []string
		Algorithm, Encoding, Data, Sig string
		SigByEachKey                   []string
		IndexOfLastKeySig              int
		VerifyWrong                    bool
	}
	for _, r := range vectors.Rows[row](t, "keygrip.json", "vectors") {
		name := fmt.Sprint(r.Keys, r.Algorithm, r.Encoding, r.Data)
		t.Run(name, func(t *testing.T) {
			vectors.SkipListed(t, "keygrip.json", "vectors", name)
			var keys [][]byte
			for _, key := range r.Keys {
				keys = append(keys, []byte(key))
			}
			hash, ok := hashes[r.Algorithm]
			if !ok {
				t.Fatalf("unknown hash %q", r.Algorithm)
			}
			k, err := keygrip.New(keys, &keygrip.Options{Hash: hash, Hex: r.Encoding == "hex"})
			if err != nil {
				t.Fatal(err)
			}
			if got := k.Sign(r.Data); got != r.Sig {
				t.Errorf("got %s, want %s", got, r.Sig)
			}
			for i, sig := range r.SigByEachKey {
				if got := k.Index(r.Data, sig); got != i {
					t.Errorf("got key %d, want %d", got, i)
				}
			}
			if last := r.SigByEachKey[len(r.SigByEachKey)-1]; k.Index(r.Data, last) != r.IndexOfLastKeySig {
				t.Errorf("got key %d of the last, want %d", k.Index(r.Data, last), r.IndexOfLastKeySig)
			}
			if got := k.Verify(r.Data, strings.Repeat("A", len(r.Sig))); got != r.VerifyWrong {
				t.Errorf("a wrong signature: got %v, want %v", got, r.VerifyWrong)
			}
		})
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		keys [][]byte
		o    *keygrip.Options
	}{
		"none":                   {nil, nil},
		"an empty one":           {[][]byte{[]byte("a"), {}}, nil},
		"a hash that is missing": {[][]byte{[]byte("a")}, &keygrip.Options{Hash: crypto.BLAKE2b_256}},
	} {
		if _, err := keygrip.New(test.keys, test.o); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	k, err := keygrip.New([][]byte{[]byte("hushhush")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{k, *k} {
			if s := fmt.Sprintf(format, v); s != "[keys]" {
				t.Errorf("%s: got %s", format, s)
			}
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add("session=eyJ1c2VyIjoiYm9iIn0=", "t7OJUu76Rt1w8yk4rp7odhd3Hm4")
	f.Add("session=eyJ1c2VyIjoiYm9iIn0=", "t7OJUu76Rt1w8yk4rp7odhd3Hm4=")
	f.Add("", "")
	k, err := keygrip.New([][]byte{[]byte("a"), []byte("b")}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data, signature string) {
		if i := k.Index(data, k.Sign(data)); i != 0 {
			t.Errorf("%q: its own signature is that of key %d", data, i)
		}
		if i := k.Index(data, signature); i == 0 && signature != k.Sign(data) {
			t.Errorf("%q: a second signature, %q", data, signature)
		}
	})
}
