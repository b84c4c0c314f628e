// Package adoption turns the sessions of another library into sessions of this one,
// as Options.Adopt says. A marker in the store leads from an old session to the one
// that it has become; package marker has its form.
//
// Where to look: library.go finds the old session that a request carries, take.go finds
// or makes the session that it becomes, end.go ends both, and record.go reads and writes
// markers.
package adoption

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/marker"
	"github.com/holdfast-go/session/internal/stamp"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/transport"
)

// Library reads the sessions of another library. Any number of goroutines may use it.
// Its fields must not be changed then.
type Library struct {
	Cookie       string   // that carries the old token
	Also         []string // further cookies that go with it
	Domain, Path string   // of all of them
	Shared       bool     // several visitors may have the same old token

	// Token returns the old token of a request. Nil is the value of the cookie.
	Token func(r *http.Request) (token string, ok bool)

	// Read returns the values of the old session, and until when it can be used; zero is
	// not known. It returns failure.ErrNoSession where there is no such session. An error
	// that wraps failure.ErrUnavailable says that it is unknown whether there is one.
	Read func(r *http.Request) (values state.Changes, until time.Time, err error)

	// End ends the old session where its library stores it. Nil ends nothing.
	End func(r *http.Request) error

	// Failed is called with the error of End. It may be nil.
	Failed func(ctx context.Context, marker string, err error)

	Transport *transport.Transport
	Clock     *stamp.Clock
	Shards    *failover.Shards
	Storage   *storage.Storage
	Reader    *lookup.Reader
	Writer    *commit.Writer
}

// OldSession is a session of the other library that a request carries. It prints as
// the ID of its marker.
type OldSession struct {
	r      *http.Request
	key    marker.Key
	marker string
}

// Format prints the ID of the marker, with every verb.
func (o *OldSession) Format(f fmt.State, _ rune) { io.WriteString(f, o.marker) }

// Carried reports whether a request with this header has the old cookie.
func (l *Library) Carried(in http.Header) bool {
	for _, line := range in["Cookie"] {
		for line != "" {
			var p cookieheader.Pair
			if p, line = cookieheader.Next(line); p.Name == l.Cookie {
				return true
			}
		}
	}
	return false
}

// Find returns the old session that a request with this header carries, or nil.
func (l *Library) Find(ctx context.Context, in http.Header) *OldSession {
	if !l.Carried(in) {
		return nil
	}
	r := (&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: in}).WithContext(ctx)
	var token string
	if l.Token == nil {
		if c, err := r.Cookie(l.Cookie); err == nil {
			token = c.Value
		}
	} else if t, ok := l.Token(r); ok {
		token = t
	}
	if token == "" {
		return nil
	}
	key := marker.NewKey(l.Cookie, token)
	return &OldSession{r: r, key: key, marker: key.ID()}
}

// DropCookies deletes the old library's cookies by the header out of an answer, if the
// request with the header in had the old cookie. A line that out has already is not
// added again, because the header of an answer may be built twice.
func (l *Library) DropCookies(in, out http.Header) {
	if !l.Carried(in) {
		return
	}
	path := l.Path
	if path == "" {
		path = "/"
	}
	for _, name := range append([]string{l.Cookie}, l.Also...) {
		c := http.Cookie{Name: name, Domain: l.Domain, Path: path, MaxAge: -1, HttpOnly: true}
		if line := c.String(); !slices.Contains(out["Set-Cookie"], line) {
			out.Add("Set-Cookie", line)
		}
	}
}
