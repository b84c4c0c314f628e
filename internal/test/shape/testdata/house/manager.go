// Package house has known figures.
package house

// Manager uses a field of door.go and a method of window.go.
type Manager struct {
	door Door /* a comment
	of two lines */
}

// Open has four branches: its own, the if, the && and the ||.
func (m *Manager) Open(a, b, c bool) int {
	if a && b || c {
		return m.door.width
	}
	return Window{}.Height()
}

func (m *Manager) Close() {} // a comment beside code is no line of its own
