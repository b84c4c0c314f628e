// Package transport takes tokens from requests and puts them into answers: in a
// cookie, or in a header field for API clients. Package headers says which fields may carry a
// token, and package inlink puts tokens into links.
//
// Where to look: transport.go finds the token of a request and writes that of an answer, and
// action.go says which. cookie.go has the attributes of cookies, over https and over http;
// proxy.go says whether a client came over https, and origin.go whether another site made
// the request. links.go has the side of package inlink.
package transport

import (
	"context"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/foreign"
	"github.com/holdfast-go/session/internal/headers"
	"github.com/holdfast-go/session/internal/inlink"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/token"
)

// Transport is where and how tokens travel. Any number of goroutines may use it.
type Transport struct {
	Cookie Attributes
	Header string         // the field that carries the token, in canonical form; empty: the cookie does
	Format foreign.Format // how another system writes tokens; nil: they are ours
	Links  *inlink.Links  // of clients that keep no cookies; nil: none carries a token

	// Plain carries the tokens of requests over plain http, where Cookie.Secure tells; nil:
	// all requests are alike.
	Plain *Transport

	hosts hosts
}

// Configure sets how tokens travel: by a cookie with these attributes, or by the field of
// this name where it is not empty, in the format of another system or, where it is nil, in
// ours.
func (tr *Transport) Configure(cookie Attributes, header string, format foreign.Format) {
	tr.Cookie, tr.Format = cookie, format
	tr.Header = textproto.CanonicalMIMEHeaderKey(header)
	if cookie.Secure != nil && header == "" {
		tr.Plain = &Transport{Cookie: cookie.OverHTTP()}
	}
}

// Of returns the transport of a request's token. A request over TLS to this process is
// secure, and nothing is asked.
func (tr *Transport) Of(r *http.Request) *Transport {
	if tr.Plain == nil || r.TLS != nil || tr.Cookie.Secure(r) {
		return tr
	}
	return tr.Plain
}

// OfHeader is Of for a request of which no more is known than its header and Host. A browser
// sends a Secure cookie over TLS alone, so that one with a token shows how the request came.
func (tr *Transport) OfHeader(ctx context.Context, h http.Header, host string) *Transport {
	if tr.Plain == nil {
		return tr
	}
	if _, secure := tr.Receive(h); secure {
		return tr
	}
	r := &http.Request{Header: h, Host: host, URL: new(url.URL)}
	return tr.Of(r.WithContext(ctx))
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

// TakesCopies reports whether the client of a request with this header may keep copies
// of its session: one whose token travels in a header field or in links keeps no cookies.
func (tr *Transport) TakesCopies(h http.Header) bool {
	_, inLink := inlink.Token(h)
	return tr.Header == "" && !inLink
}

// maxTwins is how many tokens of one request are looked at.
const maxTwins = 4

// Receive returns the first token that a request with this header carries. Anything
// that is not a token counts as absent.
func (tr *Transport) Receive(h http.Header) (token.Token, bool) { return tr.ReceiveTwin(h, 0) }

// HasTwins reports whether a request with this header carries several cookies of the
// name. It allocates nothing.
func (tr *Transport) HasTwins(h http.Header) bool {
	named := 0
	for _, line := range h["Cookie"] {
		for line != "" {
			var p cookieheader.Pair
			if p, line = cookieheader.Next(line); p.Name == tr.Cookie.Name {
				named++
			}
		}
	}
	return named > 1
}

// ReceiveTwin returns the token with n others before it. A browser sends several
// cookies of the name, the older one first, where the Domain or the Path was another
// one before, and where a site on a host above has the same name. Only the first four
// count; of another system's only the first, and a header field has one.
func (tr *Transport) ReceiveTwin(h http.Header, n int) (token.Token, bool) {
	one := tr.Header != "" || tr.Format != nil
	if n >= maxTwins || n > 0 && (one || !tr.HasTwins(h)) {
		return token.Token{}, false
	}
	if tr.Header != "" {
		return tr.Parse(h.Get(tr.Header))
	}
	if t, ok := inlink.Token(h); ok {
		return t, true
	}
	search := Search{tr: tr, skip: n}
	for _, line := range h["Cookie"] {
		for line != "" && !search.over {
			var p cookieheader.Pair
			p, line = cookieheader.Next(line)
			search.Take(p)
		}
	}
	return search.Token, search.Found
}

// Search finds the token among the pairs of a Cookie header, for a caller that looks for
// other cookies in the same pass. Take shows it the pairs in their order.
type Search struct {
	Token token.Token
	Found bool

	tr   *Transport
	skip int  // tokens before the one that is searched
	over bool // no later cookie counts
}

// Search returns a search in one request.
func (tr *Transport) Search() Search { return Search{tr: tr} }

// Take looks at the next pair.
func (s *Search) Take(p cookieheader.Pair) {
	if s.over || p.Name != s.tr.Cookie.Name {
		return
	}
	t, first, ok := s.tr.take(p)
	switch {
	case !ok && !first:
	case s.skip > 0:
		s.skip--
	default:
		s.Token, s.Found = t, ok
		s.over = true
	}
}

// Withholds reports whether the browser may have held back the cookie of a request
// with this header and Host, so that the visitor may well have a session: another site has
// made it. A Strict cookie goes along with no such request, a Lax one when it just opens a
// page. Only a request that can change something has an Origin.
func (tr *Transport) Withholds(h http.Header, host string) bool {
	forAllSites := tr.Header != "" || tr.Cookie.SameSite == http.SameSiteNoneMode
	if forAllSites || !tr.byOtherSite(h, host) {
		return false
	}
	opensPage := h.Get("Sec-Fetch-Mode") == "navigate" && h.Get("Origin") == ""
	if opensPage && tr.Cookie.SameSite != http.SameSiteStrictMode {
		return false
	}
	_, came := tr.Receive(h)
	return !came
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

// Send puts t into the header of an answer, to last until end, or until the browser
// closes where that is zero.
func (tr *Transport) Send(h http.Header, t token.Token, end time.Time) {
	if tr.Header != "" {
		h.Set(tr.Header, t.Reveal())
		headers.NoCache(h, tr.Header)
		return
	}
	cookie := tr.Cookie.Cookie(t.Reveal())
	cookie.MaxAge = MaxAge(end)
	h.Add("Set-Cookie", cookie.String()+headers.Priority)
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

// Lines returns the lines of an answer's header h that carry the session: those of the
// token's cookie and of the cookies with copies and ended sessions, or the field.
func (tr *Transport) Lines(h http.Header) (lines []string) {
	if tr.Header != "" {
		for _, value := range h[tr.Header] {
			lines = append(lines, tr.Header+": "+value)
		}
		return lines
	}
	for _, line := range h["Set-Cookie"] {
		if name, _, _ := strings.Cut(line, "="); tr.owns(name) {
			lines = append(lines, "Set-Cookie: "+line)
		}
	}
	return lines
}

// Strip returns the header h without the token and the cookies that carry copies, those of
// Plain included.
func (tr *Transport) Strip(h http.Header) http.Header {
	h = h.Clone()
	if tr.Header != "" {
		h.Del(tr.Header)
		return h
	}
	var kept []string
	for _, line := range h["Cookie"] {
		var pairs []string
		for line != "" {
			var text string
			text, line = cookieheader.Cut(line)
			if p, _ := cookieheader.Next(text); !tr.owns(p.Name) {
				pairs = append(pairs, cookieheader.Trim(text))
			}
		}
		if len(pairs) > 0 {
			kept = append(kept, strings.Join(pairs, "; "))
		}
	}
	if h.Del("Cookie"); len(kept) > 0 {
		h["Cookie"] = kept
	}
	return h
}

// owns reports whether a cookie of that name is the token's, carries a copy or lists
// sessions that have ended, over plain http included.
func (tr *Transport) owns(name string) bool {
	if tr.Plain != nil && tr.Plain.owns(name) {
		return true
	}
	suffix, ok := strings.CutPrefix(name, tr.Cookie.Name)
	number, copied := strings.CutPrefix(suffix, "-b")
	part := copied && len(number) == 1 && '0' <= number[0] && number[0] <= '9'
	return ok && (suffix == "" || suffix == "-x" || part)
}

// Watch has the functions of an application that hear, once each, that a token's cookie is
// lost, and that one can be read in the network although it need not. Each may be nil.
type Watch struct {
	PlainHTTP, InsecureOverTLS func(ctx context.Context, host string)

	plain, insecure sync.Once
}

// Sent looks at a request whose answer sends a token by tr.
func (w *Watch) Sent(ctx context.Context, tr *Transport, r *http.Request) {
	if w.PlainHTTP != nil && tr.OverPlainHTTP(r) {
		w.plain.Do(func() { w.PlainHTTP(ctx, r.Host) })
	}
	if w.InsecureOverTLS != nil && tr.InsecureOverTLS(r) {
		w.insecure.Do(func() { w.InsecureOverTLS(ctx, r.Host) })
	}
}

// InsecureOverTLS reports whether r has come over TLS, as its connection shows or its browser
// says, to a host that is not this machine, and the cookies of the answer are not Secure. A
// browser says from which site a request is over TLS alone.
func (tr *Transport) InsecureOverTLS(r *http.Request) bool {
	if tr.Header != "" || !tr.Cookie.Insecure {
		return false
	}
	return r.TLS != nil || len(r.Header["Sec-Fetch-Site"]) > 0 && !toThisMachine(r)
}

// OverPlainHTTP reports whether r has come over plain http to a host that is not this
// machine, so that a browser drops a Secure cookie of the answer. No proxy has forwarded
// it, as far as it says, and no browser has sent it over https: that one says from which
// site.
func (tr *Transport) OverPlainHTTP(r *http.Request) bool {
	if tr.Header != "" || tr.Cookie.Insecure || r.TLS != nil {
		return false
	}
	for _, field := range [...]string{"Sec-Fetch-Site", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if len(r.Header[field]) > 0 {
			return false
		}
	}
	return !toThisMachine(r)
}

// toThisMachine reports whether the visitor's browser runs on this machine too, so that it
// takes http for as good as TLS.
func toThisMachine(r *http.Request) bool {
	host := (&url.URL{Host: r.Host}).Hostname()
	return host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
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
