package adopt

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/holdfast-go/session"
)

// Gorilla takes over the sessions of that name in old. lifetime is the longest
// that one of its cookies is good for: the MaxAge that old gives to its codecs.
func Gorilla(old sessions.Store, name string, lifetime time.Duration) *session.Adopt {
	return &session.Adopt{
		Cookie: name,
		// A cookie is another one after each Save: the ID stays, where the store
		// has one.
		Token: func(r *http.Request) (string, bool) {
			s, err := read(old, r, name)
			if s.ID != "" {
				return s.ID, true
			}
			c, none := r.Cookie(name)
			if err != nil || none != nil {
				return "", false
			}
			// securecookie reads several texts as the same bytes, of which one is
			// its own.
			b, err := base64.URLEncoding.DecodeString(c.Value)
			return base64.URLEncoding.EncodeToString(b), err == nil
		},
		Read: func(r *http.Request, s *session.Session) (time.Time, error) {
			g, err := read(old, r, name)
			if err != nil {
				return time.Time{}, err
			}
			if v, ok := g.Values["user"].(string); ok {
				user.Set(s, v)
			}
			if v, ok := g.Values["items"].(int); ok {
				items.Set(s, v)
			}
			return time.Now().Add(lifetime), nil
		},
	}
}

// read returns the old session, or session.ErrNoSession where the cookie is not
// genuine or has ended. Any other error is the old store's.
func read(old sessions.Store, r *http.Request, name string) (*sessions.Session, error) {
	s, err := old.New(r, name)
	var cookie securecookie.Error
	switch {
	case err == nil && s.IsNew, errors.Is(err, fs.ErrNotExist), errors.As(err, &cookie) && cookie.IsDecode():
		return s, session.ErrNoSession
	}
	return s, err
}
