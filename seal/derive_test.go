package seal_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/holdfast-go/session/seal"
)

// secret40 is the secret of the example in docs/SPEC.md.
func secret40() []byte {
	secret := make([]byte, 40)
	for i := range secret {
		secret[i] = byte(11 + 37*i)
	}
	return secret
}

// Another program has computed the expected key, from RFC 5869 alone.
func TestADerivedKeyIsThatOfTheSpecification(t *testing.T) {
	k, err := seal.DeriveKey(secret40(), "cookie backups 1")
	if err != nil {
		t.Fatal(err)
	}
	const want = "0ebf6e9e28c88145ae62eb6d6e01e8780750fb9a009dae05759f20a2953929b2"
	if got := hex.EncodeToString(k.Secret()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if k.ID() != seal.IDOf([32]byte(k.Secret())) {
		t.Errorf("the ID %s is not that of the key", k.ID())
	}
}

func TestEachSecretAndPurposeHasAKeyOfItsOwn(t *testing.T) {
	other := secret40()
	other[39]++
	longer := append(secret40(), 0)
	seen := map[string]string{}
	for name, derive := range map[string]struct {
		secret  []byte
		purpose string
	}{
		"one":                          {secret40(), "cookie backups 1"},
		"another purpose":              {secret40(), "cookie backups 2"},
		"the purpose cut short":        {secret40(), "cookie backups "},
		"another secret":               {other, "cookie backups 1"},
		"the secret and a zero":        {longer, "cookie backups 1"},
		"the secret cut short":         {secret40()[:32], "cookie backups 1"},
		"the purpose with a zero":      {secret40(), "cookie backups 1\x00"},
		"the secret in its hex digits": {[]byte(hex.EncodeToString(secret40())), "cookie backups 1"},
	} {
		k, err := seal.DeriveKey(derive.secret, derive.purpose)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if before, ok := seen[string(k.Secret())]; ok {
			t.Errorf("%s has the key of %s", name, before)
		}
		seen[string(k.Secret())] = name
		if again, _ := seal.DeriveKey(derive.secret, derive.purpose); !bytes.Equal(again.Secret(), k.Secret()) {
			t.Errorf("%s: another key the second time", name)
		}
		if bytes.Equal(k.Secret(), derive.secret[:32]) {
			t.Errorf("%s: the key is the secret", name)
		}
	}
}

func TestSecretsThatCannotBeRandomAreRefused(t *testing.T) {
	random := secret40()
	counting := make([]byte, 40)
	for i := range counting {
		counting[i] = byte(i)
	}
	for _, test := range []struct {
		name, purpose string
		secret        []byte
		want          string
	}{
		{"none", "p", nil, "has 0 bytes, want at least 32"},
		{"a short one", "p", random[:31], "has 31 bytes, want at least 32"},
		{"a password", "p", []byte("correct horse battery staple"), "has 28 bytes, want at least 32"},
		{"zeros", "p", make([]byte, 64), "weak"},
		{"seven different bytes", "p", []byte("0123456012345612345601234650123465"), "weak"},
		{"a password, over and over", "p", []byte(strings.Repeat("Tr0ub4dor&3 ", 4)), "weak"},
		{"the same, cut off", "p", []byte(strings.Repeat("Tr0ub4dor&3 ", 4)[:41]), "weak"},
		{"counting", "p", counting, "weak"},
		{"no purpose", "", random, "needs a purpose"},
	} {
		k, err := seal.DeriveKey(test.secret, test.purpose)
		if err == nil || !strings.HasPrefix(err.Error(), "seal: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", test.name, err, test.want)
		}
		if _, err := seal.NewKeys(k); err == nil {
			t.Errorf("%s: the key of the error is one", test.name)
		}
	}
	for name, secret := range map[string][]byte{
		"32 bytes": random[:32], "eight different characters": []byte("01234567765432100246135775316420"), "hex": []byte(hex.EncodeToString(random)[:32]),
	} {
		if _, err := seal.DeriveKey(secret, "p"); err != nil {
			t.Errorf("%s: got %v, want a key", name, err)
		}
	}
}
