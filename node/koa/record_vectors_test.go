package koa_test

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/internal/script"
	"github.com/holdfast-go/session/node/internal/vectors"
	"github.com/holdfast-go/session/node/koa"
)

func TestGenericSessionVectors(t *testing.T) {
	vectors.Run(t, file, "koaGeneric", func(t *testing.T, r row) { newRecordContext(t, r, koa.Generic).run() })
}

func TestSimpleSessionVectors(t *testing.T) {
	vectors.Run(t, file, "koaSimple", func(t *testing.T, r row) { newRecordContext(t, r, koa.Simple).run() })
}

// recordContext is the context of a request in koa-generic-session and
// koa-simple-session, with the codec of this package.
type recordContext struct {
	*request
	flavour koa.Flavour
	key     string
	where   koa.Store
	id      string
	session *script.Object // nil: set to null
	isNew   bool
	loaded  string
	save    *bool
	used    bool
}

func newRecordContext(t *testing.T, r row, f koa.Flavour) *recordContext {
	t.Helper()
	c := &recordContext{request: newRequest(t, r), flavour: f, key: koa.RecordKey}
	if key, ok := c.option("key").(string); ok {
		c.key = key
	}
	c.where.Prefix, _ = c.option("prefix").(string)
	if ms, ok := c.option("ttl").(float64); ok {
		c.where.TTL = time.Duration(ms * float64(time.Millisecond))
	}
	c.options.Remove("prefix") // it is the store's, not the ids'
	return c
}

func (c *recordContext) run() {
	hidden := map[string]script.Value{
		"regenerateSession": script.Func(func(...script.Value) script.Value {
			c.start()
			if !c.isNew {
				c.destroy()
			}
			c.renew()
			return c.session
		}),
		"saveSession": script.Func(func(...script.Value) script.Value { // looks into the store again
			c.op("get", c.where.Key(c.id), nil, nil)
			loaded, isNew := c.loaded, c.isNew
			c.loaded = string(c.store[c.where.Key(c.id)])
			c.isNew = c.loaded == ""
			c.commit()
			c.loaded, c.isNew = loaded, isNew
			return nil
		}),
	}
	if c.flavour == koa.Simple {
		hidden["refreshSessionTTL"] = script.Func(func(args ...script.Value) script.Value {
			c.op("ttl", c.where.Key(c.id), script.ToNumber(args[0]))
			return nil
		})
	}
	if !c.is("defer") {
		c.start()
	}
	ctx := c.context(hidden, func() script.Value {
		c.start()
		if c.session == nil {
			return nil
		}
		return c.session
	}, func(v script.Value) {
		if !c.used { // deferred: nobody looks into the store
			c.used, c.id = true, c.read()
		}
		c.session, _ = v.(*script.Object)
	})
	get, set := ctx.Get, ctx.Set
	ctx.Get = func(name string) (script.Value, bool) {
		if name == "sessionId" {
			return c.id, true
		}
		return get(name)
	}
	ctx.Set = func(name string, v script.Value) bool {
		if name == "sessionSave" && c.flavour == koa.Generic {
			if b, ok := v.(bool); ok {
				c.save = &b
			}
			return true
		}
		return set(name, v)
	}
	c.handle(ctx, func(failed bool) {
		if c.used && (!failed || c.flavour == koa.Generic) {
			c.commit()
		}
	})
}

func (c *recordContext) cookieOption() []byte {
	v, ok := c.options.Own("cookie")
	if !ok {
		return nil
	}
	b, _ := script.JSON(v)
	return b
}

// empty returns a new session.
func (c *recordContext) empty() *koa.Record {
	r, err := koa.NewRecord(c.flavour, c.cookieOption())
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// read returns the id in the cookie.
func (c *recordContext) read() string {
	get := c.jar.GetSigned
	if c.empty().Attributes().Unsigned {
		get = func(name string) (string, bool, error) { v, ok := c.jar.Get(name); return v, ok, nil }
	}
	id, _, err := get(c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// start gets the session, once.
func (c *recordContext) start() {
	if c.used {
		return
	}
	c.used = true
	id := c.read()
	if id == "" {
		c.isNew, c.id = true, c.newID()
		c.session = script.Of(c.empty().Bytes()).(*script.Object)
		return
	}
	c.id = id
	key := c.where.Key(id)
	c.op("get", key, nil, nil)
	if text, ok := c.store[key]; ok && c.valid() {
		r, err := koa.ParseRecord(text)
		if err != nil {
			c.t.Fatal(err)
		}
		c.session = script.Of(r.Bytes()).(*script.Object)
		c.loaded = c.text()
		return
	}
	c.renew()
}

// renew makes a new session under a new id.
func (c *recordContext) renew() {
	c.isNew, c.id = true, c.newID()
	c.session = script.Of(c.empty().Bytes()).(*script.Object)
	if err := koa.Reset(c.flavour, c.jar, c.key); err != nil {
		c.t.Fatal(err)
	}
}

func (c *recordContext) destroy() {
	key := c.where.Key(c.id)
	c.op("destroy", key)
	delete(c.store, key)
}

func (c *recordContext) text() string {
	b, _ := script.JSON(c.session)
	return string(b)
}

func (c *recordContext) commit() {
	seen := koa.Seen{Gone: c.session == nil, New: c.isNew, Save: c.save}
	if c.session != nil {
		seen.Empty = c.text() == string(c.empty().Bytes())
		seen.Same = c.text() == c.loaded
		seen.Frozen = c.session.Frozen && c.flavour == koa.Simple
	}
	switch koa.AtEnd(seen, c.is("rolling"), c.is("allowEmpty")) {
	case koa.Nothing:
	case koa.Destroy:
		if err := koa.Reset(c.flavour, c.jar, c.key); err != nil {
			c.t.Fatal(err)
		}
		c.destroy()
	case koa.Save:
		r, err := koa.ParseRecord([]byte(c.text()))
		if err != nil {
			c.t.Fatal(err)
		}
		var ttl any
		if d, ok := c.where.Expiry(r, c.now); ok {
			ttl = float64(d) / float64(time.Millisecond)
		}
		key := c.where.Key(c.id)
		c.op("set", key, string(r.Bytes()), ttl, nil)
		c.store[key] = r.Bytes()
		if err := c.jar.Set(c.key, c.id, r.Attributes()); err != nil {
			script.Throw(err.Error())
		}
	}
}

func TestRedisVectors(t *testing.T) {
	for i, want := range vectors.Rows[[]string](t, file, "koaRedis") {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			var got []string
			switch want[0] {
			case "setex":
				seconds, err := strconv.Atoi(want[2])
				if err != nil {
					t.Fatal(err)
				}
				// Any time that rounds up to these seconds.
				for _, less := range []time.Duration{0, 1, time.Second - 1} {
					ttl := time.Duration(seconds)*time.Second - less
					got = koa.RedisSet(want[1], []byte(want[3]), ttl, true)
					if got[0] != "SETEX" || !slices.Equal(got[1:], want[1:]) {
						t.Errorf("%v: got %q, want %q", ttl, got, want)
					}
				}
			case "set":
				got = koa.RedisSet(want[1], []byte(want[2]), 0, false)
				if got[0] != "SET" || !slices.Equal(got[1:], want[1:]) {
					t.Errorf("got %q, want %q", got, want)
				}
			case "get", "del": // the key alone, which Key makes
			default:
				t.Errorf("unknown command %q", want)
			}
		})
	}
}

func TestAnEndlessTTLIsKeptInRange(t *testing.T) {
	r, err := koa.ParseRecord([]byte(`{"cookie":{"maxAge":1e300}}`))
	if err != nil {
		t.Fatal(err)
	}
	var s koa.Store
	if d, ok := s.Expiry(r, time.UnixMilli(0)); !ok || d < math.MaxInt64/2 {
		t.Errorf("got %v, %v", d, ok)
	}
	if _, ok := s.Expiry(must(t, `{"cookie":{"maxAge":null}}`), time.UnixMilli(0)); ok {
		t.Error("got an end, want none")
	}
}

func must(t *testing.T, text string) *koa.Record {
	t.Helper()
	r, err := koa.ParseRecord(json.RawMessage(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
