package koa

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/js"
)

// RecordKey is the default name of the cookie of koa-generic-session and
// koa-simple-session. Its value is the bare id, as uid-safe makes it.
const RecordKey = "koa.sid"

// Record is a session of koa-generic-session and koa-simple-session: the
// member cookie, with the attributes of its cookie, and the application's
// fields. It is not safe for concurrent use.
type Record struct{ fields *fields.Fields }

// defaults are the attributes of a cookie whose options do not give them.
var defaults = []struct {
	name  string
	value json.RawMessage
}{
	{"httpOnly", json.RawMessage("true")}, {"path", json.RawMessage(`"/"`)}, {"overwrite", json.RawMessage("true")},
	{"signed", json.RawMessage("true")}, {"maxAge", json.RawMessage("86400000")},
}

// Flavour is one of the two packages.
type Flavour uint8

// The packages. They differ in the order of the cookie's members, in what takes
// a cookie from the browser, and in what keeps a session from being saved.
const (
	Generic Flavour = iota
	Simple
)

// NewRecord returns a new session. config is the option cookie in JSON; empty
// means none.
func NewRecord(p Flavour, config []byte) (*Record, error) {
	given := new(fields.Fields)
	if len(config) > 0 {
		var err error
		if given, err = fields.Parse(config); err != nil {
			return nil, fmt.Errorf("koa: cookie option: %w", err)
		}
	}
	cookie := new(fields.Fields)
	set := func(name string, value json.RawMessage) { _ = cookie.Set(name, value) } // parsed before
	configure := func() {
		for _, name := range given.Names() {
			value, _ := given.Get(name)
			set(name, value)
		}
	}
	if p == Generic {
		configure()
	}
	for _, d := range defaults {
		if _, ok := cookie.Get(d.name); !ok {
			set(d.name, d.value)
		}
	}
	if p == Simple {
		configure()
	}
	r := &Record{fields: new(fields.Fields)}
	_ = r.fields.Set("cookie", cookie.Append(nil)) // as before
	return r, nil
}

// ParseRecord reads what is stored of a session.
func ParseRecord(stored []byte) (*Record, error) {
	f, err := fields.Parse(stored)
	if err != nil {
		return nil, ErrInvalid
	}
	return &Record{fields: f}, nil
}

// Names returns the names of the application's fields, in their order.
func (r *Record) Names() []string {
	return slices.DeleteFunc(r.fields.Names(), func(name string) bool { return name == "cookie" })
}

// Get returns a field as it is written; "cookie" is one.
func (r *Record) Get(name string) (json.RawMessage, bool) { return r.fields.Get(name) }

// Set gives a field a value. A change of "cookie" changes the session, too.
func (r *Record) Set(name string, value json.RawMessage) error {
	if err := r.fields.Set(name, slices.Clone(value)); err != nil {
		return fmt.Errorf("koa: record: %w", err)
	}
	return nil
}

// Delete removes a field, if it is there.
func (r *Record) Delete(name string) { r.fields.Delete(name) }

// Bytes returns what is to be stored.
func (r *Record) Bytes() []byte { return r.fields.Append(nil) }

// Attributes returns those of the session's cookie, and nil where the member
// cookie is missing, as after the assignment of another object: the cookie is
// not signed then, and the session is lost at the next request.
func (r *Record) Attributes() *cookies.Attributes {
	if value, _ := r.fields.Get("cookie"); !js.Truthy(value) {
		return nil
	}
	a := new(cookies.Attributes)
	cookie := r.cookie()
	value := func(name string) json.RawMessage { v, _ := cookie.Get(name); return v }
	text := func(name string) string { s, _ := js.String(value(name)); return s }
	a.Path = text("path")
	a.Domain = text("domain")
	a.Priority = text("priority")
	a.SameSite = text("sameSite")
	if string(value("sameSite")) == "true" {
		a.SameSite = "strict"
	}
	_, hasPath := cookie.Get("path")
	a.NoPath = hasPath && a.Path == ""
	if ms, ok := js.Number(value("maxAge")); ok {
		a.MaxAge = milliseconds(ms)
	}
	if ms, ok := js.ParseDate(text("expires")); ok {
		a.Expires = time.UnixMilli(ms)
	}
	switch {
	case js.Truthy(value("secureProxy")):
		a.Secure = cookies.AlwaysProxied
	case js.Truthy(value("secure")):
		a.Secure = cookies.Always
	case value("secure") != nil:
		a.Secure = cookies.Never
	}
	httpOnly, given := cookie.Get("httpOnly")
	a.Scripts = given && !js.Truthy(httpOnly)
	signed, given := cookie.Get("signed")
	a.Unsigned, a.Signed = given && !js.Truthy(signed), js.Truthy(signed)
	a.Overwrite, a.Partitioned = js.Truthy(value("overwrite")), js.Truthy(value("partitioned"))
	return a
}

func (r *Record) cookie() *fields.Fields {
	value, _ := r.fields.Get("cookie")
	if f, err := fields.Parse(value); err == nil {
		return f
	}
	return new(fields.Fields)
}

// Store are the options that decide where and for how long a session is kept.
// The zero value is the defaults.
type Store struct {
	Prefix string // default "koa:sess:"
	TTL    time.Duration
}

// Key returns the key of a session.
func (s Store) Key(id string) string {
	if s.Prefix == "" {
		return "koa:sess:" + id
	}
	return s.Prefix + id
}

// Expiry returns for how long a session is kept from now: the option, else
// until the cookie's expires, else its maxAge. It returns false where the
// session has no end.
func (s Store) Expiry(r *Record, now time.Time) (time.Duration, bool) {
	if s.TTL != 0 {
		return s.TTL, true
	}
	cookie := r.cookie()
	if value, _ := cookie.Get("expires"); js.Truthy(value) {
		if text, ok := js.String(value); ok {
			ms, _ := js.ParseDate(text)
			return time.UnixMilli(ms).Sub(now), true
		}
	}
	value, _ := cookie.Get("maxAge")
	ms, ok := js.Number(value)
	return milliseconds(ms), ok
}

// RedisSet returns the command by which koa-redis 4.0.1 and koa-simple-redis
// save a session, for so long if it ends.
func RedisSet(key string, value []byte, ttl time.Duration, ends bool) []string {
	seconds := int64(math.Ceil(ttl.Seconds()))
	if !ends || seconds == 0 {
		return []string{"SET", key, string(value)}
	}
	return []string{"SETEX", key, strconv.FormatInt(seconds, 10), string(value)}
}

// Seen is what there is to know about a session when a request ends.
type Seen struct {
	Gone   bool  // ctx.session was set to null
	New    bool  // it was not in the store
	Empty  bool  // it is as a new one is made
	Same   bool  // it is as it was loaded, the member cookie too
	Frozen bool  // Object.freeze was called, of koa-simple-session
	Save   *bool // ctx.sessionSave, of koa-generic-session
}

// Action is what is done at the end.
type Action uint8

// The actions.
const (
	Nothing Action = iota
	Save           // in the store, and its cookie is set
	Destroy        // and its cookie is taken from the browser
)

// AtEnd returns what is done at the end of a request, with the options rolling
// and allowEmpty.
func AtEnd(s Seen, rolling, allowEmpty bool) Action {
	switch {
	case s.Frozen, s.Save != nil && !*s.Save, s.Gone && s.New:
		return Nothing
	case s.Gone:
		return Destroy
	case s.Save != nil:
		return Save
	case s.New && s.Empty && !allowEmpty, s.Same && !s.New && !rolling:
		return Nothing
	}
	return Save
}

// Reset takes the cookie of an id from the browser, which is done when a
// session is destroyed, or was not there. koa-simple-session leaves the
// signature's cookie.
func Reset(p Flavour, j *cookies.Jar, key string) error {
	if p == Simple {
		return j.Set(key, "", nil)
	}
	return j.Set(key, "", &cookies.Attributes{Expires: time.UnixMilli(0)})
}
