package adopt

import (
	"context"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/holdfast-go/session"
)

// SCS takes over the sessions of old, whatever its store.
func SCS(old *scs.SessionManager) *session.Adopt {
	return &session.Adopt{
		Cookie: old.Cookie.Name, Domain: old.Cookie.Domain, Path: old.Cookie.Path,
		Read: func(r *http.Request, s *session.Session) (time.Time, error) {
			ctx, err := load(old, r)
			if err != nil {
				return time.Time{}, err
			}
			user.Set(s, old.GetString(ctx, "user"))
			items.Set(s, old.GetInt(ctx, "items"))
			return old.Deadline(ctx), nil // using the session does not put it off
		},
		// Without End a visitor who logs out here is still logged in where scs
		// serves, for as long as both run. A store that finds a token in another
		// spelling too (MySQL does not tell upper from lower case) would also let a
		// thief with a copy of the old cookie in again.
		End: func(r *http.Request) error {
			ctx, err := load(old, r)
			if err != nil {
				return err
			}
			return old.Destroy(ctx)
		},
	}
}

// load returns a context with the old session. scs makes a new one, which has
// no token, for a token that it does not know.
func load(old *scs.SessionManager, r *http.Request) (context.Context, error) {
	c, err := r.Cookie(old.Cookie.Name)
	if err != nil {
		return nil, session.ErrNoSession
	}
	// A context of its own: scs keeps its session in the context, and would take
	// one that LoadAndSave has put there.
	ctx, err := old.Load(detached{r.Context()}, c.Value)
	if err == nil && old.Token(ctx) == "" {
		err = session.ErrNoSession
	}
	return ctx, err
}

// detached is a context without the values of the one that it ends with.
type detached struct{ context.Context }

// Value returns nothing.
func (detached) Value(any) any { return nil }
