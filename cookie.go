package session

import (
	"net/http"

	"github.com/holdfast-go/session/internal/transport"
)

// Cookie says how the visitor's cookie is sent. It is always HttpOnly. The
// zero Cookie is __Host-session with Secure, Path=/ and SameSite=Lax, which
// lasts until the browser closes.
type Cookie struct {
	// Name defaults to __Host-session; with a Domain or Path to
	// __Secure-session; with Insecure to session. Browsers do not tell ports
	// apart: two applications on one host need two names.
	Name string

	// Domain shares the session with all hosts below it. Each of them can
	// then plant a cookie of this name in the visitor's browser.
	Domain string

	// Path defaults to "/".
	Path string

	// SameSite defaults to http.SameSiteLaxMode. Where another site has made a
	// request, and the browser holds the cookie back for that, a write begins no
	// session, which would take the place of the visitor's: it is ErrNoSession, unless
	// the handler calls Renew or StartNew. With Lax these are POSTs of other sites,
	// and with http.SameSiteStrictMode their links too.
	SameSite http.SameSite

	// Persistent keeps the cookie when the browser closes, until the
	// session's absolute end. It is sent once, when the session begins.
	Persistent bool

	// Insecure sends the cookie over plain http too. For development.
	Insecure bool

	// Partitioned gives the site that is embedded in others a session of its own
	// in each of them (CHIPS). An embedded site needs SameSite:
	// http.SameSiteNoneMode too. A browser may send the cookie of before and the
	// partitioned one; then the first of a live session counts.
	Partitioned bool
}

// complete fills in the defaults and reports every mistake.
func (c Cookie) complete() (Cookie, error) {
	a, err := transport.Attributes(c).Complete()
	return Cookie(a), err
}
