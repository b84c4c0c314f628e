// Package urltoken lets the token of a session travel in a site's links, for embedded
// browsers and devices that keep no cookies. It is off until Options.InsecureURLToken says
// so, and it is insecure.
//
//	sessions, err := session.New(store, &session.Options{
//		InsecureURLToken: &urltoken.Options{Keys: keys, Audience: "shop-production"},
//	})
//
// Anyone who sees the URL of a page may be able to see the session. URLs are in the logs
// of servers and proxies, in histories and bookmarks, on screens and in the messages by
// which visitors pass a page on. Scripts of a page read its URL, and the reports that browsers
// send to whom a page names, as of Content-Security-Policy, have it. Clients that can keep a
// header field should use Options.Header instead, and all others cookies.
//
// # What makes it less bad
//
//   - The URL has no token, but a text that is sealed for the name that the client gives
//     itself, its User-Agent, and that is good for ten minutes (Options.Idle). Another browser
//     cannot use it, unless it gives itself the same name; a log usually has that name too.
//     Each answer has a new text, so that visitors who go on using the site stay logged in.
//   - A client that sends the cookie needs none: it is redirected to the URL without it, and
//     its links have none. So all others see it once, on the page that begins their session.
//   - A text counts only where the browser says that a page of this site has led to it. With a
//     link from elsewhere, such as one that an attacker has sent (session fixation), a visitor
//     begins without a session. A browser from before 2023 does not say so, and follows such a
//     link into the session where its User-Agent is that of the attacker's browser: so every
//     login has to change the token, as SetUser and Renew do.
//   - Every answer has Referrer-Policy: same-origin, or no-referrer where the handler has
//     chosen that, so that no other site is told the URL. An answer to a URL with a token, or
//     whose links have one, has Cache-Control: no-store, whatever the handler has said.
//   - Handlers, and middleware that logs a request when it is over, see the URL without it.
//     The logs of servers in front do not: see docs/PROXIES.md.
//   - Over plain http, where a Secure cookie does not travel either, no token travels.
//   - No copy of a session travels this way. While the store is away such a visitor gets 503.
package urltoken

import (
	"context"
	"net/http"
	"time"

	"github.com/holdfast-go/session/internal/inlink"
	"github.com/holdfast-go/session/seal"
)

// Options say which links have a token, and how.
type Options struct {
	// Keys seal the tokens in links. They are needed, the same on all instances, and may be
	// those of a Backup.
	Keys *seal.Keys

	// Audience names the application and its environment, as in "shop-production", in 1 to
	// 64 printable ASCII characters. It is needed: with the same keys and the same Audience
	// one application opens the links of another.
	Audience string

	// Param is the name of the parameter in a URL's query: letters, digits, - and _. It
	// defaults to session. Handlers never see it.
	Param string

	// Idle is for how long a link is good after the answer that it is in: from a minute to
	// the Idle of sessions. It defaults to ten minutes. A link may live up to a minute longer.
	Idle time.Duration

	// Only chooses the requests whose links have a token if they come without the cookie, as by
	// their User-Agent. Nil chooses all of them. Crawlers keep no cookies either: where a page
	// that they read begins a session, leave them out.
	Only func(*http.Request) bool
}

// Link returns the reference to with the visitor's token, where the request that ctx belongs
// to has come without the cookie and there is a session; else to as it is. A reference that
// may lead to another site is never changed: an absolute URL, one that begins with // or \,
// and one outside of Cookie.Path. The Location of a redirection needs no Link, it is
// changed in the same way.
//
// A session that is not saved yet is saved now, as by its Save, since its token is not known
// before. So call Link after what a request changes, and after Renew. Link is safe for
// concurrent use.
func Link(ctx context.Context, to string) string { return inlink.Link(ctx, to) }

// Links is Link for templates, as a field of what they are given:
//
//	<a href="{{.Links.To "/cart"}}">cart</a>
//	<form action="/search">
//		{{with .Links.Param}}<input type="hidden" name="{{.}}" value="{{$.Links.Value}}">{{end}}
//		<input name="q">
//	</form>
//
// The zero Links changes nothing.
type Links struct{ ctx context.Context }

// In returns the Links of the request that ctx belongs to.
func In(ctx context.Context) Links { return Links{ctx} }

// To is Link.
func (l Links) To(to string) string {
	if l.ctx == nil {
		return to
	}
	return Link(l.ctx, to)
}

// Param returns the name of the hidden field that a form with the method GET needs, whose
// action loses its query. It is empty where Link changes nothing. The action of a POST is
// a To.
func (l Links) Param() string {
	name, _ := l.field()
	return name
}

// Value returns the value of that field.
func (l Links) Value() string {
	_, value := l.field()
	return value
}

func (l Links) field() (name, value string) {
	if l.ctx == nil {
		return "", ""
	}
	return inlink.Field(l.ctx)
}
