package marker_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/holdfast-go/session/internal/marker"
	"github.com/holdfast-go/session/internal/recordid"
)

func TestKeyOpensWhatItSealed(t *testing.T) {
	key := marker.NewKey("old", "secret")
	value := key.Seal("new token")
	if got, ok := key.Open(value); !ok || got != "new token" {
		t.Errorf("got %q, %v", got, ok)
	}
	if again := key.Seal("new token"); bytes.Equal(again, value) {
		t.Error("two seals of one token are the same")
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil || string(marker.Quote(text)) != string(value) {
		t.Errorf("the value %s is no JSON string: %v", value, err)
	}
	if strings.Contains(text, "new token") || strings.Contains(text, "secret") {
		t.Errorf("the value %s shows a secret", value)
	}
}

func TestOtherKeysDoNotOpenAMarker(t *testing.T) {
	value := marker.NewKey("old", "secret").Seal("new token")
	for name, key := range map[string]marker.Key{
		"another token":  marker.NewKey("old", "secreT"),
		"another cookie": marker.NewKey("olD", "secret"),
		"no token":       {},
		"another split":  marker.NewKey("ol", "dsecret"),
	} {
		if got, ok := key.Open(value); ok || got != "" {
			t.Errorf("%s: got %q, %v, want nothing", name, got, ok)
		}
		if key.ID() == marker.NewKey("old", "secret").ID() {
			t.Errorf("%s: the marker has the same ID", name)
		}
	}
}

// The markers are in stores: another derivation would bring ended sessions back.
func TestMarkersKeepTheirSpelling(t *testing.T) {
	const cookie, old, secret = "old", "secret", "new token"
	id := sha256.Sum256([]byte("session adopt id\x00old\x00secret"))
	wantID := "adopted-" + hex.EncodeToString(id[:16])
	key := marker.NewKey(cookie, old)
	if got := key.ID(); got != wantID || !recordid.Reserved(got) {
		t.Errorf("ID: got %q, want %q, which is reserved", got, wantID)
	}
	sum := sha256.Sum256([]byte("session adopt key\x00old\x00secret"))
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(data string) []byte {
		nonce := []byte("twelve bytes")
		sealed := aead.Seal(nonce, nonce, []byte(secret), []byte(data))
		return []byte(`"` + base64.RawURLEncoding.EncodeToString(sealed) + `"`)
	}
	if got, ok := key.Open(seal(wantID)); !ok || got != secret {
		t.Errorf("Open: got %q, %v, want %q", got, ok, secret)
	}
	if _, ok := key.Open(seal("adopted-" + strings.Repeat("0", 32))); ok {
		t.Error("a value that was sealed for another marker is opened")
	}
	if marker.Entry != "session/adopted" || marker.Ended != `""` {
		t.Error("the entry or the end of a marker has another spelling")
	}
}

func TestDamagedValuesLeadNowhere(t *testing.T) {
	key := marker.NewKey("old", "secret")
	value := key.Seal("new token")
	for name, damaged := range map[string][]byte{
		"ended":            []byte(marker.Ended),
		"nothing":          nil,
		"no JSON":          value[1:],
		"a number":         []byte("1"),
		"not base64":       []byte(`"*` + string(value[2:])),
		"cut short":        append(bytes.Clone(value[:len(value)-5]), '"'),
		"too short to be":  []byte(`"AAAA"`),
		"changed in front": []byte(`"` + flipped(value[1]) + string(value[2:])),
	} {
		if got, ok := key.Open(damaged); ok || got != "" {
			t.Errorf("%s: got %q, %v, want nothing", name, got, ok)
		}
	}
}

// flipped returns another letter than c.
func flipped(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// Another system's program may have written the JSON string anew.
func TestEscapedValueIsOpened(t *testing.T) {
	key := marker.NewKey("old", "secret")
	value := key.Seal("new token")
	escaped := fmt.Sprintf(`"\u%04x%s`, value[1], value[2:])
	if got, ok := key.Open([]byte(escaped)); !ok || got != "new token" {
		t.Errorf("got %q, %v", got, ok)
	}
}

func TestSessionNamesItsMarker(t *testing.T) {
	id := marker.NewKey("old", "secret").ID()
	for value, want := range map[string]bool{
		string(marker.Quote(id)): true, `""`: false, `"other"`: false, id: false, `1`: false, "": false,
	} {
		got, ok := marker.IDIn([]byte(value))
		if ok != want || ok && got != id {
			t.Errorf("IDIn(%s): got %q, %v, want %v", value, got, ok, want)
		}
	}
}

func TestKeysPrintAsAPlaceholder(t *testing.T) {
	key := marker.NewKey("cookie-name", "secret-text")
	var out bytes.Buffer
	for _, x := range []any{key, &key, []marker.Key{key}, struct{ K marker.Key }{key}} {
		fmt.Fprintf(&out, "%v|%+v|%#v|%s|%q|%x\n", x, x, x, x, x, x)
		slog.New(slog.NewTextHandler(&out, nil)).Info("note", "x", x)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("note", "x", x)
	}
	for _, leak := range []string{"secret-text", hex.EncodeToString([]byte("secret-text"))} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("the old token is printed: %s", out.String())
		}
	}
	if fmt.Sprint(key) != "[old token]" || key.LogValue().String() != "[old token]" {
		t.Errorf("got %v and %v, want [old token]", key, key.LogValue())
	}
}
