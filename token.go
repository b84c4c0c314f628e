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

// token is the secret in the visitor's cookie, as the cookie has it, and the ID
// of the session that it opens. It prints as a placeholder, and nothing but
// reveal takes it out again.
type token struct {
	secret string
	of     ID
}

const (
	tokenSize = 32 // random bytes, in base64url without padding
	tokenLen  = 43
	idLen     = 32
)

func newToken() token {
	var b [tokenSize]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return token{base64.RawURLEncoding.EncodeToString(b[:]), idOf(b)}
}

var strictBase64 = base64.RawURLEncoding.Strict()

// parseToken accepts the one spelling that newToken gives, and no other.
func parseToken(s string) (token, bool) {
	if len(s) != tokenLen {
		return token{}, false
	}
	var b [tokenSize]byte
	var src [tokenLen]byte
	copy(src[:], s)
	if n, err := strictBase64.Decode(b[:], src[:]); err != nil || n != len(b) {
		return token{}, false
	}
	return token{s, idOf(b)}, true
}

// idOf is one-way: who reads the store or a log cannot make a cookie of it.
func idOf(b [tokenSize]byte) ID {
	sum := sha256.Sum256(b[:])
	var id [idLen]byte
	hex.Encode(id[:], sum[:16])
	return ID(id[:])
}

func (t token) reveal() string { return t.secret }

func (t token) id() ID { return t.of }

const redacted = "[token]"

func (token) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

func (token) LogValue() slog.Value { return slog.StringValue(redacted) }
