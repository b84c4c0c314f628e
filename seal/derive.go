package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// derivation keeps derived keys apart from all else that an application derives from
// the same secret with HKDF.
const derivation = "session seal derived key\x00"

// DeriveKey returns the key that follows from an application's own secret, for
// applications that have one already and cannot keep a file of keys beside it. The same
// secret and purpose give the same key in every process, another purpose gives a key
// that tells nothing about this one. Name the use and, to change the key, a number:
// "cookie backups 1". The key does not reveal the secret (HKDF, RFC 5869).
//
// The secret has to be random: at least 32 bytes, as of "openssl rand -base64 32".
// DeriveKey is fast, so a password or a sentence would be found by trying. It fails where
// the secret is shorter, repeats, or has too few different bytes, and where purpose is
// empty; it cannot tell a long password from a secret. The error does not quote the secret.
//
// All bytes of the secret count: read from a file, a line break at its end makes another key.
//
// Every program that has the secret has the key, for as long as the secret is used. Do
// not derive from a secret that other programs know than those that are to open the
// texts.
func DeriveKey(secret []byte, purpose string) (Key, error) {
	if purpose == "" {
		return Key{}, errors.New(`seal: a derived key needs a purpose, such as "cookie backups 1"`)
	}
	if err := checkSecret(secret); err != nil {
		return Key{}, fmt.Errorf("seal: the secret to derive a key from %w", err)
	}
	derived, err := hkdf.Key(sha256.New, secret, nil, derivation+purpose, keySize)
	if err != nil {
		return Key{}, fmt.Errorf("seal: derive a key: %w", err)
	}
	return newKey([keySize]byte(derived)), nil
}

// checkSecret returns why a secret cannot be random. It may be text: 32 digits of hex
// have fewer than 8 different ones once in 10^7 secrets.
func checkSecret(secret []byte) error {
	const different = 8
	if len(secret) < keySize {
		return fmt.Errorf("has %d bytes, want at least %d; make one with: openssl rand -base64 32", len(secret), keySize)
	}
	var seen [256]bool
	found := 0
	for _, b := range secret {
		if !seen[b] {
			seen[b] = true
			found++
		}
	}
	if found < different || repeats(secret) || counts(secret) {
		return errors.New("is weak: its bytes repeat or count; make one with: openssl rand -base64 32")
	}
	return nil
}

// repeats reports whether b is one part, of half its length or less, over and over.
func repeats(b []byte) bool {
	for n := 1; n <= len(b)/2; n++ {
		if string(b[n:]) == string(b[:len(b)-n]) {
			return true
		}
	}
	return false
}

// counts reports whether each byte is the one before it and one.
func counts(b []byte) bool {
	for i := range len(b) - 1 {
		if b[i+1] != b[i]+1 {
			return false
		}
	}
	return true
}
