package session

import "github.com/holdfast-go/session/internal/foreign"

// Format is how another system writes tokens and sessions, so that its programs and
// yours share them. Package node/express makes the only one; New refuses a Format from
// outside this module.
type Format interface {
	String() string // the name of the other system, such as "express-session"
}

// foreign reports whether another system writes the sessions too.
func (m *Manager) foreign() bool { return m.transport.Format != nil }

// resaves reports whether the format requires that each request which asks for its
// session saves it once, before the answer.
func (m *Manager) resaves() bool {
	f, ok := m.transport.Format.(foreign.Resaver)
	return ok && f.Resaves()
}
