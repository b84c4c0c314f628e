// Package token makes and reads the secret by which a client names its session,
// and derives the session's ID from it.
package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// Token is the secret in the client's cookie, as the cookie has it, and the ID of
// the session that it opens. It prints as a placeholder; only Reveal returns the
// secret. The zero Token is no token.
type Token struct {
	secret string
	id     string
}

const (
	size    = 32 // random bytes, in base64url without padding
	textLen = 43
	idLen   = 32
)

// New returns a random token.
func New() Token {
	var b [size]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return of(b)
}

var strict = base64.RawURLEncoding.Strict()

// Parse reads a token of ours. It accepts the one spelling that New gives, and no
// other.
func Parse(s string) (Token, bool) {
	b, ok := decode(s)
	if !ok {
		return Token{}, false
	}
	return Token{s, digest(b)}, true
}

// Foreign returns the token of another system: its value in the cookie, and the
// ID of the session that it opens.
func Foreign(value, id string) Token { return Token{value, id} }

func of(b [size]byte) Token { return Token{strict.EncodeToString(b[:]), digest(b)} }

func decode(s string) (b [size]byte, ok bool) {
	if len(s) != textLen {
		return b, false
	}
	var src [textLen]byte
	copy(src[:], s)
	n, err := strict.Decode(b[:], src[:])
	return b, err == nil && n == len(b)
}

// digest returns the ID that belongs to a secret. It is one-way: an ID that is
// read in the store or in a log cannot be made into a cookie.
func digest(b [size]byte) string {
	sum := sha256.Sum256(b[:])
	var id [idLen]byte
	hex.Encode(id[:], sum[:16])
	return string(id[:])
}

// Reveal returns the secret.
func (t Token) Reveal() string { return t.secret }

// ID returns the ID of the session that the token opens.
func (t Token) ID() string { return t.id }

// Successor returns the token that a rotation with these random bytes makes of t,
// which New, Parse or Successor returned. Every instance derives the same one from
// the old token and the random bytes; neither alone is enough.
func (t Token) Successor(random string) Token {
	key, _ := decode(t.secret) // New, Parse and Successor let nothing else through
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte("session rotation\x00" + random))
	return of([size]byte(mac.Sum(nil)))
}

const redacted = "[token]"

// Format prints a placeholder, whatever the verb.
func (Token) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue logs a placeholder.
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }
