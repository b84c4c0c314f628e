package transport

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Attributes are the name of the token's cookie and how every cookie of a session
// is sent. All of them are HttpOnly. The fields must be those of session.Cookie, in the same
// order: one is converted to the other.
type Attributes struct {
	Name        string
	Domain      string
	Path        string
	SameSite    http.SameSite
	Persistent  bool // the browser keeps the cookie when it closes
	Insecure    bool
	Secure      func(*http.Request) bool // the request has come over TLS; nil: each counts as if it had
	Partitioned bool                     // one for each site that embeds this one
}

// OverHTTP returns how cookies are sent to a client that has come over plain http, where
// Secure tells. Their names have no prefix, which browsers take from TLS alone, so that a
// token that others may have read or planted in the network opens no session over TLS.
func (a Attributes) OverHTTP() Attributes {
	a.Name = a.Name[prefixLen(a.Name):]
	a.Insecure, a.Secure = true, nil
	return a
}

// Names returns the names of the cookies that carry tokens.
func (a Attributes) Names() []string {
	if a.Secure == nil {
		return []string{a.Name}
	}
	return []string{a.Name, a.OverHTTP().Name}
}

// prefixLen returns how long the prefix of a cookie's name is that asks for Secure. Browsers
// compare it without regard to case: RFC 6265bis 4.1.3.
func prefixLen(name string) int {
	for _, prefix := range [...]string{hostPrefix, securePrefix} {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return len(prefix)
		}
	}
	return 0
}

const hostPrefix, securePrefix = "__Host-", "__Secure-"

// Cookie returns the token's cookie with this value, for as long as the browser is
// open.
func (a Attributes) Cookie(value string) *http.Cookie {
	return &http.Cookie{
		Name: a.Name, Value: value, Domain: a.Domain, Path: a.Path,
		SameSite: a.SameSite, Secure: !a.Insecure, HttpOnly: true, Partitioned: a.Partitioned,
	}
}

// longest is how long browsers keep a cookie at most: RFC 6265bis 5.5.
const longest = 400 * 24 * time.Hour

// MaxAge returns the Max-Age, in seconds, of a cookie that lasts until end. It is
// 0, which is none, where end is zero: the cookie does not outlast the browser.
func MaxAge(end time.Time) int {
	if end.IsZero() {
		return 0
	}
	return int(max(time.Second, min(longest, time.Until(end))) / time.Second)
}

// Drop returns the Set-Cookie line that makes the browser drop the cookie of that
// name.
func (a Attributes) Drop(name string) string {
	cookie := a.Cookie("")
	cookie.Name, cookie.MaxAge = name, -1
	return cookie.String()
}

// Complete fills in the defaults and reports every mistake.
func (a Attributes) Complete() (Attributes, error) {
	a = a.withDefaults()
	return a, a.check()
}

func (a Attributes) withDefaults() Attributes {
	if a.Name == "" {
		switch {
		case a.Insecure:
			a.Name = "session"
		case a.Domain != "" || a.Path != "" && a.Path != "/":
			a.Name = "__Secure-session"
		default:
			a.Name = "__Host-session"
		}
	}
	if a.Path == "" {
		a.Path = "/"
	}
	if a.SameSite == 0 || a.SameSite == http.SameSiteDefaultMode {
		a.SameSite = http.SameSiteLaxMode
	}
	return a
}

// check reports every mistake.
func (a Attributes) check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("session: cookie %q "+format, append([]any{a.Name}, args...)...))
	}
	if err := a.Cookie("v").Valid(); err != nil {
		bad("is not valid: %s", strings.TrimPrefix(err.Error(), "http: "))
	}
	// RFC 6265bis 4.1.3: __Secure- needs Secure; __Host- needs Secure, Path=/
	// and no Domain.
	prefix := prefixLen(a.Name)
	host := prefix == len(hostPrefix)
	if host && a.Domain != "" {
		bad("cannot have Domain %q; drop the prefix or the domain", a.Domain)
	}
	if host && a.Path != "/" {
		bad("cannot have Path %q; drop the prefix or the path", a.Path)
	}
	if a.Insecure && prefix > 0 {
		bad("cannot be Insecure; drop the prefix or Insecure")
	}
	if !strings.HasPrefix(a.Path, "/") {
		bad("has Path %q, which does not begin with /", a.Path)
	}
	if a.SameSite == http.SameSiteNoneMode && a.Insecure {
		bad("cannot be SameSite=None and Insecure: browsers refuse it")
	}
	if a.SameSite < 0 || a.SameSite > http.SameSiteNoneMode {
		bad("has the unknown SameSite %d", a.SameSite)
	}
	if a.Secure != nil {
		errs = append(errs, a.checkSecure(bad))
	}
	return errors.Join(errs...)
}

// checkSecure reports what does not agree with Secure.
func (a Attributes) checkSecure(bad func(format string, args ...any)) error {
	embedded := a.SameSite == http.SameSiteNoneMode || a.Partitioned
	switch {
	case a.Insecure:
		bad("cannot be Insecure where Secure decides; drop one of the two")
	case embedded:
		bad("cannot be SameSite=None or Partitioned where Secure decides: over plain http browsers refuse it; drop Secure")
	case prefixLen(a.Name) == 0:
		bad("needs the prefix __Host- or __Secure- where Secure decides: over plain http the cookie has the name without it")
	default:
		return a.OverHTTP().check()
	}
	return nil
}
