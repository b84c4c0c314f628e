package koa_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/flows"
	"github.com/holdfast-go/session/node/internal/script"
	"github.com/holdfast-go/session/node/internal/vectors"
	"github.com/holdfast-go/session/node/koa"
)

func TestSessionInCookieVectors(t *testing.T) {
	vectors.Run(t, file, "koaSessionCookie", func(t *testing.T, r row) { newSessionContext(t, r, false).run() })
}

func TestSessionInStoreVectors(t *testing.T) {
	vectors.Run(t, file, "koaSessionStore", func(t *testing.T, r row) { newSessionContext(t, r, true).run() })
}

// sessionContext is koa-session's context of a request, with the codec of this
// package.
type sessionContext struct {
	*request
	stored   bool
	key      string // the cookie's name
	session  *koa.Session
	object   *script.Object // nil: set to null
	external string
	found    bool // there was a session: a replaced one is compared with it
	forced   bool
}

func newSessionContext(t *testing.T, r row, stored bool) *sessionContext {
	t.Helper()
	c := &sessionContext{request: newRequest(t, r), stored: stored, key: koa.SessionKey}
	if key, ok := c.option("key").(string); ok {
		c.key = key
	}
	if _, given := c.options.Own("overwrite"); !given {
		c.options.Put("overwrite", true)
	}
	return c
}

func (c *sessionContext) run() {
	if c.stored {
		c.fromStore()
	}
	hidden := map[string]script.Value{}
	ctx := c.context(hidden, c.get, c.set)
	c.handle(ctx, func(bool) {
		if c.option("autoCommit") != false {
			c.commit("")
		}
	})
}

// read returns the cookie, whose signature is compared.
func (c *sessionContext) read() string {
	get := c.jar.GetSigned
	if c.option("signed") == false {
		get = func(name string) (string, bool, error) { v, ok := c.jar.Get(name); return v, ok, nil }
	}
	value, _, err := get(c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return value
}

func (c *sessionContext) fromStore() {
	if c.external = c.read(); c.external == "" {
		c.create(nil)
		return
	}
	key := c.external
	c.op("get", key, c.option1("maxAge"), map[string]bool{"rolling": c.is("rolling")})
	text, ok := c.store[key]
	if !ok {
		c.event("session:missed", &key)
		c.create(nil)
		return
	}
	c.load(&key, func() (*koa.Session, error) { return koa.ParseSession(text) })
}

// option1 is an option as JSON has it.
func (c *sessionContext) option1(name string) any {
	if v, ok := c.options.Own(name); ok {
		return v
	}
	return nil
}

func (c *sessionContext) load(key *string, parse func() (*koa.Session, error)) {
	s, err := parse()
	switch {
	case err != nil:
		c.create(nil)
	case s.Expired(c.now):
		c.event("session:expired", key)
		c.create(nil)
	case !c.valid():
		c.event("session:invalid", key)
		c.create(nil)
	default:
		c.found = true
		c.create(s)
	}
}

// create makes s, or a new session, the request's.
func (c *sessionContext) create(s *koa.Session) {
	if s == nil {
		maxAge := c.option("maxAge")
		s = koa.NewSession(0, maxAge == "session")
		if ms, ok := maxAge.(float64); ok {
			s.MaxAge = time.Duration(ms * float64(time.Millisecond))
		}
		c.found = false
		if c.stored {
			c.external = c.newID()
		}
	}
	c.session = s
	c.show(!c.found)
}

func (c *sessionContext) show(isNew bool) {
	o := script.Of(c.session.Fields.Append(nil)).(*script.Object)
	commit := func(reason koa.Reason) script.Func {
		return func(...script.Value) script.Value { c.commit(reason); return script.Undefined{} }
	}
	o.Hidden = map[string]script.Value{
		"save": commit("save"), "regenerate": commit("regenerate"), "manuallyCommit": commit(""), "commit": commit(""),
		"isNew": isNew, "externalKey": c.external,
		"toJSON": script.Func(func(...script.Value) script.Value { return public(o) }),
	}
	o.Get = func(name string) (script.Value, bool) {
		switch name {
		case "length":
			return float64(len(public(o).Names())), true
		case "populated":
			return len(public(o).Names()) > 0, true
		case "maxAge":
			switch {
			case c.session.UntilClosed:
				return "session", true
			case c.session.MaxAge == 0:
				return script.Undefined{}, true
			}
			return float64(c.session.MaxAge) / float64(time.Millisecond), true
		}
		return nil, false
	}
	o.Set = func(name string, v script.Value) bool {
		switch name {
		case "isNew":
			o.Hidden[name] = v
			return true
		case "maxAge":
		default:
			return false
		}
		c.forced = true
		c.session.UntilClosed = v == "session"
		c.session.MaxAge = 0
		if ms, ok := v.(float64); ok {
			c.session.MaxAge = time.Duration(ms * float64(time.Millisecond))
		}
		return true
	}
	c.object = o
}

// public is what JSON has of a session.
func public(o *script.Object) *script.Object {
	out := new(script.Object)
	for _, name := range o.Names() {
		if v, _ := o.Own(name); !strings.HasPrefix(name, "_") {
			out.Put(name, v)
		}
	}
	return out
}

func (c *sessionContext) get() script.Value {
	if c.session == nil {
		if value := c.read(); value == "" {
			c.create(nil)
		} else {
			c.load(nil, func() (*koa.Session, error) { return koa.DecodeSession(value) })
		}
	}
	if c.object == nil {
		return nil
	}
	return c.object
}

func (c *sessionContext) set(v script.Value) {
	o, ok := v.(*script.Object)
	switch {
	case v == nil:
		if c.session == nil {
			c.session = koa.NewSession(0, false)
		}
		c.object = nil
		return
	case !ok:
		script.Throw("this.session can only be set as null or an object.")
	}
	if c.session == nil { // the cookie is not read any more
		found := c.found
		c.create(nil)
		c.found = found
	}
	f := new(fields.Fields)
	for _, name := range o.Names() {
		if text, ok := script.JSON(script.Member(o, name)); ok {
			if err := f.Set(name, text); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	c.session.Replace(f)
	c.show(false)
}

func (c *sessionContext) commit(force koa.Reason) {
	switch {
	case c.session == nil:
		return
	case c.object == nil:
		c.remove()
		return
	}
	flows.Store(c.t, c.session.Fields, c.object)
	reason := c.session.Due(c.is("rolling"), c.is("renew"), c.now)
	if force != "" || c.forced {
		reason = "force"
	}
	if force == "regenerate" {
		c.remove()
		if c.stored {
			c.external = c.newID()
		}
	}
	if reason == koa.Unchanged {
		return
	}
	a := c.attributes()
	a.MaxAge = c.session.MaxAge
	value := c.external
	if c.stored {
		var ttl any = "session"
		if d, ok := c.session.StoreTTL(); ok {
			ttl = float64(d) / float64(time.Millisecond)
		}
		text := c.session.Bytes(c.now)
		c.op("set", value, string(text), ttl, map[string]bool{"changed": reason == koa.Changed, "rolling": c.is("rolling")})
		c.store[value] = text
	} else {
		value = c.session.Encode(c.now)
	}
	if err := c.jar.Set(c.key, value, &a); err != nil {
		script.Throw(err.Error())
	}
}

func (c *sessionContext) attributes() cookies.Attributes {
	a := *flows.Attributes(c.options)
	a.MaxAge = 0
	return a
}

func (c *sessionContext) remove() {
	if c.stored {
		c.op("destroy", c.external)
		delete(c.store, c.external)
	}
	a := c.attributes()
	a.Expires = time.UnixMilli(0)
	if err := c.jar.Set(c.key, "", &a); err != nil {
		script.Throw(err.Error())
	}
}
