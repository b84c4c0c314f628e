package session

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

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
	c = c.withDefaults()
	return c, c.check()
}

func (c Cookie) withDefaults() Cookie {
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
	return c
}

// check reports every mistake.
func (c Cookie) check() error {
	var errs []error
	bad := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("session: cookie %q "+format, append([]any{c.Name}, a...)...))
	}
	if err := transport.Attributes(c).Cookie("v").Valid(); err != nil {
		bad("is not valid: %s", strings.TrimPrefix(err.Error(), "http: "))
	}
	// RFC 6265bis 4.1.3: __Secure- needs Secure; __Host- needs Secure, Path=/
	// and no Domain. Browsers compare the prefix without regard to case.
	name := strings.ToLower(c.Name)
	host := strings.HasPrefix(name, "__host-")
	if host && c.Domain != "" {
		bad("cannot have Domain %q; drop the prefix or the domain", c.Domain)
	}
	if host && c.Path != "/" {
		bad("cannot have Path %q; drop the prefix or the path", c.Path)
	}
	if c.Insecure && (host || strings.HasPrefix(name, "__secure-")) {
		bad("cannot be Insecure; drop the prefix or Insecure")
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
	return errors.Join(errs...)
}
