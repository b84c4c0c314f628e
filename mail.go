package session

import (
	"net/http"

	"github.com/holdfast-go/session/internal/backup"
)

// requestCookies are the cookies of a request that are ours.
type requestCookies struct {
	backup.RequestCookies
	token token
	ok    bool // there is a token
}

// collect returns the cookies of a request that are ours, unopened.
func (m *Manager) collect(h http.Header) *requestCookies {
	in := &requestCookies{RequestCookies: m.copies.Collect(h)}
	in.token, in.ok = m.carrier.receive(h)
	return in
}
