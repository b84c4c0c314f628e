package session

import (
	"net/http"

	"github.com/holdfast-go/session/internal/backup"
	"github.com/holdfast-go/session/internal/token"
	"github.com/holdfast-go/session/internal/transport"
)

// carrier is how the token travels to the client and back.
type carrier struct{ transport.Transport }

// requestCookies are the cookies of a request that are ours.
type requestCookies struct {
	backup.RequestCookies
	token token.Token
	ok    bool // there is a token
}

// collect returns the cookies of a request that are ours, unopened.
func (m *Manager) collect(h http.Header) *requestCookies {
	in := &requestCookies{RequestCookies: m.copies.Collect(h)}
	in.token, in.ok = m.carrier.Receive(h)
	return in
}
