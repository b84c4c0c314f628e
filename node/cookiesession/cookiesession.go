// Package cookiesession reads and writes the cookies of cookie-session 2.1.1: a
// whole session in base64, which everybody can read, and its signature in a second
// cookie. The session has no end: a copied pair of cookies stays valid.
package cookiesession

import (
	"encoding/base64"
	"errors"
	"slices"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/js"
)

// Name is the default of the option name.
const Name = "session"

// maxValue is the longest value that is decoded. Node's servers take headers of
// 16 KB, all cookies together; browsers keep 4096 bytes of a cookie.
const maxValue = 16 << 10

// ErrInvalid is the error for a value that holds no session. The middleware then
// begins a new session.
var ErrInvalid = errors.New("cookiesession: the cookie holds no session")

// reserved are the names that a session object in JavaScript has already, and
// that are dropped when a session is read.
var reserved = []string{
	"_ctx", "isChanged", "isNew", "isPopulated",
	"constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString",
	"__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
}

// Encode returns the value of a session's cookie.
func Encode(f *fields.Fields) string { return base64.StdEncoding.EncodeToString(f.Append(nil)) }

// Decode reads the value of a cookie whose signature is right. A null is an
// empty session.
func Decode(value string) (*fields.Fields, error) {
	if len(value) > maxValue {
		return nil, ErrInvalid
	}
	text := js.UTF8(js.Base64(value))
	if string(text) == "null" {
		return new(fields.Fields), nil
	}
	f, err := fields.Parse(text)
	if err != nil {
		return nil, ErrInvalid
	}
	for _, name := range reserved {
		f.Delete(name)
	}
	return f, nil
}

// Reserved reports whether a field of that name is lost when the session is read
// again.
func Reserved(name string) bool { return slices.Contains(reserved, name) }

// Session is the session of a request. The zero value is a new one. It is not
// safe for concurrent use.
type Session struct {
	Fields *fields.Fields // nil: the session was set to null
	value  string         // the cookie, of a session that is not new
	old    bool
}

// New returns a new session with fields, as the handler's assignment of an
// object makes it.
func New(f *fields.Fields) *Session { return &Session{Fields: f} }

// Load returns the session of a jar: a new one where the cookie is not there,
// is not signed rightly, or holds no session. The option signed: false is
// Attributes.Unsigned.
func Load(j *cookies.Jar, name string, a cookies.Attributes) (*Session, error) {
	get := j.GetSigned
	if a.Unsigned || j.Keys == nil {
		get = func(name string) (string, bool, error) { value, ok := j.Get(name); return value, ok, nil }
	}
	value, ok, err := get(name)
	if err != nil {
		return nil, err
	}
	if ok && value != "" {
		if f, err := Decode(value); err == nil {
			return &Session{Fields: f, value: value, old: true}, nil
		}
	}
	return New(new(fields.Fields)), nil
}

// IsNew reports whether there was no such session before this request.
func (s *Session) IsNew() bool { return !s.old }

// Changed reports whether its cookie would have another value now.
func (s *Session) Changed() bool { return !s.old || s.Fields == nil || Encode(s.Fields) != s.value }

// Save sets the session's cookie, if there is a need: it was set to null, it
// was changed and was there before, or something is in it. So a session that
// is replaced by an empty one stays in the browser as it was; set it to null
// to end it.
func (s *Session) Save(j *cookies.Jar, name string, a cookies.Attributes) error {
	switch {
	case s.Fields == nil:
		return j.Set(name, "", &a)
	case (s.old || s.Fields.Len() > 0) && s.Changed():
		return j.Set(name, Encode(s.Fields), &a)
	}
	return nil
}
