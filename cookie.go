package session

import (
	"net/http"
	"net/netip"

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

	// SameSite defaults to http.SameSiteLaxMode. Where another site has made a request, and
	// the browser holds the cookie back for that, a write fails with ErrNoSession, because
	// a new session would replace the visitor's, unless the handler calls Renew or
	// StartNew. With Lax these are POSTs of other sites, and with http.SameSiteStrictMode
	// their links too.
	SameSite http.SameSite

	// Persistent keeps the cookie when the browser closes, until the session's absolute
	// end, but for 400 days at most, which is as long as browsers keep one. It is sent when
	// the session begins, and with each new token.
	Persistent bool

	// Insecure sends the cookie over plain http too, to everybody. For development; where
	// some visitors come over TLS, see Secure.
	Insecure bool

	// Secure reports whether a request has come from its visitor over TLS, for a process that
	// serves both: TLS that a proxy ends, and plain http in a local network. [TLSBehind] makes
	// such a function. Nil says that all have, unless Insecure is set. It is called once for
	// each request that asks for its session, by many goroutines at once, but not for one
	// that has come over TLS to this process itself, which is secure.
	//
	// Where it returns false, the cookies are sent without Secure, and their names lack the
	// prefix: session instead of __Host-session. So a visitor has one session over TLS and
	// another over plain http, and an attacker who reads or changes the plain traffic gets
	// into the second session alone. Both sets of copies fit the Backup.Budget together;
	// those over plain http use one Backup.Copy of it. Budget must be at least 2·Copy, and
	// at most 6144.
	//
	// New refuses it with Insecure, with a Name that has neither prefix, with SameSite=None
	// and Partitioned, which need TLS, and with Options.Format, whose cookies are another's.
	Secure func(r *http.Request) bool

	// Partitioned gives the site that is embedded in others a session of its own
	// in each of them (CHIPS). An embedded site needs SameSite: http.SameSiteNoneMode too.
	// A browser may send the unpartitioned cookie of before and the partitioned one; then
	// the first that opens a live session counts.
	Partitioned bool
}

// TLSBehind returns a function for Cookie.Secure. It reports that a request has come over TLS
// to this process, or that a proxy says so, in X-Forwarded-Proto or else in Forwarded, and the
// address of the request's peer is in one of trusted. A peer that connects through a unix socket
// counts as such a proxy. So does the peer of a request of Manager.Load, which has no address:
// there the field is believed whoever sends it. The proxy must set the field itself, whatever
// its client sends: docs/PROXIES.md has the directives. Of several values the first counts.
func TLSBehind(trusted ...netip.Prefix) func(*http.Request) bool { return transport.TLSBehind(trusted) }

// complete fills in the defaults and reports every mistake. Its conversions need the fields of
// the two types to be the same, in the same order.
func (c Cookie) complete() (Cookie, error) {
	a, err := transport.Attributes(c).Complete()
	return Cookie(a), err
}
