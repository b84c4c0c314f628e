package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/marker"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/storage"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
)

// unbounded is how long a marker lives where it is unknown how long the old session
// could.
const unbounded = 10 * 366 * 24 * time.Hour

// oldSession is one that a request carries.
type oldSession struct {
	*Adopt
	r      *http.Request
	key    marker.Key
	marker ID
}

func (o *oldSession) Format(f fmt.State, _ rune) { io.WriteString(f, string(o.marker)) }

// carried reports whether a request has the old cookie.
func (a *Adopt) carried(in http.Header) bool {
	for _, line := range in["Cookie"] {
		for line != "" {
			var p cookieheader.Pair
			if p, line = cookieheader.Next(line); p.Name == a.Cookie {
				return true
			}
		}
	}
	return false
}

// oldSession returns the one that a request carries, or nil.
func (m *Manager) oldSession(ctx context.Context, in http.Header) *oldSession {
	a := m.options.Adopt
	if a == nil || !a.carried(in) {
		return nil
	}
	r := (&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: in}).WithContext(ctx)
	var token string
	if a.Token == nil {
		if c, err := r.Cookie(a.Cookie); err == nil {
			token = c.Value
		}
	} else if t, ok := a.Token(r); ok {
		token = t
	}
	if token == "" {
		return nil
	}
	key := marker.NewKey(a.Cookie, token)
	return &oldSession{Adopt: a, r: r, key: key, marker: ID(key.ID())}
}

// open returns the token in a marker. There is none where the old session has
// ended without a new one.
func (o *oldSession) open(c *transport.Transport, record state.State) (token.Token, bool) {
	e, ok := record.Entries.Find(marker.Entry)
	if !ok || record.Dead() {
		return token.Token{}, false
	}
	secret, ok := o.key.Open(e.Value)
	if !ok {
		return token.Token{}, false
	}
	return c.Parse(secret)
}

// ended returns the meaning of a marker without a token: the visitor has logged out,
// or in by another session. A cookie that other visitors have too proves nothing
// about this one.
func (o *oldSession) ended(record state.State) lookup.Loaded {
	e, ok := record.Entries.Find(marker.Entry)
	if !ok || o.Shared || string(e.Value) != marker.Ended {
		return lookup.Loaded{Phase: lookup.Nobody}
	}
	return lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{State: state.State{Death: state.Death{Dot: e.Dot, Reason: state.Destroyed}}}}
}

// markUntil creates the marker of an old session, or returns ErrConflict.
func (m *Manager) markUntil(ctx context.Context, o *oldSession, until time.Time, value []byte) error {
	now := m.now()
	if until.IsZero() || until.After(now.Add(storage.Century/2)) {
		until = now.Add(unbounded)
	}
	st := m.writer.Begin()
	st.End = until.UnixMilli()
	st.LastSeen = max(0, until.Add(-m.options.Idle-m.options.Refresh).UnixMilli())
	st = st.Write([]state.Change{{Name: marker.Entry, Flags: state.ServerOnly, Value: value}}, m.clock.Dot(st))
	_, err := m.storage.Save(context.WithoutCancel(ctx), string(o.marker), st, Absent)
	return err
}

// readMarker returns the marker of an old session. ErrNotFound says that the old
// session was neither adopted nor ended.
func (m *Manager) readMarker(ctx context.Context, o *oldSession, fresh bool) (state.State, error) {
	var r record.Session
	err := m.storage.Load(ctx, string(o.marker), false, fresh, &r)
	if errors.Is(err, ErrNotFound) && m.backup != nil && m.shards.Of(string(o.marker)).Quarantined() {
		return state.State{}, failure.ErrForgetful
	}
	return r.State, err
}
