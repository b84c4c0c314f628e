// Package recordid names the records that the library keeps in a store for
// itself: canaries, what probes try saves on, and markers of adopted sessions.
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

const (
	canary = "canary-"
	probe  = "probe-"
)

// Canary returns the n-th ID that a canary may have.
func Canary(n int) string { return canary + strconv.Itoa(n) }

// Probe returns the ID of the n-th record on which an instance tries saves.
func Probe(instance uint32, n int) string { return fmt.Sprintf(probe+"%08x-%x", instance, n) }

// Marker returns the ID of the marker with this digest.
func Marker(digest [16]byte) string { return MarkerPrefix + hex.EncodeToString(digest[:]) }

// Reserved reports whether id is that of a record that the library keeps for
// itself: a canary, a probe's, a marker, or a Store's own. None of them is a
// session. A tombstone in the place of a canary would say that the store has
// lost its memory, and one in the place of a marker would not live as long.
//
// IDs of another system may begin with anything, so the whole of id has to have
// the shape.
func Reserved(id string) bool {
	if n, ok := strings.CutPrefix(id, canary); ok {
		return consistsOf(n, isDecimal)
	}
	if rest, ok := strings.CutPrefix(id, probe); ok {
		instance, n, ok := strings.Cut(rest, "-")
		return ok && len(instance) == 8 && consistsOf(instance, isHex) && consistsOf(n, isHex)
	}
	if digest, ok := strings.CutPrefix(id, MarkerPrefix); ok {
		return len(digest) == hex.EncodedLen(16) && consistsOf(digest, isHex)
	}
	kind, n, _ := strings.Cut(id, "-")
	own, ok := strings.CutPrefix(kind, "~")
	return ok && consistsOf(own, isLower) && consistsOf(n, isDecimal)
}

func consistsOf(s string, of func(rune) bool) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !of(r) })
}

func isDecimal(r rune) bool { return '0' <= r && r <= '9' }
func isLower(r rune) bool   { return 'a' <= r && r <= 'z' }
func isHex(r rune) bool     { return isDecimal(r) || 'a' <= r && r <= 'f' }
