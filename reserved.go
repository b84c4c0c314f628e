package session

import "strings"

// reserved reports whether id is that of a record that the library keeps for
// itself: a canary, what a probe tries saves on, a marker of Adopt, or a
// Store's own. None of them is a session. A tombstone in the place of a canary
// would say that the store has lost its memory, and one in the place of a marker
// would not live as long.
//
// IDs of another system may begin with anything, so the whole of them has to
// have the shape.
func reserved(id ID) bool {
	kind, rest, ok := strings.Cut(string(id), "-")
	switch {
	case !ok:
		return false
	case kind == "canary":
		return consistsOf(rest, isDecimal)
	case kind == "probe":
		instance, n, ok := strings.Cut(rest, "-")
		return ok && len(instance) == 8 && consistsOf(instance, isHex) && consistsOf(n, isHex)
	case kind+"-" == adoptedPrefix:
		return len(rest) == idLen && consistsOf(rest, isHex)
	}
	own, ok := strings.CutPrefix(kind, "~")
	return ok && consistsOf(own, isLower) && consistsOf(rest, isDecimal)
}

func consistsOf(s string, of func(rune) bool) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !of(r) })
}

func isDecimal(r rune) bool { return '0' <= r && r <= '9' }
func isLower(r rune) bool   { return 'a' <= r && r <= 'z' }
func isHex(r rune) bool     { return isDecimal(r) || 'a' <= r && r <= 'f' }
