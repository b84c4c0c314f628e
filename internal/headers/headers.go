// Package headers edits and measures response headers that carry a session. It tells
// caches that an answer depends on the cookie, computes the size of a header on the
// wire, gives cookies their priority, and says which header fields can carry a token.
package headers

import (
	"errors"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/holdfast-go/session/internal/cookieheader"
)

// NoCache keeps shared caches from giving field to another client. It makes the answer
// private, whatever the handler has set, because a cache may also keep an answer
// without Cache-Control, or with a date only. RFC 9111 4.2.2, 5.2.2.4 and 5.2.2.7.
func NoCache(h http.Header, field string) {
	gatherCacheControl(h)
	if len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = []string{`private, no-cache="` + field + `"`}
		return
	}
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
				private = private || strings.ToLower(directive) == name // private without field names covers the whole answer
			}
			if directive != own {
				kept = append(kept, directive)
			}
		}
	}
	if !private {
		kept = append(kept, "private", own)
	}
	h["Cache-Control"] = []string{strings.Join(kept, ", ")}
}

// NoStore keeps every cache, the browser's too, from keeping the answer, whatever the
// handler has set.
func NoStore(h http.Header) {
	gatherCacheControl(h)
	h["Cache-Control"] = []string{"no-store"}
}

// gatherCacheControl removes the fields that caches obey in the place of Cache-Control,
// as CDN-Cache-Control of RFC 9213 is, and moves what a handler has written under the name
// in another case to the usual one.
func gatherCacheControl(h http.Header) {
	const usual, targeted = "Cache-Control", "-Cache-Control"
	for name, lines := range h {
		end := name[max(0, len(name)-len(targeted)):]
		switch {
		case name == usual:
		case strings.EqualFold(name, usual):
			delete(h, name)
			h[usual] = slices.Concat(h[usual], lines)
		case strings.EqualFold(end, targeted), strings.EqualFold(name, "Surrogate-Control"), strings.EqualFold(name, "X-Accel-Expires"):
			delete(h, name)
		}
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

// Priority ends the Set-Cookie line of a cookie that a full jar is to keep: of more than
// 180 cookies of a site Chromium drops those without it first. Browsers that do not
// know it pass over it. net/http has no field for it.
const Priority = "; Priority=High"

// Marks is how many bytes Vary and Cache-Control take up, with which NoCache and AddVary
// mark an answer that had neither.
const Marks = 70

// FieldSize returns how many bytes one line takes up.
func FieldSize(name, line string) int { return len(name) + len(": ") + len(line) + len("\r\n") }

// SetCookieSize returns how many bytes these Set-Cookie lines take up.
func SetCookieSize(lines []string) (n int) {
	for _, line := range lines {
		n += FieldSize("Set-Cookie", line)
	}
	return n
}

// RemoveCookies removes the Set-Cookie lines of the cookies that ours reports. The lines
// that stay are copied where one goes: the slice of before may be another header's too.
func RemoveCookies(h http.Header, ours func(name string) bool) {
	if len(h["Set-Cookie"]) > 0 {
		h["Set-Cookie"] = slices.DeleteFunc(slices.Clone(h["Set-Cookie"]), func(line string) bool { return ours(cookieName(line)) })
	}
}

// CookiesSize returns how many bytes the Set-Cookie lines of the cookies that ours reports
// take up.
func CookiesSize(h http.Header, ours func(name string) bool) (n int) {
	for _, line := range h["Set-Cookie"] {
		if ours(cookieName(line)) {
			n += FieldSize("Set-Cookie", line)
		}
	}
	return n
}

func cookieName(line string) string {
	name, _, _ := strings.Cut(line, "=")
	return name
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
