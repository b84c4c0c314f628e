// Package takeover keeps the visitors of a Node site logged in when Go takes
// over: what a cookie of the old site holds becomes a session of a
// [session.Manager] at the visitor's first request, and the old cookie goes.
//
// It is for sessions that are in cookies. Those in Redis or memcached need none
// of it: express.Profile has them as they are.
//
// The old systems take nothing back: who has copied a cookie can bring it again
// until it ends, after a logout too. So take over for as long as the longest
// visit lasts, and then take the handler out.
//
// Nor do they name whom a cookie is for. Every application that has the secrets
// of the old site takes its visitors over, and so do staging and production where
// they share them: give a Source the secrets of one site.
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
	read  func(header string, now time.Time) (*fields.Fields, error)

	// Domain and Path are those that the old site set its cookies with. With
	// others they cannot be dropped.
	Domain, Path string

	// WhenAway makes a new session of the cookie also where the store does not
	// answer: then it is not known whether the visitor has one there that is
	// newer, and what that one holds is lost. It needs a Backup.
	WhenAway bool

	// Accept, if not nil, may refuse a session: one that began before the last
	// change of a password, for example.
	Accept func(*http.Request, *fields.Fields) bool
}

// errNone is that a cookie is good and holds nothing.
var errNone = errors.New("takeover: the cookie holds no session")

// DoubleBackup reads the copies that sites with express-session and
// client-sessions keep, see package doublebackup.
func DoubleBackup(c *clientsessions.Codec) *Source {
	return single(c.Name(), func(value string, now time.Time) (*fields.Fields, error) {
		r, _, err := doublebackup.Read(c, value, now)
		if err != nil {
			return nil, err
		}
		f := new(fields.Fields)
		for _, name := range r.Names() {
			v, _ := r.Get(name)
			if err := f.Set(name, v); err != nil {
				return nil, err
			}
		}
		return f, nil
	})
}

// ClientSessions reads the sessions of client-sessions.
func ClientSessions(c *clientsessions.Codec) *Source {
	return single(c.Name(), func(value string, now time.Time) (*fields.Fields, error) {
		b, err := c.Decode(value)
		if err != nil {
			return nil, err
		}
		if b.Created.Add(b.Duration).Before(now) {
			return nil, errNone
		}
		return fields.Parse(b.Content)
	})
}

// CookieSession reads the sessions of cookie-session, which must be signed. name
// is "session" unless the site says otherwise.
func CookieSession(name string, keys *keygrip.Keys) *Source {
	return signed(name, keys, func(value string, _ time.Time) (*fields.Fields, error) { return cookiesession.Decode(value) })
}

// Koa reads the sessions that koa-session keeps in cookies, which must be
// signed. name is "koa.sess", or "koa:sess" before version 6.
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

func single(name string, decode func(value string, now time.Time) (*fields.Fields, error)) *Source {
	return &Source{names: []string{name}, read: func(header string, now time.Time) (*fields.Fields, error) {
		value, ok := cookies.Find(header, name, cookies.V07)
		if !ok {
			return nil, errNone
		}
		return decode(value, now)
	}}
}

func signed(name string, keys *keygrip.Keys, decode func(value string, now time.Time) (*fields.Fields, error)) *Source {
	return &Source{names: []string{name, name + ".sig"}, read: func(header string, now time.Time) (*fields.Fields, error) {
		if keys == nil {
			return nil, errors.New("takeover: no keys: everybody can write what is not signed")
		}
		jar := cookies.Jar{Request: header, Keys: keys, Now: now}
		value, ok, err := jar.GetSigned(name)
		if err != nil || !ok || value == "" {
			return nil, errors.Join(errNone, err)
		}
		return decode(value, now)
	}}
}

// Read returns what the cookies of a request hold. Its error says that there is
// nothing, that it has ended, or that it is not what the old site made.
func (o *Source) Read(r *http.Request) (*fields.Fields, error) {
	return o.read(strings.Join(r.Header["Cookie"], "; "), time.Now())
}

// Handler is m.Handler, which also takes over. Requests without the old cookie
// cost nothing more. Where there is one, the session is loaded before next runs:
//
//   - The visitor has a session: it stays as it is.
//   - There is none: one begins with the values of the old one, under an ID that
//     nobody has seen before. A field that cannot be the name of a key is left
//     out.
//
// The Manager's own cookie needs another name than the old one. That is dropped
// in the same answer, and so it is when a visitor with
// a session brings it again. A forged one is neither taken nor touched.
func (o *Source) Handler(m *session.Manager, next http.Handler) http.Handler {
	return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.carried(r) {
			o.takeOver(w, r)
		}
		next.ServeHTTP(w, r)
	}))
}

func (o *Source) carried(r *http.Request) bool {
	for _, line := range r.Header["Cookie"] {
		if strings.Contains(line, o.names[0]+"=") {
			return true
		}
	}
	return false
}

func (o *Source) takeOver(w http.ResponseWriter, r *http.Request) {
	f, broken := o.Read(r)
	if broken != nil || o.Accept != nil && !o.Accept(r, f) {
		return
	}
	s, err := session.From(r.Context())
	switch {
	case err == nil && s.ID() != "":
		o.drop(w)
		return
	case errors.Is(err, session.ErrUnavailable) && o.WhenAway:
		s, err = session.Begin(r.Context())
	}
	if err != nil {
		return // nobody knows: the cookie stays for the next request
	}
	if err := Fill(s, f); err == nil { // else the commit answers it
		o.drop(w)
	}
}

// Fill sets the fields as values of s, as they are written.
func Fill(s *session.Session, f *fields.Fields) error {
	for _, name := range f.Names() {
		if !isKey(name) {
			continue
		}
		value, _ := f.Get(name)
		if err := session.NewKey[json.RawMessage](name).Set(s, value); err != nil {
			return fmt.Errorf("takeover: %w", err)
		}
	}
	return nil
}

// isKey tells whether NewKey takes the name, and no session of Express has
// something else of it.
func isKey(name string) bool {
	control := func(r rune) bool { return r < ' ' || r == 0x7f || r == '/' }
	return name != "" && name != "cookie" && len(name) <= 255 && utf8.ValidString(name) && !strings.ContainsFunc(name, control)
}

func (o *Source) drop(w http.ResponseWriter) {
	path := o.Path
	if path == "" {
		path = "/"
	}
	for _, name := range o.names {
		http.SetCookie(w, &http.Cookie{Name: name, Domain: o.Domain, Path: path, MaxAge: -1, HttpOnly: true})
	}
}
