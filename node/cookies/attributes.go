package cookies

import (
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/session/node/internal/js"
)

// Attributes are the options that a cookie is set with. The zero value is the
// package's defaults: the path / and httponly.
type Attributes struct {
	Path        string // "": "/"
	NoPath      bool   // no path at all
	MaxAge      time.Duration
	Expires     time.Time // zero: none. MaxAge goes before it
	Domain      string
	Priority    string // low, medium or high
	SameSite    string // lax, strict or none
	Secure      Secure
	Scripts     bool // scripts can read it: no httponly
	Partitioned bool
	Overwrite   bool // takes the place of cookies of this name that are set already
	Unsigned    bool // no signature, although there are keys
	Signed      bool // a signature, and an error where there are no keys
}

// Secure says when a cookie is secure.
type Secure uint8

// The values of Secure.
const (
	AsConnection  Secure = iota // where the connection is
	Always                      // over an insecure connection it is an error
	AlwaysProxied               // secureProxy: whatever the connection
	Never
)

// Dialect is the version of the package cookies whose rules apply.
type Dialect uint8

// The dialects: 0.9.2 of Koa and, but for domains and paths, 0.9.1 of
// cookie-session; and 0.7.3 of client-sessions, which knows neither priority
// nor partitioned nor the same-site value none.
const (
	V09 Dialect = iota
	V07
)

var (
	domainForm = regexp.MustCompile(`^(\.?[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$`)
	pathForm   = regexp.MustCompile(`^[ -:=-~]*$`)
)

// content reports whether s, which is not empty, may be sent in a header.
func content(s string) bool {
	for _, r := range s {
		if r != '\t' && (r < ' ' || r > '~' && r < 0x80 || r > 0xff) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// check returns what is wrong with a cookie.
func check(name, value string, a *Attributes, d Dialect) error {
	badDomain, badPath := !domainForm.MatchString(a.Domain), !pathForm.MatchString(a.Path)
	restricted := ";="
	if d == V07 {
		badDomain, badPath = !content(a.Domain), !content(a.Path)
		restricted = ""
	}
	switch {
	case name == "", !content(name), strings.ContainsAny(name, restricted):
		return errors.New("cookies: the name is invalid")
	case !content(value), d == V09 && strings.Contains(value, ";"):
		return errors.New("cookies: the value is invalid")
	case badPath:
		return errors.New("cookies: option path is invalid")
	case a.Domain != "" && badDomain:
		return errors.New("cookies: option domain is invalid")
	case !word(a.Priority, "low", "medium", "high"), a.Priority != "" && d == V07:
		return errors.New("cookies: option priority is invalid")
	case !word(a.SameSite, "lax", "strict", "none"), d == V07 && strings.EqualFold(a.SameSite, "none"):
		return errors.New("cookies: option sameSite is invalid")
	}
	return nil
}

func word(s string, words ...string) bool {
	for _, w := range words {
		if strings.ToLower(s) == w {
			return true
		}
	}
	return s == ""
}

// Header returns the Set-Cookie header of a cookie, in the order and the
// letters of the package. An empty value takes the cookie from the browser.
//
// Keep to ASCII: the characters from U+0080 to U+00FF that are allowed go out
// as UTF-8, as they do from Node before a body that is text, and come back as
// other ones.
//
// tls reports whether the connection is secure.
func Header(name, value string, a *Attributes, d Dialect, now time.Time, tls bool) (string, error) {
	if a == nil {
		a = new(Attributes)
	}
	if err := check(name, value, a, d); err != nil {
		return "", err
	}
	if a.Secure == Always && !tls {
		return "", errors.New("cookies: a secure cookie over a connection that is not")
	}
	expires := a.Expires
	if a.MaxAge != 0 {
		expires = now.Add(a.MaxAge)
	}
	if value == "" && (d == V09 || expires.IsZero()) {
		expires = time.UnixMilli(0)
	}
	var b strings.Builder
	b.WriteString(name + "=" + value)
	attribute := func(name, value string) {
		if value != "" {
			b.WriteString("; " + name + "=" + value)
		}
	}
	flag := func(name string, on bool) {
		if on {
			b.WriteString("; " + name)
		}
	}
	switch {
	case a.NoPath:
	case a.Path == "":
		attribute("path", "/")
	default:
		attribute("path", a.Path)
	}
	if !expires.IsZero() {
		attribute("expires", js.FormatUTC(expires.UnixMilli()))
	}
	attribute("domain", a.Domain)
	attribute("priority", strings.ToLower(a.Priority))
	attribute("samesite", strings.ToLower(a.SameSite))
	flag("secure", a.Secure == Always || a.Secure == AlwaysProxied || a.Secure == AsConnection && tls)
	flag("httponly", !a.Scripts)
	flag("partitioned", a.Partitioned && d == V09)
	return b.String(), nil
}
