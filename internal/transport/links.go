package transport

import (
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/inlink"
)

// LinkBy lets tokens travel in links as well, for clients that keep no cookies. Nil does
// not. now is the time by this instance's clock.
func (tr *Transport) LinkBy(c *inlink.Config, now func() time.Time) {
	if c == nil {
		return
	}
	tr.Links = &inlink.Links{
		Config: c, Path: tr.Cookie.Path, Now: now,
		Named: tr.named, Elsewhere: tr.elsewhere, Plain: tr.readable,
	}
}

// named reports whether a request with this header has a cookie of the token's name.
func (tr *Transport) named(h http.Header) bool {
	for _, line := range h["Cookie"] {
		for line != "" {
			var p cookieheader.Pair
			if p, line = cookieheader.Next(line); p.Name == tr.Cookie.Name {
				return true
			}
		}
	}
	return false
}

// elsewhere reports whether a request with this header and Host may have come from anywhere
// but a page of this site: a page of another site, or a link in an e-mail, which browsers
// since 2023 distinguish from a click on this site's own pages. For an older browser
// elsewhere goes by its Origin or Referer.
func (tr *Transport) elsewhere(h http.Header, host string) bool {
	if site := h.Get("Sec-Fetch-Site"); site != "" {
		return site != "same-origin"
	}
	for _, field := range [...]string{"Origin", "Referer"} {
		if from := h.Get(field); from != "" {
			from, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(from, "https://"), "http://"), "/")
			return tr.hosts.foreign(hostname(host), hostname(from))
		}
	}
	return false
}

// readable reports whether others can read r on its way, while a browser keeps the token
// to itself there.
func (tr *Transport) readable(r *http.Request) bool {
	proto, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	byProxy := r.TLS == nil && strings.EqualFold(strings.TrimSpace(proto), "http")
	return tr.OverPlainHTTP(r) || byProxy && !tr.Cookie.Insecure
}
