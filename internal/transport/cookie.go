package transport

import (
	"net/http"
	"time"
)

// Attributes are the name of the token's cookie and how every cookie of a session
// is sent. All of them are HttpOnly.
type Attributes struct {
	Name       string
	Domain     string
	Path       string
	SameSite   http.SameSite
	Persistent bool // the browser keeps the cookie when it closes
	Insecure   bool
}

// Cookie returns the token's cookie with this value, for as long as the browser is
// open.
func (a Attributes) Cookie(value string) *http.Cookie {
	return &http.Cookie{
		Name: a.Name, Value: value, Domain: a.Domain, Path: a.Path,
		SameSite: a.SameSite, Secure: !a.Insecure, HttpOnly: true,
	}
}

// longest is how long browsers keep a cookie at most: RFC 6265bis 5.5.
const longest = 400 * 24 * time.Hour

// MaxAge returns the Max-Age, in seconds, of a cookie that lasts until end. It is
// 0, which is none, where cookies are not to outlast the browser.
func (a Attributes) MaxAge(end time.Time) int {
	if !a.Persistent {
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
