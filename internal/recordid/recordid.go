// Package recordid names the records that the library keeps in a store for
// itself: what probes try saves on, markers of adopted sessions, revocations of users, the
// lists of users' sessions, the record that names a shard's members, and the segments of
// their logs.
// The constructors stand beside the predicate, so that they cannot disagree.
package recordid

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// MarkerPrefix begins the ID of every marker. No session's own ID begins with
// it: those are hex.
const MarkerPrefix = "adopted-"

// RevocationPrefix begins the ID of every record that says from when on a user's logins
// count.
const RevocationPrefix = "revoked-"

const (
	probe = "probe-"
	logs  = "log-"
	user  = "user-"
)

// Members begins the ID of the record that names a shard's members: see Numbered.
const Members = "members"

// Probe returns the ID of the n-th record on which an instance tries saves.
func Probe(instance uint32, n int) string { return fmt.Sprintf(probe+"%08x-%x", instance, n) }

// Segment begins the ID of a segment of a log: see Numbered.
func Segment(log [16]byte, large bool, index uint32) string {
	kind := "s"
	if large {
		kind = "l"
	}
	return logs + hex.EncodeToString(log[:]) + "-" + kind + strconv.FormatUint(uint64(index), 10)
}

// Numbered returns the n-th ID that a record may have whose ID begins with base. Where a
// store's layout decides by the ID which shard has a record, the first of them that it
// puts into a shard is the record's; else n is 0.
func Numbered(base string, n int) string { return base + "-" + strconv.Itoa(n) }

// Spread yields IDs that reach every shard of a store, because a store has few shards.
func Spread(yield func(id string) bool) {
	for n := range 256 {
		if !yield(Numbered(Members, n)) {
			return
		}
	}
}

// Marker returns the ID of the marker with this digest.
func Marker(digest [16]byte) string { return MarkerPrefix + hex.EncodeToString(digest[:]) }

// Revocation returns the ID of the record that says from when on the logins of a user count,
// whose name has this digest.
func Revocation(digest [16]byte) string { return RevocationPrefix + hex.EncodeToString(digest[:]) }

// IsRevocation reports whether id is one that Revocation returns.
func IsRevocation(id string) bool {
	digest, ok := strings.CutPrefix(id, RevocationPrefix)
	return ok && len(digest) == hex.EncodedLen(16) && consistsOf(digest, isHex)
}

// User returns the ID of the list of a user's sessions. The digest is of the user's name.
func User(digest [16]byte) string { return user + hex.EncodeToString(digest[:]) }

// Reserved reports whether id is that of a record that the library keeps for itself: a
// probe's, a marker, a user's revocation, the list of a user's sessions, one of members and
// their logs, or a Store's own. None of them is a session. A tombstone in the place of a
// members record would say that the store has lost
// its data, and one in the place of a marker would not live as long.
//
// IDs of another system may begin with anything, so the whole of id has to have
// the shape.
func Reserved(id string) bool {
	if rest, ok := strings.CutPrefix(id, probe); ok {
		instance, n, ok := strings.Cut(rest, "-")
		return ok && len(instance) == 8 && consistsOf(instance, isHex) && consistsOf(n, isHex)
	}
	for _, prefix := range [...]string{MarkerPrefix, user} {
		if digest, ok := strings.CutPrefix(id, prefix); ok {
			return len(digest) == hex.EncodedLen(16) && consistsOf(digest, isHex)
		}
	}
	if strings.HasPrefix(id, RevocationPrefix) {
		return IsRevocation(id)
	}
	if rest, ok := strings.CutPrefix(id, logs); ok {
		return isSegment(rest)
	}
	kind, n, _ := strings.Cut(id, "-")
	if kind == Members {
		return consistsOf(n, isDecimal)
	}
	own, ok := strings.CutPrefix(kind, "~")
	return ok && consistsOf(own, isLower) && consistsOf(n, isDecimal)
}

// isSegment reports whether rest is what follows "log-" in the ID of a segment.
func isSegment(rest string) bool {
	name, rest, _ := strings.Cut(rest, "-")
	segment, n, _ := strings.Cut(rest, "-")
	kind := strings.TrimRight(segment, "0123456789")
	index := strings.TrimPrefix(segment, kind)
	named := len(name) == hex.EncodedLen(16) && consistsOf(name, isHex)
	return named && (kind == "s" || kind == "l") && consistsOf(index, isDecimal) && consistsOf(n, isDecimal)
}

func consistsOf(s string, of func(rune) bool) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !of(r) })
}

func isDecimal(r rune) bool { return '0' <= r && r <= '9' }
func isLower(r rune) bool   { return 'a' <= r && r <= 'z' }
func isHex(r rune) bool     { return isDecimal(r) || 'a' <= r && r <= 'f' }
