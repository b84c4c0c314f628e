package session

import (
	"net/http"

	"github.com/holdfast-go/session/internal/backup"
)

// mail is what the cookies of a request bring.
type mail struct {
	backup.RequestCookies
	token token
	ok    bool // there is a token
}

// collect reads all of a visitor's cookies that are ours.
func (m *Manager) collect(h http.Header) *mail {
	in := &mail{RequestCookies: m.copies.Collect(h)}
	in.token, in.ok = m.carrier.receive(h)
	return in
}
