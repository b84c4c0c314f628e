package memcached

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// hashedPrefix marks the keys that HashKey makes.
const hashedPrefix = "sha256:"

// HashKey is the default of Options.HashKey: "sha256:" and the hex of the
// key's SHA-256.
//
// The Client sends keys that begin with "sha256:" through it too, so that no caller
// can name a hashed key plainly.
func HashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hashedPrefix + hex.EncodeToString(sum[:])
}

// wireKey is the key that the server gets: key itself where memcached can take
// it, else what hash makes of it.
func wireKey(key string, hash func(string) string) (string, error) {
	if legalKey(key) && (hash != nil || !strings.HasPrefix(key, hashedPrefix)) {
		return key, nil
	}
	if hash == nil {
		return HashKey(key), nil
	}
	if key = hash(key); !legalKey(key) {
		return "", errors.New("memcached: Options.HashKey made a key that memcached cannot take")
	}
	return key, nil
}

// legalKey: 1 to 250 bytes, no blanks or control characters.
func legalKey(key string) bool {
	if len(key) == 0 || len(key) > 250 {
		return false
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] == 0x7f {
			return false
		}
	}
	return true
}
