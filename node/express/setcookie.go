package express

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/holdfast-go/session/node/internal/js"
)

// The texts that the package cookie 0.7.2 accepts.
var (
	nameForm   = regexp.MustCompile("^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$")
	domainForm = regexp.MustCompile(`^(\.?[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$`)
	pathForm   = regexp.MustCompile(`^[ -:=-~]*$`)
)

// SetCookie returns the Set-Cookie header of a session as the middleware
// prints it, with the value of [Secrets.Sign]. It fails where an attribute
// cannot be sent; the middleware then sends no cookie and tells only the error
// handler, after the headers.
func (c *Cookie) SetCookie(name, value string) (string, error) {
	if !nameForm.MatchString(name) {
		return "", fmt.Errorf("express: cookie name %q is not a token", name)
	}
	encoded, ok := js.EncodeURIComponent(value)
	if !ok {
		return "", errors.New("express: the session id is not UTF-8")
	}
	b := new(strings.Builder)
	b.WriteString(name + "=" + encoded)
	for _, attribute := range [...]struct {
		name, prints string
		form         *regexp.Regexp
	}{{"domain", "Domain", domainForm}, {"path", "Path", pathForm}} {
		if c.truthy(attribute.name) {
			s, ok := js.String(c.member(attribute.name))
			if !ok || !attribute.form.MatchString(s) {
				return "", fmt.Errorf("express: cookie option %s is invalid", attribute.name)
			}
			b.WriteString("; " + attribute.prints + "=" + s)
		}
	}
	switch e := c.expires; {
	case e.date && e.valid:
		b.WriteString("; Expires=" + js.FormatUTC(e.ms))
	case e.date || js.Truthy(e.other):
		return "", errors.New("express: cookie option expires is invalid")
	}
	for _, flag := range [...][2]string{{"httpOnly", "HttpOnly"}, {"secure", "Secure"}, {"partitioned", "Partitioned"}} {
		if c.truthy(flag[0]) {
			b.WriteString("; " + flag[1])
		}
	}
	if err := c.choice(b, "priority", "Priority", "low", "medium", "high"); err != nil {
		return "", err
	}
	if string(c.member("sameSite")) == "true" {
		b.WriteString("; SameSite=Strict")
	} else if err := c.choice(b, "sameSite", "SameSite", "strict", "lax", "none"); err != nil {
		return "", err
	}
	return b.String(), nil
}

// choice prints an attribute that is one of a few words, which begin with a
// capital there.
func (c *Cookie) choice(b *strings.Builder, name, prints string, words ...string) error {
	if !c.truthy(name) {
		return nil
	}
	s, _ := js.String(c.member(name))
	s = strings.ToLower(s)
	for _, word := range words {
		if word == s {
			b.WriteString("; " + prints + "=" + strings.ToUpper(word[:1]) + word[1:])
			return nil
		}
	}
	return fmt.Errorf("express: cookie option %s is invalid", name)
}
