// Package takeover keeps the visitors of a Node site logged in when a Go program
// replaces it. At a visitor's first request, the content of the old site's cookie
// becomes a session of a [session.Manager], and the old cookie is deleted.
// [Source.Adopt] is for session.Options.Adopt.
//
// The package is for sessions that live in cookies. Sessions in Redis or memcached
// need no takeover: express.Profile shares them.
//
// The old systems cannot revoke a session, but Adopt can: a cookie whose session was
// taken over, and has ended, opens nothing. Keep the option for as long as the
// longest visit lasts, and then remove it. Adopt recognizes a cookie in every
// spelling. But the old systems make a new cookie at each save, and an earlier cookie
// of the same session looks like one of another session.
//
// These cookies do not name an audience either. Every application that has the
// secrets of the old site accepts its visitors' cookies, and staging accepts those
// of production where both share secrets: give a Source the secrets of one site.
package takeover

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/node/clientsessions"
	"github.com/holdfast-go/session/node/cookies"
	"github.com/holdfast-go/session/node/cookiesession"
	"github.com/holdfast-go/session/node/doublebackup"
	"github.com/holdfast-go/session/node/fields"
	"github.com/holdfast-go/session/node/keygrip"
	"github.com/holdfast-go/session/node/koa"
)

// Source is where the old site has its sessions: one of the functions below
// makes one.
type Source struct {
	names []string // of the cookies, which are dropped
	read  func(header string, now time.Time) (old, error)

	// shared: two visitors with the same values have the same cookie.
	shared bool

	// Domain and Path are those that the old site set its cookies with. With
	// others they cannot be dropped.
	Domain, Path string

	// Accept, if not nil, may refuse a session: one that began before the last
	// change of a password, for example.
	Accept func(*http.Request, *fields.Fields) bool
}

// old is what a cookie holds. Its text is the cookie as the old site wrote it:
// one text, however a client spells what the old site reads as the same.
type old struct {
	fields *fields.Fields
	until  time.Time
	text   string
}

// errNone is the error for a good cookie that holds nothing.
var errNone = errors.New("takeover: the cookie holds no session")

// DoubleBackup reads the copies that sites with express-session and
// client-sessions keep, see package doublebackup.
func DoubleBackup(c *clientsessions.Codec) *Source {
	return single(c, func(value string, now time.Time) (*fields.Fields, time.Time, error) {
		r, until, err := doublebackup.Read(c, value, now)
		if err != nil {
			return nil, until, err
		}
		f := new(fields.Fields)
		for _, name := range r.Names() {
			v, _ := r.Get(name)
			if err := f.Set(name, v); err != nil {
				return nil, until, err
			}
		}
		return f, until, nil
	})
}

// ClientSessions reads the sessions of client-sessions.
func ClientSessions(c *clientsessions.Codec) *Source {
	return single(c, func(value string, now time.Time) (*fields.Fields, time.Time, error) {
		b, err := c.Decode(value)
		if err != nil {
			return nil, time.Time{}, err
		}
		until := b.Created.Add(b.Duration)
		if until.Before(now) {
			return nil, until, errNone
		}
		f, err := fields.Parse(b.Content)
		return f, until, err
	})
}

// CookieSession reads the sessions of cookie-session, which must be signed. name
// is "session" unless the site says otherwise.
//
// Visitors with the same values have the same cookie there. So a logout ends the
// old cookie of each of them, and Manager.Revoke ends none.
func CookieSession(name string, keys *keygrip.Keys) *Source {
	return signed(name, keys, func(value string, _ time.Time) (*fields.Fields, error) { return cookiesession.Decode(value) })
}

// Koa reads the sessions that koa-session keeps in cookies, which must be signed.
// name is "koa.sess", or "koa:sess" before version 6. CookieSession's words about
// visitors with the same values hold here too.
func Koa(name string, keys *keygrip.Keys) *Source {
	return signed(name, keys, func(value string, now time.Time) (*fields.Fields, error) {
		s, err := koa.DecodeSession(value)
		if err != nil {
			return nil, err
		}
		if s.Expired(now) {
			return nil, errNone
		}
		return s.Fields, nil
	})
}

func single(c *clientsessions.Codec, decode func(value string, now time.Time) (*fields.Fields, time.Time, error)) *Source {
	return &Source{names: []string{c.Name()}, read: func(header string, now time.Time) (old, error) {
		value, ok := cookies.Find(header, c.Name(), cookies.V07)
		if !ok {
			return old{}, errNone
		}
		_, text, err := c.DecodeCanonical(value)
		if err != nil {
			return old{}, err
		}
		f, until, err := decode(text, now)
		return old{fields: f, until: until, text: text}, err
	}}
}

func signed(name string, keys *keygrip.Keys, decode func(value string, now time.Time) (*fields.Fields, error)) *Source {
	read := func(header string, now time.Time) (old, error) {
		if keys == nil {
			return old{}, errors.New("takeover: no keys: everybody can write what is not signed")
		}
		jar := cookies.Jar{Request: header, Keys: keys, Now: now}
		value, ok, err := jar.GetSigned(name)
		if err != nil || !ok || value == "" {
			return old{}, errors.Join(errNone, err)
		}
		f, err := decode(value, now)
		return old{fields: f, text: value}, err // the signature is of this text
	}
	return &Source{names: []string{name, name + ".sig"}, read: read, shared: true}
}

// Read returns what the cookies of a request hold. Its error says that there is
// nothing, that it has ended, or that it is not what the old site made.
func (o *Source) Read(r *http.Request) (*fields.Fields, error) {
	c, err := o.read(header(r), time.Now())
	return c.fields, err
}

func header(r *http.Request) string { return strings.Join(r.Header["Cookie"], "; ") }

// Adopt returns what session.Options.Adopt needs. A field that cannot be the name
// of a key is left out. The Manager's own cookie needs another name than the old
// one. A forged cookie is neither taken nor deleted, and costs no store command.
func (o *Source) Adopt() *session.Adopt {
	return &session.Adopt{
		Cookie: o.names[0], Also: o.names[1:], Domain: o.Domain, Path: o.Path, Shared: o.shared,
		Token: func(r *http.Request) (string, bool) {
			c, err := o.read(header(r), time.Now())
			return c.text, err == nil
		},
		Read: func(r *http.Request, s *session.Session) (time.Time, error) {
			c, err := o.read(header(r), time.Now())
			if err != nil || o.Accept != nil && !o.Accept(r, c.fields) {
				return c.until, session.ErrNoSession
			}
			return c.until, Fill(s, c.fields)
		},
	}
}

// WhenAway is m.Handler for sites that would rather believe the old cookie than
// answer 503 while the store is away: it makes a new session of the cookie. It is not
// known then whether the visitor has another session in the store, which ends because
// of that, nor whether the visitor has logged out of this one: a copied cookie works
// again, as it did in Node. The Manager needs a Backup, and Adopt.
func (o *Source) WhenAway(m *session.Manager, next http.Handler) http.Handler {
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f, err := o.Read(r); err == nil && (o.Accept == nil || o.Accept(r, f)) {
			if _, err := m.From(r.Context()); errors.Is(err, session.ErrUnavailable) {
				if s, err := session.StartNew(r.Context()); err == nil {
					_ = Fill(s, f) // a failure is the commit's
				}
			}
		}
		next.ServeHTTP(w, r)
	}))
}

// Fill sets the fields as values of s, as they are written.
func Fill(s *session.Session, f *fields.Fields) error {
	for _, name := range f.Names() {
		if !isKey(name) {
			continue
		}
		value, _ := f.Get(name)
		session.NewKey[json.RawMessage](name).Set(s, value)
		if err := s.Err(); err != nil {
			return fmt.Errorf("takeover: %w", err)
		}
	}
	return nil
}

// isKey reports whether NewKey takes the name, and no session of Express has
// something else of it.
func isKey(name string) bool {
	control := func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' }
	return name != "" && name != "cookie" && len(name) <= 255 && utf8.ValidString(name) && !strings.ContainsFunc(name, control)
}
