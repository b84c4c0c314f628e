package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Key is a secret of 32 bytes. It prints as its ID; nothing but Reveal gives
// the secret. The zero Key is no key: NewKeys refuses it. Keys are immutable,
// and copies share memory.
type Key struct {
	// A function, because fmt does not look into one. In an unexported field
	// of a caller's struct it finds no Format to call, and would print an
	// array, and with %s also what a pointer points to.
	open        func() *material
	decryptOnly bool
}

type material struct {
	secret [keySize]byte
	id     KeyID
	cipher xaes
}

// NewKey makes a key from the system's random source.
func NewKey() Key {
	var secret [keySize]byte
	rand.Read(secret[:]) // never fails, see crypto/rand
	return newKey(secret)
}

// KeyFrom returns the key with this secret, of which it keeps a copy. It fails
// unless there are 32 bytes that could be random; it cannot tell a password
// that was stretched from a key, and neither should be used.
func KeyFrom(secret []byte) (Key, error) {
	k, err := keyFrom(secret)
	if err != nil {
		return Key{}, fmt.Errorf("seal: the key %w", err)
	}
	return k, nil
}

// ParseKey reads a key as a line of ParseKeys has it: 32 bytes in base64, with
// or without padding, in either alphabet, or in hex; then decrypt-only, if so.
func ParseKey(text string) (Key, error) {
	k, err := parseKey(text)
	if err != nil {
		return Key{}, fmt.Errorf("seal: the key %w", err)
	}
	return k, nil
}

// ID returns the name of the key, which everything it seals carries.
func (k Key) ID() KeyID {
	if k.open == nil {
		return KeyID{}
	}
	return k.open().id
}

// DecryptOnly returns a key that opens what the key opens, and never seals.
func (k Key) DecryptOnly() Key {
	k.decryptOnly = true
	return k
}

// Reveal returns the secret in base64, to be written where ParseKeys will read
// it. It does not say whether the key is decrypt-only.
func (k Key) Reveal() string {
	if k.open == nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(k.open().secret[:])
}

// Format prints the ID, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.describe()) }

// LogValue is the ID too.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.describe()) }

func (k Key) describe() string {
	switch {
	case k.open == nil:
		return "[no key]"
	case k.decryptOnly:
		return "[key " + k.ID().String() + " decrypt-only]"
	}
	return "[key " + k.ID().String() + "]"
}

// KeyID names a key without revealing it: the first 4 bytes of a hash. Two keys may
// have the same one; then both are tried.
type KeyID [4]byte

// String returns eight hex digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// idDomain keeps the hash apart from any other hash of the same key.
const idDomain = "session seal key id\x00"

func newKey(secret [keySize]byte) Key {
	m := &material{secret: secret, id: keyID(secret), cipher: newXAES(&secret)}
	return Key{open: func() *material { return m }}
}

func keyID(secret [keySize]byte) KeyID {
	sum := sha256.Sum256(append([]byte(idDomain), secret[:]...))
	return KeyID(sum[:])
}

func keyFrom(secret []byte) (Key, error) {
	if len(secret) != keySize {
		return Key{}, fmt.Errorf("has %d bytes, want %d; make one with: openssl rand -base64 32", len(secret), keySize)
	}
	// 32 random bytes have fewer than 16 different values once in 2^50 keys.
	var seen [256]bool
	different := 0
	for _, b := range secret {
		if !seen[b] {
			seen[b] = true
			different++
		}
	}
	half := [keySize / 2]byte(secret)
	if different < 16 || half == [keySize / 2]byte(secret[keySize/2:]) || counts(secret) {
		return Key{}, errors.New("is weak: its bytes repeat or count; make one with: openssl rand -base64 32")
	}
	return newKey([keySize]byte(secret)), nil
}

func parseKey(text string) (Key, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Key{}, errors.New("is empty")
	}
	secret, ok := decodeSecret(words[0])
	if !ok {
		return Key{}, errors.New("is neither base64 nor hex") // what follows must not quote it
	}
	k, err := keyFrom(secret)
	switch {
	case err != nil:
		return Key{}, err
	case len(words) == 1:
		return k, nil
	case len(words) == 2 && words[1] == "decrypt-only":
		return k.DecryptOnly(), nil
	}
	return Key{}, errors.New("may be followed by the word decrypt-only and by nothing else")
}

func decodeSecret(s string) ([]byte, bool) {
	if len(s) == hex.EncodedLen(keySize) {
		if secret, err := hex.DecodeString(s); err == nil {
			return secret, true
		}
	}
	alphabet := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		alphabet = base64.RawURLEncoding
	}
	secret, err := alphabet.Strict().DecodeString(strings.TrimRight(s, "="))
	return secret, err == nil
}
