package revoked

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/holdfast-go/session/internal/recordid"
)

// IDOf returns the binary form of a session's ID: its 16 bytes, of which an ID of ours is
// the hex form, or the first 16 bytes of the SHA-256 of an ID of another system's. That of
// a user's revocation is the digest in it.
func IDOf(id string) ID {
	if own, ok := ParseID(id); ok {
		return own
	}
	if own, ok := ParseID(strings.TrimPrefix(id, recordid.RevocationPrefix)); ok {
		return own
	}
	sum := sha256.Sum256([]byte(id))
	return ID(sum[:len(ID{})])
}

// ParseID returns the binary form of an ID of ours. It reports whether it is one.
func ParseID(id string) (own ID, ok bool) {
	if len(id) != 2*len(own) {
		return ID{}, false
	}
	for i := range own {
		high, low := digit(id[2*i]), digit(id[2*i+1])
		if high|low > 0xf {
			return ID{}, false
		}
		own[i] = high<<4 | low
	}
	return own, true
}

// digit returns the value of a lower-case hex digit, or 0xff.
func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// UserID returns the ID of the record that says from when on a user's logins count. It does
// not give the user's name away to a reader of the store who cannot guess it.
func UserID(user string) string { return userID("holdfast user\x00" + user) }

// Everybody is the ID of the record that says from when on anybody's logins count.
var Everybody = userID("holdfast everybody")

func userID(text string) string {
	sum := sha256.Sum256([]byte(text))
	return recordid.Revocation([16]byte(sum[:16]))
}

// Record returns the ID under which the store has the tombstone, if it is that of a user or
// of a session of ours.
func (t *Tombstone) Record() string {
	if t.Class == Users {
		return recordid.Revocation(t.ID)
	}
	return t.ID.String()
}

// String returns the ID as the store has it, if it is one of ours.
func (id ID) String() string { return hex.EncodeToString(id[:]) }
