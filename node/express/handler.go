package express

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/node/internal/js"
)

// visit is what is known of a request before its session is asked for.
type visit struct {
	request *http.Request
	config  string // the option cookie
	secure  bool
	gone    bool // Unset
}

type visitKey struct{ *Profile }

func (p *Profile) visit(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{p}).(*visit)
	return v
}

// Handler is Manager.Handler for the requests that the middleware has a session
// for: those whose path begins with the cookie's. Others go to next without one,
// where session.From panics. The path is the one that the request came with,
// whatever http.StripPrefix made of it.
//
// A visitor who comes over plain http, where the cookie is for TLS only, can
// read a session and not write one: session.ErrReadOnly, where the middleware
// stores one after the other and sends no cookie. Behind a proxy that ends TLS
// set Proxy or Secure.
func (p *Profile) Handler(m *session.Manager, next http.Handler) http.Handler {
	readOnly, whole := m.ReadOnly(next), m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.Resave || p.Rolling || p.SaveUninitialized {
			s, err := session.From(r.Context())
			if err == nil && p.SaveUninitialized && s.ID() == "" {
				cookieKey.Set(s, json.RawMessage("{}"))
			}
		}
		next.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{request: r, config: p.Cookie}
		if p.CookieFunc != nil {
			v.config = p.CookieFunc(r)
		}
		c, err := NewCookie([]byte(v.config), time.Now())
		if err == nil {
			v.secure = p.isSecure(r)
			c.Resolve(v.secure)
			_, err = c.SetCookie(p.name(), "v")
		}
		if err != nil {
			http.Error(w, "session failed", http.StatusInternalServerError) // CookieFunc's doing
			return
		}
		path, _ := js.String(c.member("path"))
		if !inPath(path, originalPath(r)) {
			next.ServeHTTP(w, r)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{p}, v))
		if c.Secure() && !v.secure {
			readOnly.ServeHTTP(w, r)
			return
		}
		whole.ServeHTTP(w, r)
	})
}

func (p *Profile) isSecure(r *http.Request) bool {
	express := p.Secure != nil && p.Secure(r)
	return Secure(p.Proxy, r.TLS != nil, express, r.Header.Get("X-Forwarded-Proto"))
}

// originalPath is the path of the request line, percent-encoding and all.
func originalPath(r *http.Request) string {
	target := r.RequestURI
	if target == "" {
		target = r.URL.RequestURI()
	}
	if !strings.HasPrefix(target, "/") {
		u, err := url.Parse(target)
		if err != nil {
			return ""
		}
		return u.EscapedPath()
	}
	path, _, _ := strings.Cut(target, "?")
	return path
}

func lower(s string) string { return strings.ToLower(s) }
