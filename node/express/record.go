package express

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/session/node/fields"
)

// Record is a session as it is stored: one JSON object with the member cookie
// and the application's fields. Fields keep their bytes and their order while
// nobody changes them. It is not safe for concurrent use.
type Record struct {
	fields  *fields.Fields
	cookie  *Cookie
	touched bool // the cookie is to be written anew
}

// reserved are the names that a session object in JavaScript has already:
// express-session drops fields of these names when it loads a session, and
// saves it without them.
var reserved = []string{
	"id", "req", "touch", "resetMaxAge", "save", "reload", "destroy", "regenerate",
	"constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString",
	"__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
}

// NewRecord returns a session without fields.
func NewRecord(c *Cookie) *Record {
	r := &Record{fields: new(fields.Fields), cookie: c, touched: true}
	_ = r.fields.Set("cookie", null) // the first place is the cookie's
	return r
}

// ParseRecord reads what is stored of a session. It refuses what makes the
// middleware answer 500 or crash: text that is no JSON object, one without a
// cookie, a cookie that is no object or whose originalMaxAge is a string. A
// cookie that carries a maxAge gets its end from now.
//
// The end of the cookie says nothing about the session: a store that is
// touched keeps the old text.
func ParseRecord(stored []byte, now time.Time) (*Record, error) {
	fields, err := fields.Parse(stored)
	if err != nil {
		return nil, fmt.Errorf("express: record: %w", err)
	}
	value, _ := fields.Get("cookie")
	c, err := parseCookie(value, now)
	if err != nil {
		return nil, fmt.Errorf("express: record: %w", err)
	}
	for _, name := range reserved {
		fields.Delete(name)
	}
	return &Record{fields: fields, cookie: c}, nil
}

// Cookie returns the cookie object. It is part of the record.
func (r *Record) Cookie() *Cookie { return r.cookie }

// Names returns the names of the application's fields, in their order.
func (r *Record) Names() []string {
	return slices.DeleteFunc(r.fields.Names(), func(name string) bool { return name == "cookie" })
}

// Get returns a field as it is written, which the caller must not change.
func (r *Record) Get(name string) (json.RawMessage, bool) {
	if name == "cookie" {
		return nil, false
	}
	return r.fields.Get(name)
}

// Set gives a field a value, which must be JSON; an integer beyond ±2^53 is
// another one after Node saved it. Names that express-session drops are
// refused.
func (r *Record) Set(name string, value json.RawMessage) error {
	switch {
	case name == "cookie":
		return errors.New("express: record: the cookie is not a field")
	case slices.Contains(reserved, name):
		return fmt.Errorf("express: record: field %q: every JavaScript session has something else of this name", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("express: record: field %q: the name is not UTF-8", name)
	}
	if err := r.fields.Set(name, slices.Clone(value)); err != nil {
		return fmt.Errorf("express: record: %w", err)
	}
	return nil
}

// Delete removes a field, if it is there.
func (r *Record) Delete(name string) {
	if name != "cookie" {
		r.fields.Delete(name)
	}
}

// Touch gives the session its time again, see [Cookie.Touch].
func (r *Record) Touch(now time.Time) {
	r.cookie.Touch(now)
	r.touched = true
}

// SetMaxAge gives the session another time, see [Cookie.SetMaxAge].
func (r *Record) SetMaxAge(ms float64, now time.Time) {
	r.cookie.SetMaxAge(ms, now)
	r.touched = true
}

// Bytes returns what is to be stored: the bytes that were parsed, if nothing
// was changed. A cookie whose time was changed keeps the members that
// express-session does not know; that drops them when it saves the session.
func (r *Record) Bytes() []byte {
	if r.touched {
		r.touched = false
		_ = r.fields.Set("cookie", r.cookie.stored())
	}
	return r.fields.Append(nil)
}
