// Package transport takes tokens from requests and puts them into answers: in a
// cookie, or in a header field for API clients.
package transport

import (
	"context"
	"net/http"
	"time"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/token"
)

// Transport is where and how tokens travel. Any number of goroutines may use it.
type Transport struct {
	Cookie Attributes
	Header string         // the field that carries the token, in canonical form; empty: the cookie does
	Format foreign.Format // how another system writes tokens; nil: they are ours
}

// Parse returns the token that has this text. IDs of the library's own records are
// no sessions, so a token that names one counts as absent: another system may
// have signed it.
func (tr *Transport) Parse(text string) (token.Token, bool) {
	if tr.Format == nil {
		return token.Parse(text)
	}
	id, ok := tr.Format.ParseToken(text)
	return token.Foreign(text, id), ok && !recordid.Reserved(id)
}

// NewToken returns a new token. ctx is that of the request it is for.
func (tr *Transport) NewToken(ctx context.Context) token.Token {
	if tr.Format == nil {
		return token.New()
	}
	return token.Foreign(tr.Format.NewToken(ctx))
}

// Receive returns the token that a request with this header carries. Anything
// that is not a token counts as absent; among several cookies of the name the
// first token counts.
func (tr *Transport) Receive(h http.Header) (token.Token, bool) {
	if tr.Header != "" {
		return tr.Parse(h.Get(tr.Header))
	}
	for _, line := range h["Cookie"] {
		for line != "" {
			var p cookieheader.Pair
			p, line = cookieheader.Next(line)
			if p.Name != tr.Cookie.Name {
				continue
			}
			if t, first, ok := tr.take(p); ok || first {
				return t, ok
			}
		}
	}
	return token.Token{}, false
}

// take returns the token in a cookie of its name. first reports that no later
// cookie of the name counts, whatever this one holds: so it is with another
// system, which unquotes and decodes by rules of its own.
func (tr *Transport) take(p cookieheader.Pair) (t token.Token, first, ok bool) {
	switch {
	case tr.Format == nil:
		t, ok = tr.Parse(p.Value())
		return t, false, ok
	case !p.Assigned:
		return token.Token{}, false, false
	}
	t, ok = tr.Parse(p.Raw)
	return t, true, ok
}

// Send puts t into the header of an answer, to last until end.
func (tr *Transport) Send(h http.Header, t token.Token, end time.Time) {
	if tr.Header != "" {
		h.Set(tr.Header, t.Reveal())
		headers.NoCache(h, tr.Header)
		return
	}
	cookie := tr.Cookie.Cookie(t.Reveal())
	cookie.MaxAge = tr.Cookie.MaxAge(end)
	h.Add("Set-Cookie", cookie.String())
	headers.NoCache(h, "Set-Cookie")
}

// Clear makes the client drop the token.
func (tr *Transport) Clear(h http.Header) {
	if tr.Header != "" {
		h.Set(tr.Header, "")
		headers.NoCache(h, tr.Header)
		return
	}
	h.Add("Set-Cookie", tr.Cookie.Drop(tr.Cookie.Name))
	headers.NoCache(h, "Set-Cookie")
}

// Varies returns the request field that an answer depends on once a handler has
// asked for the session.
func (tr *Transport) Varies() string {
	if tr.Header != "" {
		return tr.Header
	}
	return "Cookie"
}

// IsToken reports whether a cookie of that name carries the token.
func (tr *Transport) IsToken(name string) bool { return name == tr.Cookie.Name }
