package cookiesession_test

import (
	"slices"
	"testing"

	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/cookiesession"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/internal/flows"
	"github.com/holdfast-go/session/node/internal/script"
	"github.com/holdfast-go/session/node/internal/vectors"
)

func TestRequestVectors(t *testing.T) {
	vectors.Run(t, "cookie-session.json", "http", func(t *testing.T, r vectors.Request) {
		options := flows.Options(r)
		keys := flows.Keys(t, script.Member(options, "keys"))
		if secret, ok := script.Member(options, "secret").(string); ok && keys == nil {
			keys = flows.Keys(t, &script.Array{Items: []script.Value{secret}})
		}
		m := &middleware{
			t: t, jar: &cookies.Jar{Request: r.CookieHeader, Keys: keys, Now: r.Time()}, options: options,
			name: cookiesession.Name,
		}
		if name, ok := script.Member(options, "name").(string); ok {
			m.name = name
		}
		if _, ok := options.Own("overwrite"); !ok {
			options.Put("overwrite", true)
		}
		res, body := flows.Response()
		if _, err := flows.Run(t, r, m.request(), res); (err != nil) != (r.Status == 500) {
			t.Fatalf("got %v, want status %d", err, r.Status)
		} else if err != nil {
			return
		}
		m.header()
		if *body != r.Body {
			t.Errorf("got body %s, want %s", *body, r.Body)
		}
		if got := flows.Text(m.jar.Header()); !slices.Equal(got, r.SetCookie) {
			t.Errorf("got  %q\nwant %q", got, r.SetCookie)
		}
	})
}

// middleware is a request that goes through cookie-session, with the codec of
// this package.
type middleware struct {
	t       *testing.T
	jar     *cookies.Jar
	name    string
	options *script.Object
	session *cookiesession.Session // nil: not used
	object  *script.Object         // nil: set to null
}

func (m *middleware) attributes() cookies.Attributes { return *flows.Attributes(m.options) }

// show makes the object that the handler has of the session.
func (m *middleware) show(o *script.Object) {
	m.object = o
	o.Get = func(name string) (script.Value, bool) {
		m.store()
		switch name {
		case "isNew":
			return m.session.IsNew(), true
		case "isChanged":
			return m.session.Changed(), true
		case "isPopulated":
			return m.session.Fields.Len() > 0, true
		}
		return nil, false
	}
}

// store puts the object's fields into the session.
func (m *middleware) store() {
	if m.object == nil {
		return
	}
	flows.Store(m.t, m.session.Fields, m.object)
}

func (m *middleware) request() *script.Object {
	return &script.Object{
		Hidden: map[string]script.Value{"sessionOptions": m.options},
		Get: func(name string) (script.Value, bool) {
			if name != "session" {
				return nil, false
			}
			if m.session == nil {
				s, err := cookiesession.Load(m.jar, m.name, m.attributes())
				if err != nil {
					script.Throw(err.Error())
				}
				m.session = s
				m.show(script.Of(s.Fields.Append(nil)).(*script.Object))
			}
			if m.object == nil {
				return nil, true
			}
			return m.object, true
		},
		Set: func(name string, v script.Value) bool {
			if name != "session" {
				return false
			}
			o, ok := v.(*script.Object)
			switch {
			case ok:
				m.session = cookiesession.New(new(fields.Fields))
				copied := new(script.Object)
				for _, name := range o.Names() {
					if !cookiesession.Reserved(name) {
						copied.Put(name, script.Member(o, name))
					}
				}
				m.show(copied)
			case script.Nullish(v):
				m.session, m.object = cookiesession.New(nil), nil
			default:
				script.Throw("req.session can only be set as null or an object.")
			}
			return true
		},
	}
}

func (m *middleware) header() {
	if m.session == nil {
		return
	}
	m.store()
	// An error is not told to anybody.
	if err := m.session.Save(m.jar, m.name, m.attributes()); err != nil {
		m.t.Log(err)
	}
}
