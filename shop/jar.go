package main

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// jar keeps the cookies of one host, as browsers do on loopback: Secure ones
// over plain http too, none that is too long.
type jar struct{ named map[string]kept }

type kept struct {
	value string
	until time.Time // zero: as long as the browser runs
}

// A cookie of more bytes, name and value, is ignored: RFC 6265bis 5.6.
const maxCookie = 4096

func newJar() *jar { return &jar{map[string]kept{}} }

func (j *jar) keep(cookies []*http.Cookie) {
	for _, c := range cookies {
		k := kept{value: c.Value, until: c.Expires}
		if c.MaxAge > 0 {
			k.until = time.Now().Add(time.Duration(c.MaxAge) * time.Second)
		}
		switch {
		case len(c.Name)+len(c.Value) > maxCookie:
		case c.MaxAge < 0, !k.until.IsZero() && !k.until.After(time.Now()):
			delete(j.named, c.Name)
		default:
			j.named[c.Name] = k
		}
	}
}

func (j *jar) cookies() []*http.Cookie {
	var out []*http.Cookie
	for _, name := range slices.Sorted(maps.Keys(j.named)) {
		if k := j.named[name]; k.until.IsZero() || k.until.After(time.Now()) {
			out = append(out, &http.Cookie{Name: name, Value: k.value})
		}
	}
	return out
}

func (j *jar) copy() *jar { return &jar{maps.Clone(j.named)} }

func (j *jar) clear() { clear(j.named) }
