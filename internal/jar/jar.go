// Package jar lays sealed copies of a session into a browser's cookies, and says
// which of these cookies an answer may set while other answers are on their way. A
// sealed copy is one text of base64url characters. It has a name of its own, and
// lies in one to four cookies, numbered from 0.
//
// At no moment does a browser hold more copies than the budget allows, whatever
// the order in which answers arrive. Each cookie has a fixed share of the budget
// ([Layout]), a cookie holds one value, and every answer of every instance sets
// no value that is larger than its share. See decision 26.
//
// [Carried] puts together what a request carried (carried.go). [Slots] knows which
// requests under way hold which cookies (slots.go); a [Visit] is one request among
// them, and its Take chooses the cookies of its answer (visit.go).
//
// Package backup opens and seals the copies.
package jar

import (
	"math/bits"
	"math/rand/v2"
)

// Most is how many cookies there are for copies.
const Most = 4

// Layout is how a budget is divided among cookies.
type Layout struct {
	Cookies int // 1 to Most
	Share   int // how many bytes of the Cookie header one may take up, name and separators included
}

// Divide returns the layout in which a copy of so many bytes lies in one
// cookie, and as many cookies as the budget holds of these, up to Most. A copy of more
// than half of the budget is divided among four.
func Divide(budget, largest int) Layout {
	cookies := min(Most, budget/largest)
	if cookies < 2 {
		cookies = Most
	}
	return Layout{cookies, budget / cookies}
}

// Room is how long a value may be in a cookie of that name which keeps to its
// share. It is negative where not even the name fits.
func (l Layout) Room(name string) int { return l.Share - Bytes(name, "") }

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

// NewName returns a name for a copy: six random base64url characters. It is
// no secret, and unique enough among the copies of one session.
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
