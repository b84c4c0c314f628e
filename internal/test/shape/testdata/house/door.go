package house

type Door struct {
	frame // promoted from frame.go, which knows nobody
	width int
}

const text = `three

lines`

func first(m *Manager) { m.Close() }
