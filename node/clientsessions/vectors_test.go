package clientsessions_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/node/clientsessions"
	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/internal/flows"
	"github.com/holdfast-go/session/node/internal/script"
	"github.com/holdfast-go/session/node/internal/vectors"
)

const file = "client-sessions.json"

type codecOptions struct {
	CookieName, RequestKey                  string
	Secret, SecretHex                       string
	EncryptionKeyHex, SignatureKeyHex       string
	EncryptionAlgorithm, SignatureAlgorithm string
}

func (o codecOptions) options(t *testing.T) clientsessions.Options {
	t.Helper()
	out := clientsessions.Options{
		Name: o.CookieName, Secret: []byte(o.Secret), Encryption: o.EncryptionAlgorithm, Signature: o.SignatureAlgorithm,
	}
	for from, to := range map[string]*[]byte{
		o.SecretHex: &out.Secret, o.EncryptionKeyHex: &out.EncryptionKey, o.SignatureKeyHex: &out.SignatureKey,
	} {
		if from != "" {
			*to = vectors.Unhex(t, from)
		}
	}
	return out
}

func newCodec(t *testing.T, o clientsessions.Options) *clientsessions.Codec {
	t.Helper()
	c, err := clientsessions.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEncodeVectors(t *testing.T) {
	const now = 1700000000000 // the clock of these rows
	type row struct {
		vectors.Row
		Opts                codecOptions
		IVHex, ContentJSON  string
		Duration, CreatedAt int64
		Cookie              string
	}
	vectors.Run(t, file, "encode", func(t *testing.T, r row) {
		c := newCodec(t, r.Opts.options(t))
		c.SetIV(vectors.Unhex(t, r.IVHex))
		if r.CreatedAt == 0 {
			r.CreatedAt = now
		}
		b := clientsessions.Box{
			Content: json.RawMessage(r.ContentJSON), Created: time.UnixMilli(r.CreatedAt),
			Duration: time.Duration(r.Duration) * time.Millisecond,
		}
		got, err := c.Encode(b)
		if err != nil || got != r.Cookie {
			t.Errorf("got  %s, %v\nwant %s", got, err, r.Cookie)
		}
		back, err := c.Decode(r.Cookie)
		if err != nil || string(back.Content) != r.ContentJSON || !back.Created.Equal(b.Created) {
			t.Errorf("got %v, %v back", back, err)
		}
	})
}

type decoded struct {
	Content             json.RawMessage
	CreatedAt, Duration int64
}

func TestDecodeVectors(t *testing.T) {
	type row struct {
		vectors.Row
		codecOptions
		Opts   *codecOptions
		Cookie string
		Result *decoded
		Throws *string
	}
	vectors.Run(t, file, "decode", func(t *testing.T, r row) {
		o := r.codecOptions
		if r.Opts != nil {
			o = *r.Opts
		}
		b, err := newCodec(t, o.options(t)).Decode(r.Cookie)
		if r.Result == nil {
			if !errors.Is(err, clientsessions.ErrInvalid) {
				t.Errorf("got %s, %v, want ErrInvalid", b.Content, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		same(t, b, *r.Result)
	})
}

func same(t *testing.T, b clientsessions.Box, want decoded) {
	t.Helper()
	var got, content any
	if err := errors.Join(json.Unmarshal(b.Content, &got), json.Unmarshal(want.Content, &content)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, content) {
		t.Errorf("got %s, want %s", b.Content, want.Content)
	}
	if b.Created.UnixMilli() != want.CreatedAt || b.Duration.Milliseconds() != want.Duration {
		t.Errorf("got %v for %v, want %d for %d", b.Created, b.Duration, want.CreatedAt, want.Duration)
	}
}

func TestRequestVectors(t *testing.T) {
	type row struct {
		vectors.Request
		SetCookieDecoded *decoded
	}
	vectors.Run(t, file, "http", func(t *testing.T, r row) {
		var o struct {
			codecOptions
			Duration       float64
			ActiveDuration *float64
			Cookie         json.RawMessage
		}
		if err := json.Unmarshal(r.Options, &o); err != nil {
			t.Fatal(err)
		}
		if o.CookieName == "" {
			o.CookieName = "session"
		}
		if o.Secret == "" && o.SecretHex == "" && o.EncryptionKeyHex == "" {
			o.Secret = "yo"
		}
		options := o.options(t)
		options.Duration = time.Duration(o.Duration) * time.Millisecond
		if a := o.ActiveDuration; a != nil {
			options.ActiveDuration = time.Duration(*a) * time.Millisecond
			if *a == 0 {
				options.ActiveDuration = -1
			}
		}
		if len(o.Cookie) > 0 {
			options.Cookie = attributes(t, o.Cookie)
		}
		c, err := clientsessions.New(options)
		switch refused := err != nil || options.Cookie.Secure; {
		case err != nil && len(r.SetCookie) == 0: // Node fails at each request, or says nothing and sends nothing
			return
		case refused != (r.Status == 500):
			t.Fatalf("got %v, want status %d: %s", err, r.Status, r.Body)
		case refused:
			return
		}
		c.SetIV([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})

		m := &middleware{t: t, codec: c, now: r.Time(), box: c.New(r.Time())}
		m.cookie, _ = cookies.Find(r.CookieHeader, c.Name(), cookies.V07)
		m.assign(new(script.Object))
		m.json = m.text()
		res, body := flows.Response()
		end := res.Hidden["end"].(script.Func)
		var sent []string
		write := func(args ...script.Value) script.Value {
			if sent == nil {
				sent = m.header()
			}
			return end(args...)
		}
		res.Hidden["end"] = script.Func(write)
		res.Hidden["write"] = script.Func(write)
		res.Hidden["writeHead"] = script.Func(
			func(...script.Value) script.Value { sent = m.header(); return nil })
		key := o.RequestKey
		if key == "" {
			key = o.CookieName
		}
		if _, err := flows.Run(t, r.Request, m.request(key), res); err != nil {
			t.Fatal(err)
		}
		if *body != r.Body {
			t.Errorf("got body %s, want %s", *body, r.Body)
		}
		if !slices.Equal(sent, r.SetCookie) {
			t.Errorf("got  %q\nwant %q", sent, r.SetCookie)
		}
		if r.SetCookieDecoded != nil && len(sent) > 0 {
			value, _, _ := strings.Cut(strings.TrimPrefix(sent[0], c.Name()+"="), ";")
			b, err := c.Decode(value)
			if err != nil {
				t.Fatal(err)
			}
			same(t, b, *r.SetCookieDecoded)
		}
	})
}

func attributes(t *testing.T, raw json.RawMessage) clientsessions.Cookie {
	t.Helper()
	v := script.Of(raw)
	a := flows.Attributes(v)
	return clientsessions.Cookie{
		Path: a.Path, Domain: a.Domain, SameSite: a.SameSite, Scripts: a.Scripts, MaxAge: a.MaxAge,
		Secure: a.Secure == cookies.Always, SecureProxy: a.Secure == cookies.AlwaysProxied,
		Ephemeral: script.Truthy(script.Member(v, "ephemeral")),
	}
}

// middleware is a request that goes through client-sessions, with the codec
// of this package.
type middleware struct {
	t             *testing.T
	codec         *clientsessions.Codec
	now           time.Time
	cookie        string
	box           clientsessions.Box
	content       *script.Object
	json          string
	loaded, dirty bool
}

func (m *middleware) text() string {
	b, _ := script.JSON(m.content)
	return string(b)
}

// assign makes an object the session.
func (m *middleware) assign(o *script.Object) {
	reset := script.Func(func(args ...script.Value) script.Value {
		m.reset(args...)
		return script.Undefined{}
	})
	o.Hidden = map[string]script.Value{"reset": reset, "destroy": reset, "setDuration": script.Func(func(args ...script.Value) script.Value {
		if !m.loaded && !m.load() {
			m.reset()
		}
		ms := script.ToNumber(args[0])
		m.box.Duration = time.Duration(ms) * time.Millisecond
		m.box.Created = m.now
		m.dirty = true
		codec, err := m.codec.WithEphemeral(len(args) > 1 && script.Truthy(args[1]))
		if err != nil {
			script.Throw(err.Error())
		}
		m.codec = codec
		return script.Undefined{}
	})}
	m.content = o
}

func (m *middleware) clear(keep ...script.Value) {
	for _, name := range m.content.Names() {
		kept := false
		for _, list := range keep {
			a, ok := list.(*script.Array)
			kept = kept || ok && slices.Contains(a.Items, script.Value(name))
		}
		if !kept {
			m.content.Remove(name)
		}
	}
}

func (m *middleware) reset(keep ...script.Value) {
	m.clear(keep...)
	m.box = m.codec.New(m.now)
	m.dirty, m.loaded = true, true
}

func (m *middleware) load() bool {
	if m.cookie == "" {
		return false
	}
	m.box, m.dirty = m.codec.Load(m.cookie, m.now)
	m.clear()
	if o, ok := script.Of(m.box.Content).(*script.Object); ok {
		for _, name := range o.Names() {
			m.content.Put(name, script.Member(o, name))
		}
	}
	m.loaded, m.json = true, m.text()
	return true
}

func (m *middleware) request(key string) *script.Object {
	return &script.Object{
		Get: func(name string) (script.Value, bool) {
			if name != key {
				return nil, false
			}
			if !m.loaded {
				m.load()
			}
			return m.content, true
		},
		Set: func(name string, v script.Value) bool {
			if name != key {
				return false
			}
			o, ok := v.(*script.Object)
			if !ok {
				script.Throw("cannot set client-session to non-object")
			}
			m.assign(o)
			return true
		},
	}
}

func (m *middleware) header() []string {
	if !m.dirty && m.text() == m.json {
		return []string{}
	}
	m.box.Content = json.RawMessage(m.text())
	header, err := m.codec.SetCookie(m.box, m.now, false)
	if err != nil {
		return []string{} // the middleware says nothing
	}
	return []string{header}
}
