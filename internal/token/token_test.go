package token_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/token"
)

func TestNewTokensAreParsedAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		got := token.New()
		if seen[got.Reveal()] || seen[got.ID()] {
			t.Fatal("two new tokens are the same")
		}
		seen[got.Reveal()], seen[got.ID()] = true, true
		if parsed, ok := token.Parse(got.Reveal()); !ok || parsed != got {
			t.Errorf("Parse of a new token: got %v, %v, want the same", parsed.ID(), ok)
		}
	}
}

// The IDs are in stores: another derivation would lose every session.
func TestEveryByteOfATokenIsRandom(t *testing.T) {
	first := token.New().Reveal()
	var differs [len("0123456789012345678901234567890123456789012")]bool
	for range 200 {
		for i, c := range []byte(token.New().Reveal()) {
			differs[i] = differs[i] || c != first[i]
		}
	}
	for i, d := range differs {
		if !d {
			t.Errorf("character %d of 200 tokens is the same", i)
		}
	}
}

func TestIDIsHalfTheHashOfTheDecodedToken(t *testing.T) {
	var b [32]byte
	for i := range b {
		b[i] = byte(i)
	}
	got, ok := token.Parse(base64.RawURLEncoding.EncodeToString(b[:]))
	sum := sha256.Sum256(b[:])
	if want := hex.EncodeToString(sum[:16]); !ok || got.ID() != want {
		t.Errorf("got %q, %v, want %q", got.ID(), ok, want)
	}
}

func TestParseAcceptsOneSpelling(t *testing.T) {
	zeros := strings.Repeat("A", 43)
	if _, ok := token.Parse(zeros); !ok {
		t.Fatalf("%q is not accepted", zeros)
	}
	for name, text := range map[string]string{
		"empty":                       "",
		"short":                       zeros[:42],
		"long":                        zeros + "A",
		"with padding":                zeros[:42] + "=",
		"with other trailing bits":    zeros[:42] + "B",
		"in the alphabet of plain 64": zeros[:41] + "+A",
		"with a line feed inside":     zeros[:20] + "\n" + zeros[:22],
		"with a line feed at the end": zeros[:42] + "\n",
		"with a NUL":                  zeros[:20] + "\x00" + zeros[:22],
	} {
		if got, ok := token.Parse(text); ok || got != (token.Token{}) {
			t.Errorf("%s: got %q, %v, want no token", name, got.Reveal(), ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(strings.Repeat("A", 43))
	f.Add(token.New().Reveal())
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := token.Parse(text)
		b, err := base64.RawURLEncoding.DecodeString(text)
		want := err == nil && len(b) == 32 && base64.RawURLEncoding.EncodeToString(b) == text
		if ok != want {
			t.Errorf("Parse(%q): got %v, want %v", text, ok, want)
		}
		if ok && got.Reveal() != text {
			t.Errorf("Reveal: got %q, want %q", got.Reveal(), text)
		}
	})
}

func TestForeignTokenIsKeptAsItIs(t *testing.T) {
	got := token.Foreign("s:abc.signature", "abc")
	if got.Reveal() != "s:abc.signature" || got.ID() != "abc" {
		t.Errorf("got %q and %q", got.Reveal(), got.ID())
	}
}

func TestSuccessorIsTheMACOfTheRandomBytes(t *testing.T) {
	old := token.New()
	key, err := base64.RawURLEncoding.DecodeString(old.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("session rotation\x00random"))
	got, want := old.Successor("random"), base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	if got.Reveal() != want {
		t.Errorf("got %q, want %q", got.Reveal(), want)
	}
	if parsed, ok := token.Parse(want); !ok || parsed != got {
		t.Error("the successor is not a token of ours")
	}
	if old.Successor("random") != got || old.Successor("Random") == got || token.New().Successor("random") == got {
		t.Error("the successor does not depend on the token and the random bytes alone")
	}
	if next := got.Successor("random"); next == got || next == old {
		t.Error("a successor has no successor of its own")
	}
}

func TestTokensPrintAsAPlaceholder(t *testing.T) {
	for _, secret := range []token.Token{token.New(), token.Foreign("s:abc.signature", "abc")} {
		var out bytes.Buffer
		for _, x := range []any{secret, &secret, []token.Token{secret}, struct{ T token.Token }{secret}} {
			fmt.Fprintf(&out, "%v|%+v|%#v|%s|%q|%x|%d\n", x, x, x, x, x, x, x)
			slog.New(slog.NewTextHandler(&out, nil)).Info("note", "x", x)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("note", "x", x)
		}
		for _, leak := range []string{secret.Reveal(), hex.EncodeToString([]byte(secret.Reveal()))} {
			if strings.Contains(out.String(), leak) {
				t.Errorf("the secret is printed: %s", out.String())
			}
		}
		if fmt.Sprint(secret) != "[token]" || secret.LogValue().String() != "[token]" {
			t.Errorf("got %v and %v, want [token]", secret, secret.LogValue())
		}
	}
}

func TestParseAllocatesNoMoreThanTheID(t *testing.T) {
	text := token.New().Reveal()
	if n := testing.AllocsPerRun(100, func() { token.Parse(text) }); n > 1 {
		t.Errorf("got %v allocations, want 1: the ID", n)
	}
}
