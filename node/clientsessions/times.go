package clientsessions

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/fields"
)

// Cookie are the attributes of the cookie. The zero value is the middleware's
// defaults: the path /, httponly, and an end a second after the session's.
type Cookie struct {
	Path, Domain string
	SameSite     string        // lax or strict: it knows no none
	Scripts      bool          // scripts can read it: no httponly
	Secure       bool          // over a connection that is not secure every request fails
	SecureProxy  bool          // secure, whatever the connection
	MaxAge       time.Duration // counted from the request, in place of the session's end
	Ephemeral    bool          // until the browser is closed
}

func (c Cookie) check() error {
	switch {
	case c.Ephemeral && c.MaxAge != 0:
		return errors.New("clientsessions: cookie: Ephemeral and MaxAge exclude each other")
	case strings.EqualFold(c.SameSite, "none"):
		return errors.New("clientsessions: cookie: SameSite none: client-sessions cannot set that")
	}
	return nil
}

// Name returns the name of the cookie.
func (c *Codec) Name() string { return c.options.Name }

// New returns a session that begins now, with nothing in it.
func (c *Codec) New(now time.Time) Box {
	return Box{Content: []byte("{}"), Created: now, Duration: c.options.Duration}
}

// Load returns the session of a cookie, and whether its cookie is to be sent
// although nobody changes it: because it is invalid or over, then the session
// is a new one, or because it ends soon, then it has ActiveDuration more. A
// request without the cookie has the session [Codec.New], which is sent when
// something is in it.
//
// The elements of an array become members, as the middleware has them; of
// content that is neither an object nor an array there is nothing.
//
// The middleware does that when a handler first asks for the session, and not
// at all for a request where none does.
func (c *Codec) Load(value string, now time.Time) (b Box, send bool) {
	b, err := c.Decode(value)
	if err != nil {
		return c.New(now), true
	}
	b.Content = object(b.Content)
	now = time.UnixMilli(now.UnixMilli())
	switch left := b.Created.Add(b.Duration).Sub(now); {
	case left < 0:
		return c.New(now), true
	case left < c.options.ActiveDuration:
		b.Created = b.Created.Add(c.options.ActiveDuration)
		return b, true
	}
	return b, false
}

func object(content json.RawMessage) json.RawMessage {
	var elements []json.RawMessage
	switch bytes.TrimLeft(content, " \t\r\n")[0] {
	case '{':
		return content
	case '[':
		_ = json.Unmarshal(content, &elements) // it is an array
	}
	f := new(fields.Fields)
	for i, element := range elements {
		_ = f.Set(strconv.Itoa(i), element) // it is JSON
	}
	return f.Append(nil)
}

// SetCookie returns the Set-Cookie header of a session. begun is when the
// request began, tls whether it came over a secure connection. A cookie that is
// too long for browsers is made nevertheless: they keep 4096 bytes.
func (c *Codec) SetCookie(b Box, begun time.Time, tls bool) (string, error) {
	value, err := c.Encode(b)
	if err != nil {
		return "", err
	}
	o := c.options.Cookie
	a := cookies.Attributes{Path: o.Path, Domain: o.Domain, SameSite: o.SameSite, Scripts: o.Scripts}
	switch {
	case o.SecureProxy:
		a.Secure = cookies.AlwaysProxied
	case o.Secure:
		a.Secure = cookies.Always
	}
	switch {
	case o.MaxAge != 0:
		a.Expires = begun.Add(o.MaxAge)
	case !o.Ephemeral:
		// The header's time has whole seconds.
		a.Expires = b.Created.Add(b.Duration + time.Second)
	}
	return cookies.Header(c.options.Name, value, &a, cookies.V07, begun, tls)
}

// WithEphemeral returns the codec with the option cookie.ephemeral on or off.
// In the middleware, a call of setDuration(…, true) for one visitor does this
// for all visitors.
func (c *Codec) WithEphemeral(on bool) (*Codec, error) {
	d := *c
	d.options.Cookie.Ephemeral = on
	if err := d.options.Cookie.check(); err != nil {
		return nil, err
	}
	return &d, nil
}
