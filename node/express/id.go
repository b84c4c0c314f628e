package express

import (
	"crypto/rand"
	"encoding/base64"
)

// idBytes is what the middleware asks uid-safe for.
const idBytes = 24

// NewID returns a session id as the middleware makes them by default: 24
// random bytes, 32 characters of A-Z a-z 0-9 - and _.
func NewID() string {
	b := make([]byte, idBytes)
	rand.Read(b) // never fails, see crypto/rand
	return encodeID(b)
}

// encodeID is the package uid-safe 2.1.5: random bytes in base64url without
// padding.
func encodeID(random []byte) string { return base64.RawURLEncoding.EncodeToString(random) }
