package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/session/seal"
)

func TestAKeyHasManySpellings(t *testing.T) {
	secret := key1.Secret()
	for _, text := range []string{
		key1.Reveal(),
		"  " + key1.Reveal() + "\t",
		base64.RawStdEncoding.EncodeToString(secret),
		base64.URLEncoding.EncodeToString(secret),
		base64.RawURLEncoding.EncodeToString(secret),
		hex.EncodeToString(secret),
		strings.ToUpper(hex.EncodeToString(secret)),
	} {
		k, err := seal.ParseKey(text)
		if err != nil || !bytes.Equal(k.Secret(), secret) || k.ID() != key1.ID() {
			t.Errorf("%q: %v, %v", text, k, err)
		}
	}
	k, err := seal.ParseKey(key1.Reveal() + " decrypt-only")
	if err != nil || fmt.Sprint(k) != fmt.Sprint(key1.DecryptOnly()) {
		t.Errorf("decrypt-only: %v, %v", k, err)
	}
}

func TestWeakKeysAreRefused(t *testing.T) {
	counting := make([]byte, 32)
	for i := range counting {
		counting[i] = byte(i + 250)
	}
	for _, test := range []struct {
		name   string
		secret []byte
		want   string
	}{
		{"empty", nil, "has 0 bytes, want 32"},
		{"short", key1.Secret()[:31], "has 31 bytes, want 32"},
		{"long", append(key1.Secret()[:32:32], 1), "has 33 bytes, want 32"},
		{"zeros", make([]byte, 32), "weak"},
		{"one byte repeated", bytes.Repeat([]byte{7}, 32), "weak"},
		{"eight bytes repeated", bytes.Repeat(key1.Secret()[:8], 4), "weak"},
		{"16 bytes repeated", bytes.Repeat(key1.Secret()[:16], 2), "weak"},
		{"counting", counting, "weak"},
		{"few digits", []byte("01230123012301231234012301230123"), "weak"},
	} {
		if _, err := seal.KeyFrom(test.secret); err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "seal: the key ") {
			t.Errorf("%s: %v, want an error with %q", test.name, err, test.want)
		}
		if _, err := seal.ParseKey(base64.StdEncoding.EncodeToString(test.secret)); err == nil {
			t.Errorf("%s: parsed", test.name)
		}
	}
	for range 10_000 {
		if _, err := seal.KeyFrom(seal.NewKey().Secret()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeysFromText(t *testing.T) {
	a, b := key1.Reveal(), hex.EncodeToString(key2.Secret())
	all := fmt.Sprint(mustKeys(t, key1, key2.DecryptOnly()))
	for _, text := range []string{
		a + "\n" + b + " decrypt-only",
		"\ufeff# first, second\r\n\r\n" + a + "\r\n\t" + b + "   decrypt-only # until May, or June\r\n",
		a + "," + b + " decrypt-only",
		a + " , " + b + " decrypt-only ,\n,",
	} {
		keys, err := seal.ParseKeys(text)
		if err != nil || fmt.Sprint(keys) != all {
			t.Errorf("%q: %v, %v, want %v", text, keys, err, all)
		}
	}
}

func TestWrongTextIsRefusedByLine(t *testing.T) {
	a, b := key1.Reveal(), key2.Reveal()
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", []string{"no keys"}},
		{"only comments", "# " + a, []string{"no keys"}},
		{"all decrypt-only", a + " decrypt-only", []string{"no key seals"}},
		{"every line", a + "\nnonsense!\n\n" + b[:40] + "\n" + b, []string{"line 2: the key is neither base64 nor hex", "line 4: the key has 30 bytes"}},
		{"zeros", a + "\n" + strings.Repeat("0", 64), []string{"line 2: the key is weak"}},
		{"twice", a + "\n" + b + "\n\n" + hex.EncodeToString(key1.Secret()), []string{"line 4 repeats line 1"}},
		{"another word", a + " decryptonly", []string{"line 1: the key may be followed by the word decrypt-only and by nothing else"}},
		{"two on a line", a + " " + b, []string{"line 1: the key may be followed"}},
		{"a name before it", "key=" + a, []string{"line 1: the key is neither"}},
		{"a last character that says more", strings.Replace(a, "=", "", 1)[:42] + "_", []string{"line 1: the key is neither"}},
	} {
		keys, err := seal.ParseKeys(test.text)
		if err == nil {
			t.Errorf("%s: parsed %v", test.name, keys)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q, want it to say %q", test.name, err, want)
			}
		}
		if !strings.HasPrefix(err.Error(), "seal: ") || strings.Count(err.Error(), "seal:") != 1 {
			t.Errorf("%s: %q does not begin with one seal:", test.name, err)
		}
	}
}

func TestNewKeysNamesKeysByPlace(t *testing.T) {
	for _, test := range []struct {
		keys []seal.Key
		want string
	}{
		{nil, "no keys"},
		{[]seal.Key{key1, {}}, "key 2 is the zero Key"},
		{[]seal.Key{key1, key2, key1.DecryptOnly()}, "key 3 repeats key 1"},
		{[]seal.Key{key1.DecryptOnly()}, "no key seals"},
	} {
		if _, err := seal.NewKeys(test.keys...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v, want an error with %q", test.keys, err, test.want)
		}
	}
	keys := []seal.Key{key1, key2}
	k := mustKeys(t, keys...)
	keys[0] = seal.Key{}
	if got := fmt.Sprint(k); !strings.Contains(got, key1.ID().String()) {
		t.Errorf("NewKeys kept the caller's slice: %v", got)
	}
}

func TestKeysFromEnv(t *testing.T) {
	t.Setenv("SEAL_TEST_KEYS", key1.Reveal()+","+key2.Reveal())
	keys, err := seal.KeysFromEnv("SEAL_TEST_KEYS")
	if err != nil || fmt.Sprint(keys) != fmt.Sprint(mustKeys(t, key1, key2)) {
		t.Errorf("got %v, %v", keys, err)
	}
	t.Setenv("SEAL_TEST_KEYS", key1.Reveal()+",nonsense")
	if _, err := seal.KeysFromEnv("SEAL_TEST_KEYS"); err == nil || !strings.Contains(err.Error(), "variable SEAL_TEST_KEYS: line 1") {
		t.Errorf("got %v", err)
	}
	if _, err := seal.KeysFromEnv("SEAL_TEST_NO_SUCH_KEYS"); err == nil || !strings.Contains(err.Error(), "SEAL_TEST_NO_SUCH_KEYS is not set") {
		t.Errorf("got %v", err)
	}
}

func TestKeysPrintAsTheirIDs(t *testing.T) {
	id1, id2 := key1.ID().String(), key2.ID().String()
	for _, test := range []struct {
		x    any
		want string
	}{
		{seal.Key{}, "[no key]"},
		{key1, "[key " + id1 + "]"},
		{key1.DecryptOnly(), "[key " + id1 + " decrypt-only]"},
		{new(seal.Keys), "[no keys]"},
		{mustKeys(t, key2, key1.DecryptOnly()), "[key " + id2 + ", key " + id1 + " decrypt-only]"},
	} {
		for _, verb := range []string{"%v", "%#v", "%s", "%x"} {
			if got := fmt.Sprintf(verb, test.x); got != test.want {
				t.Errorf("%s prints %s, want %s", verb, got, test.want)
			}
		}
		if got := test.x.(slog.LogValuer).LogValue().String(); got != test.want {
			t.Errorf("logs %s, want %s", got, test.want)
		}
	}
}

func TestNewKeysDiffer(t *testing.T) {
	a, b := seal.NewKey(), seal.NewKey()
	if bytes.Equal(a.Secret(), b.Secret()) {
		t.Error("two new keys are one")
	}
	if slices.Equal(a.Secret(), make([]byte, 32)) {
		t.Error("a new key is zero")
	}
}

func TestEachKeysHaveAGenerationOfTheirOwn(t *testing.T) {
	one, other := mustKeys(t, key1), mustKeys(t, key1)
	if one.Generation() == other.Generation() || one.Generation() == 0 {
		t.Errorf("got the generations %d and %d", one.Generation(), other.Generation())
	}
	if got := one.Generation(); got != one.Generation() {
		t.Errorf("a generation becomes %d by being asked for", one.Generation())
	}
}

func TestTheLastCharacterOfAKeyHasNoSpareBits(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	text := strings.TrimRight(key1.Reveal(), "=")
	last := strings.IndexByte(alphabet, text[len(text)-1])
	for spare := range 4 {
		spelled := text[:len(text)-1] + string(alphabet[last+spare])
		if _, err := seal.ParseKey(spelled); (err == nil) != (spare == 0) {
			t.Errorf("spare bits %02b: %v", spare, err)
		}
	}
}
