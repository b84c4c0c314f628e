package session

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/jar"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
	"github.com/holdfast-go/session/seal"
)

// carrier takes tokens and copies from requests and puts them into answers.
type carrier struct {
	transport.Transport
	budget int // of all bundles, in bytes; 0 without a backup
}

// mail is what the cookies of a request bring.
type mail struct {
	token      token.Token
	ok         bool // there is a token
	bundles    jar.Carried
	sizes      [jar.Most]int // of the bundle cookies, in bytes of the Cookie header
	names      []string      // of the bundles that are whole
	tombstones []string      // at most a few: a sibling may have planted one
	oversized  int           // cookies of either kind that are too large to be ours
}

const maxTombstoneCookies = 4

// collect reads all of a visitor's cookies that are ours.
func (c *carrier) collect(h http.Header) *mail {
	var in mail
	if c.Header != "" {
		in.token, in.ok = c.Parse(h.Get(c.Header))
		return &in
	}
	first := false // no later cookie of the token's name counts
	for _, line := range h["Cookie"] {
		for line != "" {
			var p cookieheader.Pair
			p, line = cookieheader.Next(line)
			suffix, ok := strings.CutPrefix(p.Name, c.Cookie.Name)
			if !ok {
				continue
			}
			switch {
			case suffix == "":
				if !in.ok && !first {
					in.token, first, in.ok = c.Take(p)
				}
			case suffix == tombstoneSuffix:
				if value := p.Value(); len(value) > c.longestList() {
					in.oversized++
				} else if len(in.tombstones) < maxTombstoneCookies {
					in.tombstones = append(in.tombstones, value)
				}
			case len(suffix) == len(bundleSuffix)+1 && strings.HasPrefix(suffix, bundleSuffix):
				i := int(suffix[len(bundleSuffix)]) - '0'
				if i < 0 || i >= jar.Most {
					continue
				}
				in.sizes[i] += jar.Bytes(p.Name, p.Raw)
				if len(p.Name)+len(p.Raw) > maxCookie { // a browser keeps none such
					in.bundles.Note(i)
					in.oversized++
				} else {
					in.bundles.Add(i, p.Value())
				}
			}
		}
	}
	return &in
}

const (
	bundleSuffix    = "-b" // and the number of the cookie
	tombstoneSuffix = "-x"
)

// longestList is how long a list of ended sessions can be. IDs of another system
// may be longer than ours.
func (c *carrier) longestList() int {
	if c.Format != nil {
		return maxCookie
	}
	const idLen = 2 * 16
	return seal.SealedLen(len("\x01\x08") + state.MaxSuperseded*(len("f")+state.DotSize+len(" ")+idLen))
}

// size is how many bytes some of the bundle cookies take up.
func (in *mail) size(which jar.Mask) (n int) {
	for i, size := range in.sizes {
		if which.Has(i) {
			n += size
		}
	}
	return n
}

func (c *carrier) bundleName(i int) string { return c.Cookie.Name + bundleSuffix + strconv.Itoa(i) }

// partHead is what stands before the text in the value of a part.
const partHead = len("nnnnnn.0.1.")

// room is how much of a bundle's text fits one cookie.
func (c *carrier) room() int { return jar.Room(c.budget, c.bundleName(0)) - partHead }

// parts is how many cookies a text of n bytes takes; more than jar.Most where it
// does not fit at all.
func (c *carrier) parts(n int) int {
	room := c.room()
	if room <= 0 {
		return jar.Most + 1
	}
	return max(1, (n+room-1)/room)
}

// size is how many bytes of cookies a text of n bytes takes.
func (c *carrier) size(n int) int {
	k := c.parts(n)
	if k > jar.Most {
		return maxBudget + 1
	}
	return n + k*(jar.Bytes(c.bundleName(0), "")+partHead)
}

// bundleCookies returns what puts a bundle into the visitor's cookies, and what
// drops the ones that it takes the place of.
func (c *carrier) bundleCookies(name, text string, set, drop jar.Mask, end time.Time) (out, drops []string) {
	var values []jar.Value
	rest := "" // of the line, behind the value
	if set != 0 {
		cookie := c.Cookie.Cookie("")
		cookie.MaxAge = c.Cookie.MaxAge(end)
		rest = strings.TrimPrefix(cookie.String(), cookie.Name+"=")
		var err error
		if values, err = jar.Split(name, text, jar.Room(c.budget, c.bundleName(0))); err != nil {
			panic(err) // pack has measured it
		}
	}
	for i := range jar.Most {
		switch {
		case set.Has(i) && len(values) > 0:
			// Nothing in the value needs the looking at that http.Cookie gives it.
			out = append(out, c.bundleName(i)+"="+values[0].Head+values[0].Text+rest)
			values = values[1:]
		case drop.Has(i):
			drops = append(drops, c.Cookie.Drop(c.bundleName(i)))
		}
	}
	return out, drops
}

// tombstone returns what puts a list of ended sessions into the visitor's
// cookies for so long.
func (c *carrier) tombstone(text string, life time.Duration) string {
	cookie := c.Cookie.Cookie(text)
	cookie.Name, cookie.MaxAge = c.Cookie.Name+tombstoneSuffix, int(life/time.Second)
	return cookie.String()
}
