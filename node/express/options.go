package express

import (
	"net/textproto"
	"strings"
)

// Options are the options of the middleware that decide what it writes. The
// zero value is what its documentation recommends; its own default is Resave
// and SaveUninitialized.
type Options struct {
	// Resave saves a session that was not changed. It undoes what others
	// wrote, or a logout, while the request ran.
	Resave bool
	// SaveUninitialized saves a new session that nothing was written to, and
	// sends its cookie.
	SaveUninitialized bool
	// Rolling sends the cookie with each response.
	Rolling bool
	// UnsetDestroys is unset: "destroy": a request that ends without a session
	// destroys it in the store.
	UnsetDestroys bool
	// Untouchable says that the store has no method touch.
	Untouchable bool
}

// Seen is what there is to know about a session when the response's header is
// written, and when the response ends.
type Seen struct {
	CookieID string // the well-signed id that the request's cookie has, or ""
	ID       string // the id that the request has now
	Gone     bool   // req.session was set to null, deleted or destroyed
	Modified bool   // another id or other data than when it was loaded or made; the cookie object is no data
	WasSaved bool   // there was a save, or it was loaded and Resave is off
	Saved    bool   // the same id as when it was loaded or made, and the data of that save
	Ends     bool   // [Cookie.Ends]
}

// SendsCookie reports whether a Set-Cookie is due when the header is written. A
// secure cookie over a connection that is not, see [Secure], is not sent,
// although the session is saved.
//
// A session is touched once in a request: where the response ends, or before
// the cookie of a header that is written earlier.
func (o Options) SendsCookie(s Seen) bool {
	switch {
	case s.Gone:
		return false
	case s.CookieID != s.ID:
		return o.SaveUninitialized || s.Modified
	}
	return o.Rolling || s.Ends && s.Modified
}

// Action is what the middleware does with the store when a response ends.
type Action uint8

// The actions.
const (
	Nothing Action = iota
	Save
	Touch
	Destroy
)

// String returns the name of the store's method, or "nothing".
func (a Action) String() string {
	return [...]string{"nothing", "set", "touch", "destroy"}[a&3]
}

// AtEnd returns what is done when the response ends, before its header is
// written if it was not yet. The session is touched before that.
func (o Options) AtEnd(s Seen) Action {
	switch {
	case s.Gone && o.UnsetDestroys && s.ID != "":
		return Destroy
	case s.Gone:
		return Nothing
	case o.saves(s):
		return Save
	case s.CookieID == s.ID && !o.Untouchable:
		return Touch
	}
	return Nothing
}

func (o Options) saves(s Seen) bool {
	if !o.SaveUninitialized && !s.WasSaved && s.CookieID != s.ID {
		return s.Modified
	}
	return !s.Saved
}

// Proxy is the option proxy of the middleware.
type Proxy uint8

// The values of the option: not set, true and false.
const (
	ProxyOfExpress Proxy = iota // as Express' own setting "trust proxy" says
	ProxyTrusted
	ProxyIgnored
)

// Secure reports whether the middleware takes a request for one that came over
// TLS: tls is that of the connection, express what req.secure says there, and
// forwarded the header X-Forwarded-Proto, whose first word counts.
func Secure(p Proxy, tls, express bool, forwarded string) bool {
	switch {
	case tls:
		return true
	case p == ProxyIgnored:
		return false
	case p == ProxyOfExpress:
		return express
	}
	proto, _, _ := strings.Cut(forwarded, ",")
	return strings.ToLower(textproto.TrimString(proto)) == "https"
}

// inPath reports whether the middleware looks at a request at all: its path must
// begin with the cookie's, letter by letter, so that /admin has /adminx too.
func inPath(cookiePath, requestPath string) bool {
	if cookiePath == "" {
		cookiePath = "/"
	}
	if requestPath == "" {
		requestPath = "/"
	}
	return strings.HasPrefix(requestPath, cookiePath)
}
