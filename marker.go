package session

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/holdfast-go/session/internal/cookieheader"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
)

// adoptedName is the entry by which a marker holds the sealed token, and a
// session the ID of its marker. No key can have the name.
const adoptedName = "session/adopted"

// unbounded is how long a marker lives where nobody knows how long the old
// session could.
const unbounded = 10 * 366 * 24 * time.Hour

// oldSession is one that a request carries.
type oldSession struct {
	*Adopt
	r      *http.Request
	token  string // never printed: an oldSession is never an argument of a hook
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
	sum := sha256.Sum256([]byte("session adopt id\x00" + a.Cookie + "\x00" + token))
	return &oldSession{a, r, token, ID(recordid.Marker([16]byte(sum[:16])))}
}

func (o *oldSession) box() cipher.AEAD {
	key := sha256.Sum256([]byte("session adopt key\x00" + o.Cookie + "\x00" + o.token))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has a length that AES knows
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func (o *oldSession) seal(t token) []byte {
	sealed := o.box().Seal(nil, nil, []byte(t.reveal()), []byte(o.marker))
	return quote(base64.RawURLEncoding.EncodeToString(sealed))
}

// open returns the token in a marker. There is none where the old session has
// ended without a new one.
func (o *oldSession) open(c *carrier, marker state.State) (token, bool) {
	e, ok := marker.Entries.Find(adoptedName)
	if !ok || marker.Dead() {
		return token{}, false
	}
	var text string
	if json.Unmarshal(e.Value, &text) != nil {
		return token{}, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return token{}, false
	}
	plain, err := o.box().Open(nil, nil, sealed, []byte(o.marker))
	if err != nil {
		return token{}, false
	}
	return c.parse(string(plain))
}

// ended is what a marker without a token says: the visitor has logged out, or in
// by another session. Of a cookie that others have too it says nothing of this
// visitor.
func (o *oldSession) ended(marker state.State) loaded {
	e, ok := marker.Entries.Find(adoptedName)
	if !ok || o.Shared || string(e.Value) != string(quote("")) {
		return loaded{phase: nobody}
	}
	return loaded{phase: dead, Copy: state.Copy{State: state.State{Death: state.Death{Dot: e.Dot, Reason: state.Destroyed}}}}
}

// quote returns a JSON string, in which every format can store it.
func quote(plain string) []byte { return []byte(`"` + plain + `"`) }

// markUntil creates the marker of an old session, or returns ErrConflict.
func (m *Manager) markUntil(ctx context.Context, o *oldSession, until time.Time, value []byte) error {
	now := m.now()
	if until.IsZero() || until.After(now.Add(century/2)) {
		until = now.Add(unbounded)
	}
	st := m.begin()
	st.End = until.UnixMilli()
	st.LastSeen = max(0, until.Add(-m.options.Idle-m.options.Refresh).UnixMilli())
	st = st.Write([]state.Change{{Name: adoptedName, Flags: state.ServerOnly, Value: value}}, m.stamp(st))
	_, err := m.save(context.WithoutCancel(ctx), o.marker, st, Absent)
	return err
}

// readMarker returns what is known of an old session. ErrNotFound says that it
// was neither taken nor ended.
func (m *Manager) readMarker(ctx context.Context, o *oldSession, fresh bool) (state.State, error) {
	var r stored
	err := m.load(ctx, o.marker, false, fresh, &r)
	if errors.Is(err, ErrNotFound) && m.backup != nil && m.shardOf(o.marker).quarantined() {
		return state.State{}, errForgetful
	}
	return r.state, err
}
