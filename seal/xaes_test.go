package seal_test

import (
	"bytes"
	"crypto/sha3"
	"encoding/hex"
	"os"
	"os/exec"
	"testing"

	"github.com/holdfast-go/session/seal"
)

// The two vectors of https://c2sp.org/XAES-256-GCM, with the values in
// between; the top bit of L is 0 in the first and 1 in the second.
func TestVectorsOfC2SP(t *testing.T) {
	for _, v := range []struct{ keyByte, k1, derived, aad, ciphertext string }{
		{
			"01", "e531954aca063d5b8d9c47a47d4cc6f0",
			"c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b",
			"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
		},
		{
			"03", "23810ec50edb99f374409466ed1f4b7b",
			"e9c621d4cdd9b11b00a6427ad7e559aeedd66b3857646677748f8ca796cb3fd8",
			"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
		},
	} {
		x := seal.NewRawXAES([32]byte(bytes.Repeat(unhex(t, v.keyByte), 32)))
		nonce, plaintext := []byte("ABCDEFGHIJKLMNOPQRSTUVWX"), []byte("XAES-256-GCM")
		if got := hex.EncodeToString(x.K1()); got != v.k1 {
			t.Errorf("K1 is %s, want %s", got, v.k1)
		}
		if got := hex.EncodeToString(x.Derive(nonce)); got != v.derived {
			t.Errorf("derived key is %s, want %s", got, v.derived)
		}
		if got := hex.EncodeToString(x.Seal(nonce, plaintext, []byte(v.aad))); got != v.ciphertext {
			t.Errorf("ciphertext is %s, want %s", got, v.ciphertext)
		}
		sealed := append(bytes.Clone(nonce), unhex(t, v.ciphertext)...)
		if got, err := x.Open(nil, sealed, []byte(v.aad)); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("opened %q, %v, want %q", got, err, plaintext)
		}
	}
}

// The accumulated vectors of the same page: keys, nonces, plaintexts and AAD
// come out of one SHAKE-128, ciphertexts go into another.
func TestAccumulatedVectorsOfC2SP(t *testing.T) {
	n, want := 10_000, "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
	if os.Getenv("SEAL_MILLION") != "" {
		n, want = 1_000_000, "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15"
	}
	in, out := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	next := func(n int) []byte {
		b := make([]byte, n)
		in.Read(b)
		return b
	}
	for range n {
		x, nonce := seal.NewRawXAES([32]byte(next(32))), next(24)
		plaintext := next(int(next(1)[0]))
		aad := next(int(next(1)[0]))
		ciphertext := x.Seal(nonce, plaintext, aad)
		out.Write(ciphertext)
		got, err := x.Open(nil, append(nonce, ciphertext...), aad)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("opened %x, %v, want %x", got, err, plaintext)
		}
	}
	sum := make([]byte, 32)
	out.Read(sum)
	if got := hex.EncodeToString(sum); got != want {
		t.Errorf("after %d rounds the hash is %s, want %s", n, got, want)
	}
}

func TestXAESWorksInPlace(t *testing.T) {
	x := seal.NewRawXAES([32]byte{1})
	plaintext, aad := bytes.Repeat([]byte("0123456789"), 40), []byte("aad")
	buf := make([]byte, 3, 500)
	copy(buf[3+12:500], plaintext)
	sealed := x.SealRandom(buf, buf[15:15+len(plaintext)], aad)[3:]
	if &sealed[0] != &buf[:4][3] {
		t.Error("seal took other memory than it was given")
	}
	if got, err := x.Open(nil, sealed, aad); err != nil || !bytes.Equal(got, plaintext) {
		t.Errorf("sealed in place: opened %q, %v", got, err)
	}
	if got, err := x.Open(sealed[12:12], sealed, aad); err != nil || !bytes.Equal(got, plaintext) || &got[0] != &sealed[12] {
		t.Errorf("opened in place: %q, %v", got, err)
	}
}

// crypto/cipher.NewGCM is refused in this mode; the package does without it.
func TestSealingWorksWhereOnlyFIPS140Does(t *testing.T) {
	if os.Getenv("SEAL_FIPS_CHILD") != "" {
		text := mustSeal(t, box(t), []byte("hello"))
		if got, _, err := box(t).Open(text); err != nil || string(got) != "hello" {
			t.Errorf("opened %q, %v", got, err)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", "SEAL_FIPS_CHILD=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
