package express

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/js"
)

// Cookie is the cookie object of a session: the attributes that its cookie is
// sent with, and when it ends. It is stored with the session.
//
// Members follow JavaScript: an absent one and null are not the same, and an
// unknown one is kept.
type Cookie struct {
	members *fields.Fields // as stored, or as the options have them
	expires moment
	max     json.RawMessage // originalMaxAge; nil where it is undefined
}

// moment is the member expires: a Date, which may be invalid, or any other
// value, nil where it is undefined.
type moment struct {
	date, valid bool
	ms          int64
	other       json.RawMessage
}

var null = json.RawMessage("null")

// NewCookie returns the cookie of a new session. config is the middleware's
// option cookie in JSON, with dates in ISO form; empty means none.
func NewCookie(config []byte, now time.Time) (*Cookie, error) {
	if len(config) == 0 {
		config = []byte("{}")
	}
	options, err := fields.Parse(config)
	if err != nil {
		return nil, fmt.Errorf("express: cookie option: %w", err)
	}
	c, err := build(options, now, true)
	if err != nil {
		return nil, fmt.Errorf("express: cookie option: %w", err)
	}
	if c.expires.date && !c.expires.valid {
		return nil, errors.New("express: cookie option: expires is no date")
	}
	if js.Null(c.max) {
		c.max = c.age(now)
	}
	return c, nil
}

// Resolve settles secure and sameSite "auto", for a request of which [Secure] says
// whether it came over TLS. The middleware does so when it makes a session, and
// stores the result. It omits this where the option cookie is a function.
func (c *Cookie) Resolve(secure bool) {
	if s, _ := js.String(c.member("secure")); s == "auto" {
		c.change("secure", boolean(secure))
	}
	if s, _ := js.String(c.member("sameSite")); s == "auto" {
		site := "lax"
		if secure {
			site = "none"
		}
		c.change("sameSite", js.Quote(site))
	}
}

func (c *Cookie) change(name string, value json.RawMessage) {
	_ = c.members.Set(name, value) // it is JSON
}

// parseCookie inflates what is stored. The middleware answers 500 to what is
// an error here, or crashes.
func parseCookie(stored json.RawMessage, now time.Time) (*Cookie, error) {
	options := new(fields.Fields)
	switch {
	case js.Null(stored):
		return nil, errors.New("no cookie object")
	case stored[0] == '{':
		var err error
		if options, err = fields.Parse(stored); err != nil {
			return nil, err
		}
	case stored[0] != '[' && js.Truthy(stored):
		return nil, errors.New("cookie is not an object")
	}
	c, err := build(options, now, false)
	if err != nil {
		return nil, err
	}
	value, _ := options.Get("expires")
	if s, ok := js.String(value); ok { // whatever a maxAge said
		c.expires.ms, c.expires.valid = js.ParseDate(s)
		c.expires.date = true
	}
	c.max, _ = options.Get("originalMaxAge")
	if _, number := js.Number(c.max); !number && js.Truthy(c.max) {
		return nil, errors.New("cookie.originalMaxAge is neither a number nor null")
	}
	return c, nil
}

// build assigns options in their order over the defaults, as the constructor
// of Cookie does.
func build(options *fields.Fields, now time.Time, dates bool) (*Cookie, error) {
	c := &Cookie{members: options, expires: moment{other: null}, max: null}
	for _, name := range options.Names() {
		value, _ := options.Get(name)
		switch name {
		case "expires":
			c.expires = moment{other: value}
			if s, ok := js.String(value); ok && dates {
				c.expires.ms, c.expires.valid = js.ParseDate(s)
				c.expires.date = true
			}
			c.max = c.age(now)
		case "maxAge":
			if n, ok := js.Number(value); ok {
				c.SetMaxAge(n, now)
			} else if js.Truthy(value) {
				return nil, errors.New("cookie.maxAge is not a number")
			} else {
				c.expires = moment{other: value}
				c.max = c.age(now)
			}
		case "originalMaxAge":
			c.max = value
		}
	}
	return c, nil
}

// Expires returns when the browser forgets the cookie. Without it, false, that
// is when the browser is closed.
func (c *Cookie) Expires() (time.Time, bool) {
	return time.UnixMilli(c.expires.ms), c.expires.date && c.expires.valid
}

// Ends reports whether expires is neither null nor absent, which decides whether
// the middleware sends the cookie again with changes.
func (c *Cookie) Ends() bool { return c.expires.date || !js.Null(c.expires.other) }

// MaxAge returns how long the cookie has from now, in milliseconds, and false
// where it has no end.
func (c *Cookie) MaxAge(now time.Time) (float64, bool) {
	if c.expires.date {
		if !c.expires.valid {
			return math.NaN(), true
		}
		return float64(c.expires.ms - now.UnixMilli()), true
	}
	return js.Number(c.expires.other)
}

// OriginalMaxAge returns the time, in milliseconds, that a touch gives the
// session, and false where it is null or absent.
func (c *Cookie) OriginalMaxAge() (float64, bool) { return js.Number(c.max) }

// SetMaxAge gives the cookie so many milliseconds from now, and each touch
// gives it as many again.
func (c *Cookie) SetMaxAge(ms float64, now time.Time) {
	c.expires = moment{date: true}
	c.expires.ms, c.expires.valid = js.TimeClip(float64(now.UnixMilli()) + ms)
	c.max = c.age(now)
}

// Touch gives the cookie its original time again. It is lost, and the session
// ends with the browser, where originalMaxAge is absent, as a program that is
// not express-session may have stored it.
func (c *Cookie) Touch(now time.Time) {
	if n, ok := js.Number(c.max); ok {
		c.SetMaxAge(n, now)
	} else {
		c.expires = moment{other: c.max}
	}
}

// Secure reports whether the cookie is only sent over TLS: the middleware sends
// none at all where a request did not come so.
func (c *Cookie) Secure() bool { return c.truthy("secure") }

// age is the getter of maxAge.
func (c *Cookie) age(now time.Time) json.RawMessage {
	if !c.expires.date {
		return c.expires.other
	}
	ms, _ := c.MaxAge(now)
	return js.FormatNumber(ms)
}

func (m moment) json() json.RawMessage {
	switch {
	case !m.date:
		return m.other
	case !m.valid:
		return null
	}
	return js.Quote(js.FormatDate(m.ms))
}

// cookieNames are the members that express-session stores, in its order.
var cookieNames = []string{
	"originalMaxAge", "partitioned", "priority", "expires", "secure", "httpOnly", "domain", "path", "sameSite",
}

// JSON returns the cookie object as express-session stores it, without the
// members that it does not know.
func (c *Cookie) JSON() []byte { return append(c.known(), '}') }

// stored is JSON with the members that it does not know at the end.
func (c *Cookie) stored() []byte {
	b := c.known()
	for _, name := range c.members.Names() {
		if name != "maxAge" && !slices.Contains(cookieNames, name) {
			value, _ := c.members.Get(name)
			b = appendMember(b, name, value)
		}
	}
	return append(b, '}')
}

func (c *Cookie) known() []byte {
	b := []byte{'{'}
	for _, name := range cookieNames {
		var value json.RawMessage
		switch name {
		case "originalMaxAge":
			value = c.max
		case "expires":
			value = c.expires.json()
		default:
			value = c.member(name)
		}
		if value != nil {
			b = appendMember(b, name, value)
		}
	}
	return b
}

func appendMember(b []byte, name string, value json.RawMessage) []byte {
	if len(b) > 1 {
		b = append(b, ',')
	}
	return append(append(append(b, js.Quote(name)...), ':'), value...)
}

// member returns a member, or its default, or nil.
func (c *Cookie) member(name string) json.RawMessage {
	if value, ok := c.members.Get(name); ok {
		return value
	}
	switch name {
	case "path":
		return json.RawMessage(`"/"`)
	case "httpOnly":
		return boolean(true)
	}
	return nil
}

func (c *Cookie) truthy(name string) bool { return js.Truthy(c.member(name)) }

func boolean(b bool) json.RawMessage {
	if b {
		return json.RawMessage("true")
	}
	return json.RawMessage("false")
}

// SetExpires gives the cookie an end. Each touch gives it as much time again as is
// left until then, as in JavaScript.
func (c *Cookie) SetExpires(t, now time.Time) {
	c.expires = moment{date: true, valid: true, ms: t.UnixMilli()}
	c.max = c.age(now)
}

// attributes are the members that a program sets, without what follows from
// them and the time.
func (c *Cookie) attributes() json.RawMessage {
	f, err := fields.Parse(c.stored())
	if err != nil {
		return json.RawMessage("{}")
	}
	if _, ok := c.OriginalMaxAge(); ok {
		f.Delete("expires")
	}
	return f.Append(nil)
}

// assign makes the changes that the members of an object say, as the
// middleware's option cookie has them.
func (c *Cookie) assign(options json.RawMessage, now time.Time) error {
	f, err := fields.Parse(options)
	if err != nil {
		return fmt.Errorf("express: cookie: %w", err)
	}
	for _, name := range f.Names() {
		value, _ := f.Get(name)
		n, number := js.Number(value)
		text, isText := js.String(value)
		switch {
		case name != "expires" && name != "maxAge" && name != "originalMaxAge":
			c.change(name, value)
		case number && name != "expires":
			c.SetMaxAge(n, now)
		case isText && name == "expires":
			ms, ok := js.ParseDate(text)
			if !ok {
				return errors.New("express: cookie.expires is no date")
			}
			c.SetExpires(time.UnixMilli(ms), now)
		case string(value) != "null" && string(value) != "false":
			return fmt.Errorf("express: cookie.%s cannot be %s", name, value)
		case name != "originalMaxAge" || f.Len() == 1:
			c.expires, c.max = moment{other: null}, null
		}
	}
	return nil
}
