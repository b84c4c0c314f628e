package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/seal"
)

// Everything that the package makes or returns is printed in every way that a
// program may, and searched for keys and plaintexts.
func TestSecretsAreNeverPrinted(t *testing.T) {
	const plaintext = "a-plaintext-of-the-visitor"
	var seen bytes.Buffer
	texts, logs := slog.New(slog.NewTextHandler(&seen, nil)), slog.New(slog.NewJSONHandler(&seen, nil))
	note := func(a ...any) {
		for _, x := range a {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p"} {
				fmt.Fprintf(&seen, verb+"\n", x)
				fmt.Fprintf(&seen, verb+"\n", []any{x})
				fmt.Fprintf(&seen, verb+"\n", struct{ hidden any }{x}) // fmt calls no method of an unexported field
			}
			texts.Info("note", "x", x)
			logs.Info("note", "x", x)
			if b, err := json.Marshal(x); err == nil {
				seen.Write(b)
			}
		}
	}

	hidden := struct {
		key  seal.Key
		keys []seal.Key
	}{key1, []seal.Key{key1, key2}}
	note(key1, &key1, key1.DecryptOnly(), seal.Key{}, key1.ID(), hidden, &hidden, []seal.Key{key1}, map[string]seal.Key{"k": key1})
	keys := mustKeys(t, key1, key2.DecryptOnly())
	b := &seal.Box{Keys: keys, Purpose: "p", Audience: "a", Codec: seal.Flate}
	note(keys, *b, b, new(seal.Keys), struct{ keys *seal.Keys }{keys})
	path := keyFile(t, key1.Reveal())
	f := watch(t, path, &seal.FileOptions{Every: time.Hour, Report: func(err error) { note(err) }})
	note(f, f.Keys, struct{ file *seal.File }{f})

	// Errors of keys.
	broken := []string{
		key1.Reveal()[:40], "!" + key1.Reveal(), key1.Reveal() + " " + key2.Reveal(), "x" + hex.EncodeToString(key1.Secret()),
		hex.EncodeToString(key1.Secret())[:63] + "g", key1.Reveal() + "\n" + key1.Reveal(), key1.Reveal() + "\x00", key1.Reveal() + " decrypt_only",
		key1.Reveal() + " decrypt-only",
	}
	for _, text := range broken {
		_, err := seal.ParseKeys(text)
		if err == nil {
			t.Errorf("%q: parsed", text)
		}
		note(err)
		_, err = seal.ParseKey(text)
		note(err)
		if !strings.Contains(text, "\x00") {
			t.Setenv("SEAL_TEST_KEYS", text)
			_, err = seal.KeysFromEnv("SEAL_TEST_KEYS")
			note(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		note(f.Reload())
	}
	_, err := seal.KeyFrom(key1.Secret()[:20])
	note(err)
	for _, secret := range [][]byte{key1.Secret()[:20], append(key1.Secret(), key1.Secret()...)} {
		_, err = seal.DeriveKey(secret, "p")
		if err == nil {
			t.Errorf("%d bytes: derived", len(secret))
		}
		note(err)
	}

	// Errors of texts.
	text := mustSeal(t, b, []byte(plaintext))
	other := &seal.Box{Keys: mustKeys(t, key2), Audience: "a"}
	for _, wrong := range []string{text, text + "!", text[:100], "C" + text[1:], strings.Repeat(text, 1000)} {
		for _, b := range []*seal.Box{b, other, {Keys: keys}, {Keys: keys, Audience: "a"}} {
			if _, _, err := b.Open(wrong); err != nil {
				note(err, errors.Unwrap(err))
			}
		}
	}
	for _, content := range [][]byte{[]byte(plaintext), []byte("\x01" + plaintext + "\x80"), []byte("\x09" + plaintext + "\x80")} {
		_, err := b.OpenContent(content)
		note(err)
	}
	_, err = (&seal.Box{Keys: keys, Limit: 3}).Seal(noon, []byte(plaintext))
	note(err)

	out := seen.String()
	if !strings.Contains(out, key1.ID().String()) || !strings.Contains(out, "forged") || seen.Len() < 10_000 {
		t.Fatalf("only %d bytes seen: this test looks at nothing", seen.Len())
	}
	for _, k := range []seal.Key{key1, key2} {
		s := k.Secret()
		for _, spelled := range []string{
			k.Reveal()[:12], k.Reveal()[20:32], base64.RawURLEncoding.EncodeToString(s)[8:20], string(s[:8]),
			hex.EncodeToString(s)[:12], strings.ToUpper(hex.EncodeToString(s))[:12], hex.EncodeToString(s)[30:42],
			strings.Trim(fmt.Sprintf("%d", s[:6]), "[]"), strings.TrimSuffix(fmt.Sprintf("%#v", s[:5]), "}")[7:],
		} {
			if i := strings.Index(out, spelled); i >= 0 {
				t.Errorf("a key was printed: ...%s", out[max(0, i-200):i])
			}
		}
	}
	for _, spelled := range []string{plaintext, hex.EncodeToString([]byte(plaintext))} {
		if i := strings.Index(out, spelled); i >= 0 {
			t.Errorf("a plaintext was printed: ...%s", out[max(0, i-200):i])
		}
	}
}

func TestAnErrorDoesNotQuoteTheText(t *testing.T) {
	for _, text := range []string{"not+base64url", "line\nbreak", "c2hvcnQ", strings.Repeat("long", 30_000)} {
		_, _, err := box(t).Open(text)
		if err == nil || strings.Contains(err.Error(), text) {
			t.Errorf("%.20q: got %.200q, want an error without it", text, fmt.Sprint(err))
		}
	}
}
