// Package jar is what a visitor's cookie jar holds of our bundles: how a
// bundle lies in the cookies, and which of them an answer may use while others
// are on their way. A bundle is one sealed text of base64url characters. It
// has a name of its own, and up to four cookies, numbered from 0.
//
// A jar holds no more of them than its budget, at any moment, because each of
// the four cookies has a fixed quarter of the budget, and every answer of every
// instance keeps to it: whatever arrives in whatever order, a cookie holds one
// value, and no value is larger than its share. See docs/decisions/0026.
package jar

import (
	"math/bits"
	"math/rand/v2"
)

// Most is how many cookies there are for bundles.
const Most = 4

// Share is how many bytes of a budget one cookie may take up in the Cookie
// header, name and separators included.
func Share(budget int) int { return budget / Most }

// Room is how long a value may be in a cookie of that name which keeps to its
// share. It is negative where not even the name fits.
func Room(budget int, name string) int { return Share(budget) - Bytes(name, "") }

// Bytes is what a cookie takes up in the Cookie header: name and value, the "="
// between them and the "; " after them.
func Bytes(name, value string) int { return len(name) + len("=") + len(value) + len("; ") }

// Mask is a set of cookies: bit i stands for the cookie with the number i.
type Mask uint8

const all Mask = 1<<Most - 1

// Has reports whether the cookie is in the set.
func (m Mask) Has(cookie int) bool { return cookie >= 0 && cookie < Most && m>>cookie&1 != 0 }

// Len is how many cookies are in the set.
func (m Mask) Len() int { return bits.OnesCount8(uint8(m)) }

const (
	nameLen  = 6
	alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

// NewName returns a name for a bundle: six random base64url characters. It is
// no secret, and unique enough among the bundles of one session.
func NewName() string {
	var name [nameLen]byte
	n := rand.Uint64()
	for i := range name {
		name[i] = alphabet[n&63]
		n >>= 6
	}
	return string(name[:])
}

func isName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return len(s) == nameLen
}
