package backup

import (
	"strings"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/jar"
)

// RequestCookies are the cookies of one request that carry copies and lists of
// ended sessions. It is for one goroutine at a time.
type RequestCookies struct {
	parts     jar.Carried
	sizes     [jar.Most]int // of the cookies for parts, in bytes of the Cookie header
	endings   []string      // at most maxEndingsCookies: a sibling may have planted one
	oversized int           // cookies of either kind that are larger than any of ours
}

const maxEndingsCookies = 4

// Take adds a pair of the request's Cookie header to in, where it is one of ours. It
// opens nothing.
func (c *Cookies) Take(in *RequestCookies, p cookieheader.Pair) {
	if suffix, ok := strings.CutPrefix(p.Name, c.Cookie.Name); ok && suffix != "" {
		in.add(c, suffix, p)
	}
}

// add takes the cookie p, whose name ends with suffix, where it is one of ours.
func (in *RequestCookies) add(c *Cookies, suffix string, p cookieheader.Pair) {
	if suffix == endingsSuffix {
		if value := p.Value(); len(value) > c.maxEndings() {
			in.oversized++
		} else if len(in.endings) < maxEndingsCookies {
			in.endings = append(in.endings, value)
		}
		return
	}
	i, ok := partNumber(suffix)
	if !ok {
		return
	}
	in.sizes[i] += jar.Bytes(p.Name, p.Raw)
	if len(p.Name)+len(p.Raw) > maxCookie { // no browser keeps such a cookie
		in.parts.Note(i)
		in.oversized++
	} else {
		in.parts.Add(i, p.Value())
	}
}

// Cookies returns which cookies for copies the request had, whatever they held.
func (in *RequestCookies) Cookies() jar.Mask { return in.parts.Cookies() }

// Size returns how many bytes some of the cookies for copies take up in the
// request's Cookie header.
func (in *RequestCookies) Size(which jar.Mask) (n int) {
	for i, size := range in.sizes {
		if which.Has(i) {
			n += size
		}
	}
	return n
}

// AppendNames appends the names of the copies whose parts are all there to names. By them
// package jar knows that the answers which set the copies have arrived.
func (in *RequestCookies) AppendNames(names []string) []string {
	for b := range in.parts.Copies {
		if b.Len() <= MaxBudget {
			names = append(names, b.Name)
		}
	}
	return names
}
