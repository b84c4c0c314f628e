// Package cookies reads and sets cookies, signed or not, as the Node package
// cookies does, which cookie-session, Koa and client-sessions use.
package cookies

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/node/internal/js"
	"github.com/holdfast-go/session/node/keygrip"
)

// Jar has the cookies of a request and of its response. It is not safe for
// concurrent use.
type Jar struct {
	Request string        // the Cookie header; several are joined by "; "
	Keys    *keygrip.Keys // nil: cookies are not signed
	TLS     bool          // the connection is secure
	Now     time.Time

	set []string
}

// Find returns the first cookie of a name in a Cookie header: as it is
// written, but for quotes around it, which version 0.7.3 leaves. Only spaces
// may stand before the name: the package trims nothing else, not even tabs.
func Find(header, name string, d Dialect) (string, bool) {
	for rest := js.Latin1(header); rest != ""; {
		var pair string
		pair, rest = cookieheader.Cut(rest)
		value, ok := strings.CutPrefix(strings.TrimLeft(pair, " "), name+"=")
		if !ok {
			continue
		}
		if d == V09 && value != "" && value[0] == '"' {
			value = value[1:]
			_, last := utf8.DecodeLastRuneInString(value)
			value = value[:len(value)-last]
		}
		return value, true
	}
	return "", false
}

// Get returns a cookie without looking at its signature.
func (j *Jar) Get(name string) (string, bool) { return Find(j.Request, name, V09) }

// GetSigned returns a cookie that one of the keys signed. A signature by a
// later key than the first is sent anew; a wrong one is taken from the
// browser.
func (j *Jar) GetSigned(name string) (string, bool, error) {
	value, ok := j.Get(name)
	if !ok {
		return "", false, nil
	}
	signature, ok := j.Get(name + ".sig")
	if !ok || signature == "" {
		return "", false, nil
	}
	if j.Keys == nil {
		return "", false, errors.New("cookies: keys are needed for signed cookies")
	}
	data := name + "=" + value
	switch i := j.Keys.Index(data, signature); {
	case i < 0:
		return "", false, j.Set(name+".sig", "", &Attributes{Unsigned: true})
	case i > 0:
		return value, true, j.Set(name+".sig", j.Keys.Sign(data), &Attributes{Unsigned: true})
	}
	return value, true, nil
}

// Set sets a cookie, and its signature in another one. Without attributes,
// nil, it is not signed.
func (j *Jar) Set(name, value string, a *Attributes) error {
	header, err := Header(name, value, a, V09, j.Now, j.TLS)
	if err != nil {
		return err
	}
	if a != nil && a.Signed && j.Keys == nil {
		return errors.New("cookies: keys are needed for signed cookies")
	}
	if a == nil {
		j.push(name, header, false)
		return nil
	}
	j.push(name, header, a.Overwrite)
	if a.Unsigned || j.Keys == nil {
		return nil
	}
	signed := *a
	if value == "" {
		signed.MaxAge, signed.Expires = 0, time.UnixMilli(0)
	}
	header, err = Header(name+".sig", j.Keys.Sign(name+"="+value), &signed, V09, j.Now, j.TLS)
	if err != nil {
		return err
	}
	j.push(name+".sig", header, a.Overwrite)
	return nil
}

func (j *Jar) push(name, header string, overwrite bool) {
	if overwrite {
		j.set = slices.DeleteFunc(j.set, func(h string) bool { return strings.HasPrefix(h, name+"=") })
	}
	j.set = append(j.set, header)
}

// Header returns the Set-Cookie headers, in their order.
func (j *Jar) Header() []string { return slices.Clone(j.set) }
