// Package keygrip signs and verifies as the Node package keygrip 1.1.0 does,
// which cookies, cookie-session and Koa sign cookies with.
package keygrip

import (
	"crypto"
	"crypto/hmac"
	_ "crypto/sha1" // the default
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
)

// Keys are the keys of an application: the first signs, all verify. They are
// safe for concurrent use.
type Keys struct {
	keys [][]byte
	hash crypto.Hash
	hex  bool
}

// Options are the other arguments of Keygrip. nil and the zero value are its
// defaults.
type Options struct {
	Hash crypto.Hash // SHA1; the program has to import the package of another one
	Hex  bool        // signatures in hex, not in base64url
}

// New returns the keys of an application. A key that is a string in JavaScript
// is its UTF-8 here.
func New(keys [][]byte, o *Options) (*Keys, error) {
	if o == nil {
		o = new(Options)
	}
	if len(keys) == 0 {
		return nil, errors.New("keygrip: keys: at least one is needed")
	}
	k := &Keys{hash: o.Hash, hex: o.Hex}
	if k.hash == 0 {
		k.hash = crypto.SHA1
	}
	if !k.hash.Available() {
		return nil, fmt.Errorf("keygrip: hash %v is not linked in; import its package", k.hash)
	}
	for i, key := range keys {
		if len(key) == 0 {
			return nil, fmt.Errorf("keygrip: keys: number %d is empty", i)
		}
		k.keys = append(k.keys, slices.Clone(key))
	}
	return k, nil
}

// Sign returns the signature of data by the first key.
func (k *Keys) Sign(data string) string { return k.sign(0, data) }

// Index returns which key made a signature of data, and -1 where none did. A
// signature by a later key than the first is good, and due to be renewed.
func (k *Keys) Index(data, signature string) int {
	for i := range k.keys {
		if hmac.Equal([]byte(k.sign(i, data)), []byte(signature)) {
			return i
		}
	}
	return -1
}

// Verify reports whether any key made a signature of data.
func (k *Keys) Verify(data, signature string) bool { return k.Index(data, signature) >= 0 }

func (k *Keys) sign(i int, data string) string {
	mac := hmac.New(k.hash.New, k.keys[i])
	io.WriteString(mac, data)
	if k.hex {
		return hex.EncodeToString(mac.Sum(nil))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const redacted = "[keys]"

// Format writes a placeholder, whatever the verb.
func (Keys) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue logs a placeholder.
func (Keys) LogValue() slog.Value { return slog.StringValue(redacted) }
