// Package sealed reads sealed cookies for people: what everybody can see of them, what they
// hold, for a person with the keys, and why they do not open.
//
// input.go finds the cookies in a text, look.go opens them, and print.go prints what they hold.
package sealed

import (
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/token"
)

// cookie is a cookie in a text.
type cookie struct {
	name, value string // no name: a bare value
	domain      string // of a Set-Cookie line
	path        string
}

// bare is the name under which a value without one is shown.
const bare = "(no name)"

// Input holds the cookies of a session that were found in a text.
type Input struct {
	groups []group
	tokens map[string]string // by cookie, the IDs of the sessions that tokens open
}

// group is what belongs to the token's cookie of one name.
type group struct {
	name         string
	domain, path string
	parts        []part
	endings      []cookie
	other        []cookie // that have a name of ours, and no value of ours
}

// part is a piece of a sealed copy, in a cookie.
type part struct {
	cookie

	copy          string // by which the parts of a copy know each other
	number, count int
	text          string
}

// Read finds the cookies in a text: a Cookie header, Set-Cookie lines, as a browser's tools or
// curl -i show them, or bare values. base is the name of the token's cookie; empty, it is
// found by the names of the others.
func Read(text, base string) Input {
	in := Input{tokens: map[string]string{}}
	for line := range strings.Lines(text) {
		for _, c := range cookiesOf(strings.TrimSpace(line)) {
			in.add(c, base)
		}
	}
	return in
}

// Empty reports whether nothing of a session was found.
func (in *Input) Empty() bool { return len(in.groups)+len(in.tokens) == 0 }

// cookiesOf returns the cookies of a line.
func cookiesOf(line string) (all []cookie) {
	line = strings.TrimLeft(line, "<> ") // as curl -v has them
	name, value, headed := strings.Cut(line, ":")
	switch {
	case headed && strings.EqualFold(name, "Set-Cookie"):
		if c, err := http.ParseSetCookie(strings.TrimSpace(value)); err == nil {
			return []cookie{{c.Name, c.Value, c.Domain, c.Path}}
		}
		return nil
	case headed && strings.EqualFold(name, "Cookie"):
		line = strings.TrimSpace(value)
	case headed && !strings.ContainsAny(name, "=;"):
		return nil // another field of a header
	}
	if !strings.Contains(line, "=") {
		for _, value := range strings.Fields(line) {
			if len(value) >= shortest && !strings.ContainsFunc(value, strange) {
				all = append(all, cookie{value: value})
			}
		}
		return all
	}
	for line != "" {
		var p cookieheader.Pair
		p, line = cookieheader.Next(line)
		if p.Assigned {
			all = append(all, cookie{name: p.Name, value: p.Value()})
		}
	}
	return all
}

// shortest is how long a word is at least that is taken for a value.
const shortest = 16

// strange reports whether r stands in no value of ours.
func strange(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("-_.", r)
}

// add takes a cookie in, where it is of a session.
func (in *Input) add(c cookie, base string) {
	if strings.ContainsFunc(c.name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return // no name of ours, and a terminal might obey it
	}
	name, suffix := splitName(c.name)
	if c.name == "" {
		name = base
	}
	if base != "" && name != base {
		return
	}
	if c.name != "" && suffix == "" {
		if t, ok := token.Parse(c.value); ok {
			in.tokens[c.name] = t.ID()
		}
		return
	}
	p, isPart := parsePart(c)
	switch g := in.group(name, c); {
	case suffix == "x":
		g.endings = append(g.endings, c)
	case isPart:
		g.parts = append(g.parts, p)
	default:
		g.other = append(g.other, c)
	}
}

func (in *Input) group(name string, c cookie) *group {
	i := slices.IndexFunc(in.groups, func(g group) bool { return g.name == name && g.domain == c.domain && g.path == c.path })
	if i < 0 {
		i = len(in.groups)
		in.groups = append(in.groups, group{name: name, domain: c.domain, path: c.path})
	}
	return &in.groups[i]
}

// splitName returns the name of the token's cookie, and x or a digit where the name is that of
// another cookie of its session.
func splitName(name string) (base, suffix string) {
	if base, ok := strings.CutSuffix(name, "-x"); ok {
		return base, "x"
	}
	if n := len(name) - len("-b0"); n > 0 {
		digit := name[n+2]
		isPart := name[n:n+2] == "-b" && '0' <= digit && digit <= '3'
		if isPart {
			return name[:n], name[n+2:]
		}
	}
	return name, ""
}

// parsePart reads the value of a cookie with a part of a copy, docs/SPEC.md.
func parsePart(c cookie) (part, bool) {
	fields := strings.SplitN(c.value, ".", 4)
	isPart := len(fields) == 4 && len(fields[0]) == 6 && len(fields[1]) == 1 && len(fields[2]) == 1
	if !isPart {
		return part{}, false
	}
	p := part{cookie: c, copy: fields[0], number: int(fields[1][0]) - '0', count: int(fields[2][0]) - '0', text: fields[3]}
	return p, p.text != "" && 1 <= p.count && p.count <= 4 && 0 <= p.number && p.number < p.count
}
