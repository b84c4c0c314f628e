package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// token is the secret in the visitor's cookie: 256 random bits. It prints as
// a placeholder, and nothing but reveal takes it out again.
type token struct{ b [32]byte }

const tokenLen = 43 // in base64url without padding

func newToken() (t token) {
	rand.Read(t.b[:]) // never fails, see crypto/rand
	return t
}

// parseToken accepts the one spelling that reveal gives, and no other.
func parseToken(s string) (t token, ok bool) {
	if len(s) != tokenLen {
		return token{}, false
	}
	var src [tokenLen]byte
	copy(src[:], s)
	n, err := base64.RawURLEncoding.Strict().Decode(t.b[:], src[:])
	return t, err == nil && n == len(t.b)
}

func (t token) reveal() string { return base64.RawURLEncoding.EncodeToString(t.b[:]) }

// id is one-way: who reads the store or a log cannot make a cookie of it.
func (t token) id() ID {
	sum := sha256.Sum256(t.b[:])
	var id [32]byte
	hex.Encode(id[:], sum[:16])
	return ID(id[:])
}

const redacted = "[token]"

func (token) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

func (token) LogValue() slog.Value { return slog.StringValue(redacted) }
