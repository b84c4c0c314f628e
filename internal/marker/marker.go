// Package marker names and seals the record that leads from the session of another
// library to the session that Options.Adopt made of it. The record's ID is a hash of
// the old token, and its value is the new token, sealed with the old one. Without the
// old token neither is of use.
package marker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/holdfast-go/session/internal/recordid"
)

// Entry is the name of the entry by which a marker holds the sealed token, and a
// session the ID of its marker. No key of an application can have it.
const Entry = "session/adopted"

// Ended is the value of a marker whose old session ended without a new one.
const Ended = `""`

// Key is what an old session is known by: the cookie that carries its token, and
// the token. It prints as a placeholder.
type Key struct {
	cookie, token string
}

// NewKey returns the key of the old session with this token.
func NewKey(cookie, token string) Key { return Key{cookie, token} }

func (k Key) derive(purpose string) [sha256.Size]byte {
	return sha256.Sum256([]byte("session adopt " + purpose + "\x00" + k.cookie + "\x00" + k.token))
}

// ID returns the ID of the old session's marker.
func (k Key) ID() string {
	sum := k.derive("id")
	return recordid.Marker([16]byte(sum[:16]))
}

func (k Key) aead() cipher.AEAD {
	key := k.derive("key")
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has a length that AES knows
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// Seal returns the value of a marker that leads to the session with the new token.
func (k Key) Seal(secret string) []byte {
	sealed := k.aead().Seal(nil, nil, []byte(secret), []byte(k.ID()))
	return Quote(base64.RawURLEncoding.EncodeToString(sealed))
}

// Open returns the new token in the value of a marker. It reports false for Ended,
// and for any value that Seal did not make with this key.
func (k Key) Open(value []byte) (secret string, ok bool) {
	text, ok := unquote(value)
	if !ok {
		return "", false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", false
	}
	plain, err := k.aead().Open(nil, nil, sealed, []byte(k.ID()))
	return string(plain), err == nil
}

// Quote returns plain, which needs no escapes, as a JSON string: every format can
// store that.
func Quote(plain string) []byte { return []byte(`"` + plain + `"`) }

// IDIn returns the ID of a marker from the value that a session holds. It reports
// false where the value names no marker.
func IDIn(value []byte) (id string, ok bool) {
	id, ok = unquote(value)
	return id, ok && strings.HasPrefix(id, recordid.MarkerPrefix)
}

func unquote(value []byte) (plain string, ok bool) {
	err := json.Unmarshal(value, &plain)
	return plain, err == nil
}

const redacted = "[old token]"

// Format prints a placeholder, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue logs a placeholder.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }
