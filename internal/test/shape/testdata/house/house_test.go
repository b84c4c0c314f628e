package house

func (m *Manager) onlyInATest() {}
