// Package cookieheader reads the Cookie header of requests. It is the only
// tokenizer of that header in this module, because two that disagree let an
// attacker plant a cookie which the browser does not take for a __Host- cookie
// and the server does.
//
// It splits at semicolons and trims space (U+0020) and horizontal tab (U+0009),
// as net/http and RFC 6265 do, and nothing else: browsers trim the same two
// before they look for a prefix, so that a name with any other blank around it
// is a name without a prefix, which every sibling host may set.
//
// For each pair that net/http takes for a cookie, name and value are those of
// net/http. Where net/http drops a pair the caller decides: see [Pair].
package cookieheader

import "strings"

// Pair is one name and value, as they were sent. It shares the memory of the
// line.
//
// net/http drops a pair whose name is no token or whose value has a byte other
// than the printable ones of ASCII without the quote and the backslash. A Pair
// is not checked so: a caller compares Name with a name that is a token, and
// reads a value by a form of its own, which no such byte is part of. Callers
// that take over from Node want the pair, since the first one counts there,
// whatever its value is.
type Pair struct {
	// Name is the part before the first "=", without spaces and tabs around it.
	// Without a "=" it is the whole text.
	Name string

	// Raw is the part after the first "=", without spaces and tabs at its end.
	// RFC 6265 4.1.1 allows none at its beginning, and net/http leaves them.
	Raw string

	// Assigned reports whether there is a "=". net/http takes a pair without
	// one for a name with an empty value, and Node skips it.
	Assigned bool
}

// Cut returns the text of the first pair of a line, as it stands, and the line
// after it.
func Cut(line string) (text, rest string) {
	text, rest, _ = strings.Cut(line, ";")
	return text, rest
}

// Next returns the first pair of a line, and the line after it. The rest of the
// last pair is empty.
func Next(line string) (p Pair, rest string) {
	text, rest := Cut(line)
	p.Name, p.Raw, p.Assigned = strings.Cut(text, "=")
	p.Name, p.Raw = Trim(p.Name), trimRight(p.Raw)
	return p, rest
}

// Value returns Raw without a pair of quotes around it, as net/http does.
func (p Pair) Value() string {
	if n := len(p.Raw); n > 1 && p.Raw[0] == '"' && p.Raw[n-1] == '"' {
		return p.Raw[1 : n-1]
	}
	return p.Raw
}

// Trim returns s without the spaces and tabs around it.
func Trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	return trimRight(s)
}

func trimRight(s string) string {
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
