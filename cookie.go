package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/recordid"
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

	// SameSite defaults to http.SameSiteLaxMode.
	SameSite http.SameSite

	// Persistent keeps the cookie when the browser closes, until the
	// session's absolute end. It is sent once, when the session begins.
	Persistent bool

	// Insecure sends the cookie over plain http too. For development.
	Insecure bool
}

// complete fills in the defaults and reports every mistake.
func (c Cookie) complete() (Cookie, error) {
	if c.Name == "" {
		switch {
		case c.Insecure:
			c.Name = "session"
		case c.Domain != "" || c.Path != "" && c.Path != "/":
			c.Name = "__Secure-session"
		default:
			c.Name = "__Host-session"
		}
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode
	}
	var errs []error
	bad := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("session: cookie %q "+format, append([]any{c.Name}, a...)...))
	}
	if err := c.cookie("v").Valid(); err != nil {
		bad("is not valid: %s", strings.TrimPrefix(err.Error(), "http: "))
	}
	// RFC 6265bis 4.1.3: __Secure- needs Secure; __Host- needs Secure, Path=/
	// and no Domain. Browsers compare the prefix without regard to case.
	switch name := strings.ToLower(c.Name); {
	case strings.HasPrefix(name, "__host-"):
		if c.Domain != "" {
			bad("cannot have Domain %q; drop the prefix or the domain", c.Domain)
		}
		if c.Path != "/" {
			bad("cannot have Path %q; drop the prefix or the path", c.Path)
		}
		fallthrough
	case strings.HasPrefix(name, "__secure-"):
		if c.Insecure {
			bad("cannot be Insecure; drop the prefix or Insecure")
		}
	}
	if !strings.HasPrefix(c.Path, "/") {
		bad("has Path %q, which does not begin with /", c.Path)
	}
	if c.SameSite == http.SameSiteNoneMode && c.Insecure {
		bad("cannot be SameSite=None and Insecure: browsers refuse it")
	}
	if c.SameSite < 0 || c.SameSite > http.SameSiteNoneMode {
		bad("has the unknown SameSite %d", c.SameSite)
	}
	return c, errors.Join(errs...)
}

func (c Cookie) cookie(value string) *http.Cookie {
	return &http.Cookie{
		Name: c.Name, Value: value, Domain: c.Domain, Path: c.Path,
		SameSite: c.SameSite, Secure: !c.Insecure, HttpOnly: true,
	}
}

// carrier takes tokens from requests and puts them into answers: in a cookie,
// or in a header for API clients.
type carrier struct {
	cookie Cookie
	header string         // canonical; empty: the cookie
	format foreign.Format // nil: ours
}

func (c *carrier) parse(value string) (token, bool) {
	if c.format == nil {
		return parseToken(value)
	}
	id, ok := c.format.ParseToken(value)
	return token{value, ID(id)}, ok && !recordid.Reserved(id) // which other systems may not sign
}

func (c *carrier) newToken(ctx context.Context) token {
	if c.format == nil {
		return newToken()
	}
	value, id := c.format.NewToken(ctx)
	return token{value, ID(id)}
}

// receive returns the token that a request carries. What is not a token
// counts as absent; among several cookies of the name the first token counts.
func (c *carrier) receive(h http.Header) (token, bool) {
	if c.header != "" {
		return c.parse(h.Get(c.header))
	}
	for _, line := range h["Cookie"] {
		for line != "" {
			var p cookieheader.Pair
			p, line = cookieheader.Next(line)
			if p.Name != c.cookie.Name {
				continue
			}
			if t, first, ok := c.take(p); ok || first {
				return t, ok
			}
		}
	}
	return token{}, false
}

// take reads the token in a cookie of its name. first reports that no later
// cookie of the name counts, whatever this one holds: so it is with another
// system, which unquotes and decodes by rules of its own.
func (c *carrier) take(p cookieheader.Pair) (t token, first, ok bool) {
	switch {
	case c.format == nil:
		t, ok = c.parse(p.Value())
		return t, false, ok
	case !p.Assigned:
		return token{}, false, false
	}
	t, ok = c.parse(p.Raw)
	return t, true, ok
}

// send puts t into an answer, to last until end.
func (c *carrier) send(h http.Header, t token, end time.Time) {
	if c.header != "" {
		h.Set(c.header, t.reveal())
		headers.NoCache(h, c.header)
		return
	}
	cookie := c.cookie.cookie(t.reveal())
	if c.cookie.Persistent {
		const most = 400 * 24 * time.Hour // RFC 6265bis 5.5: browsers cut longer ones
		cookie.MaxAge = int(max(time.Second, min(most, time.Until(end))) / time.Second)
	}
	h.Add("Set-Cookie", cookie.String())
	headers.NoCache(h, "Set-Cookie")
}

// clear makes the visitor forget the token.
func (c *carrier) clear(h http.Header) {
	if c.header != "" {
		h.Set(c.header, "")
		headers.NoCache(h, c.header)
		return
	}
	cookie := c.cookie.cookie("")
	cookie.MaxAge = -1
	h.Add("Set-Cookie", cookie.String())
	headers.NoCache(h, "Set-Cookie")
}

// varies is the request field that an answer depends on once a handler has
// asked for the session.
func (c *carrier) varies() string {
	if c.header != "" {
		return c.header
	}
	return "Cookie"
}
