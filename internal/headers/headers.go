// Package headers edits and measures response headers that carry a session. It
// tells caches that an answer depends on the cookie, computes the size of a header
// on the wire, and says which header fields can carry a token.
package headers

import (
	"errors"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/holdfast-go/session/internal/cookieheader"
)

// NoCache keeps shared caches from giving field to another client, whatever the
// handler has said of the answer: an answer that the handler makes public, or
// gives an age, becomes private. RFC 9111 5.2.2.4 and 5.2.2.7.
func NoCache(h http.Header, field string) {
	own := `no-cache="` + field + `"`
	var kept []string
	private := false
	for _, line := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(line, ",") {
			directive = cookieheader.Trim(directive)
			name, _, _ := strings.Cut(strings.ToLower(directive), "=")
			switch name {
			case "", "public", "s-maxage":
				continue
			case "no-store", "private":
				private = private || strings.ToLower(directive) == name // without fields it is of all
			}
			if directive != own {
				kept = append(kept, directive)
			}
		}
	}
	switch {
	case len(h["Cache-Control"]) == 0:
		h["Cache-Control"] = []string{own}
	case private:
		h["Cache-Control"] = []string{strings.Join(kept, ", ")}
	default:
		h["Cache-Control"] = []string{strings.Join(append(kept, "private", own), ", ")}
	}
}

// AddVary tells caches that the answer depends on a field of the request. Where h
// has no Vary yet, its lines are appended to room, so that a caller with memory
// to spare saves an allocation.
func AddVary(h http.Header, field string, room []string) {
	lines, ok := h["Vary"]
	if !ok {
		h["Vary"] = append(room, field)
		return
	}
	for _, line := range lines {
		for f := range strings.SplitSeq(line, ",") {
			if f = textproto.TrimString(f); f == "*" || strings.EqualFold(f, field) {
				return
			}
		}
	}
	h.Add("Vary", field)
}

// Size returns how many bytes a header takes up on the wire, with the status
// line and what the server adds: Date, Content-Type, Content-Length, Connection.
func Size(h http.Header) int {
	const server = 200
	n := server
	for name, lines := range h {
		for _, line := range lines {
			n += FieldSize(name, line)
		}
	}
	return n
}

// FieldSize returns how many bytes one line takes up.
func FieldSize(name, line string) int { return len(name) + len(": ") + len(line) + len("\r\n") }

// SetCookieSize returns how many bytes these Set-Cookie lines take up.
func SetCookieSize(lines []string) (n int) {
	for _, line := range lines {
		n += FieldSize("Set-Cookie", line)
	}
	return n
}

var (
	errNoName  = errors.New("is not a header field name")
	errMeaning = errors.New("has a meaning of its own; use one like X-Session")
)

// CheckName returns why the field of that name cannot carry a token, as the end
// of a sentence that begins with the name.
func CheckName(name string) error {
	if strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", r)
	}) {
		return errNoName
	}
	switch strings.ToLower(name) {
	case "cookie", "set-cookie", "authorization", "host", "connection", "content-length", "content-type",
		"transfer-encoding", "trailer", "upgrade", "te", "keep-alive", "proxy-connection", "cache-control", "vary":
		return errMeaning
	}
	return nil
}
