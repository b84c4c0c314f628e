package inlink

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/token"
)

// Links are the links of one Manager. Any number of goroutines may use them.
type Links struct {
	Config *Config // complete
	Path   string  // that the token's cookie is sent to

	// Named reports whether a request with this header has a cookie of the token's name,
	// whatever is in it: its client keeps cookies.
	Named func(http.Header) bool

	// Elsewhere reports whether a request with this header and Host has, or may have, come
	// from anywhere but a page of this site.
	Elsewhere func(h http.Header, host string) bool

	// Plain reports whether others can read the request on its way.
	Plain func(*http.Request) bool

	Now func() time.Time
}

// Session returns the token that the visitor has after this answer, and the zero token
// where there is no session. It saves the session first where one could still begin.
// known is false where the session was not asked for, or could not be loaded.
type Session func() (t token.Token, known bool)

// visit is one request.
type visit struct {
	links *Links
	agent string
	at    string      // what the request has asked for, without a token
	use   bool        // links carry tokens
	token token.Token // that the request's URL carried; zero: none

	mu      sync.Mutex // guards all below
	session Session
	sealed  token.Token // what text is of
	text    string
	carried bool // a link has got it
}

// Serve runs next on a request, whose URL has no token any more. Where the client does
// without one, it is redirected to the URL without one.
func (l *Links) Serve(w http.ResponseWriter, r *http.Request, next func(http.ResponseWriter, *http.Request)) {
	keeps := l.Named(r.Header)
	v := &visit{links: l, agent: r.UserAgent()}
	v.use = !keeps && !l.Plain(r) && (l.Config.Only == nil || l.Config.Only(r))
	a := &answer{ResponseWriter: w, visit: v}
	setReferrerPolicy(w.Header())

	text, rest, found := cut(r.URL.RawQuery, l.Config.Param)
	if found {
		u := *r.URL
		u.RawQuery = rest
		r.URL, r.RequestURI = &u, here(r.RequestURI, l.Config.Param) // also for middleware that logs the request afterwards
		if v.use && !l.Elsewhere(r.Header, r.Host) {
			v.token, _ = l.Config.open(text, v.agent, l.Now())
		}
		if v.token == (token.Token{}) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			headers.NoStore(w.Header())
			w.Header().Set("Location", r.RequestURI)
			w.WriteHeader(http.StatusSeeOther)
			return
		}
		v.carried = true // caches know the answer by a URL with a token
	}
	v.at = r.RequestURI
	defer a.end()
	inner := r.WithContext(&visitContext{r.Context(), v})
	defer func() { *r = *inner.WithContext(r.Context()) }() // the pattern that matched, above all
	next(a, inner)
	a.returned = true
}

// visitContext is the context of a visit.
type visitContext struct {
	context.Context
	visit *visit
}

type visitKey struct{}

// Value finds the innermost visit under visitKey, and that of some Links under these.
func (c *visitContext) Value(key any) any {
	if _, ok := key.(visitKey); ok || key == c.visit.links {
		return c.visit
	}
	return c.Context.Value(key)
}

// String keeps the request, with its token, out of the output of a program that prints a
// context.
func (c *visitContext) String() string { return "session link" }

// field is where a request's header has the token of its URL. No client can send a field
// of that name.
const field = ":session-link"

// Bind sets the function by which the visit of ctx learns which token its links carry.
func (l *Links) Bind(ctx context.Context, s Session) {
	if l == nil {
		return
	}
	if v, ok := ctx.Value(l).(*visit); ok {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.session = s
	}
}

// Header returns the header h of a request with the token that its URL had, for Token.
func (l *Links) Header(ctx context.Context, h http.Header) http.Header {
	if l == nil {
		return h
	}
	v, ok := ctx.Value(l).(*visit)
	if !ok || v.token == (token.Token{}) {
		return h
	}
	with := make(http.Header, len(h)+1)
	for name, lines := range h {
		with[name] = lines
	}
	with[field] = []string{v.token.Reveal()}
	return with
}

// Token returns the token that Header has put into a header.
func Token(h http.Header) (token.Token, bool) {
	lines := h[field]
	if len(lines) == 0 {
		return token.Token{}, false
	}
	return token.Parse(lines[0])
}

// Link returns the reference to with the visitor's token, where the request that ctx
// belongs to needs that, and it leads to a page of this site.
func Link(ctx context.Context, to string) string {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok || !v.leads(to) {
		return to
	}
	return v.link(to)
}

// Field returns the parameter of the token and its value. They are empty where links
// have none.
func Field(ctx context.Context) (param, text string) {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok || !v.use {
		return "", ""
	}
	if text = v.carry(); text == "" {
		return "", ""
	}
	return v.links.Config.Param, text
}

// leads reports whether links carry tokens, and this one leads to a page of this site.
func (v *visit) leads(to string) bool { return v.use && ours(to, v.at, v.links.Path) }

func (v *visit) link(to string) string {
	text := v.carry()
	if text == "" {
		return to
	}
	return join(to, v.links.Config.Param, text)
}

// carry returns the text of the token that the visitor has after this answer, and notes
// that a link has it.
func (v *visit) carry() string {
	t := v.current()
	if t == (token.Token{}) {
		return ""
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sealed != t {
		v.sealed, v.text = t, v.links.Config.seal(t, v.agent, v.links.Now())
	}
	v.carried = true
	return v.text
}

// mayCarry reports whether the answer has a token, or may get one: a template that is
// executed into the answer writes the header before it comes to a link.
func (v *visit) mayCarry() bool {
	v.mu.Lock()
	carried := v.carried
	v.mu.Unlock()
	return carried || v.use && v.current() != (token.Token{})
}

// current returns the token that the visitor has after this answer.
func (v *visit) current() token.Token {
	v.mu.Lock()
	session := v.session
	v.mu.Unlock()
	if session != nil {
		if t, known := session(); known {
			return t
		}
	}
	return v.token
}
