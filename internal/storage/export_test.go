package storage

import "github.com/holdfast-go/session/internal/state"

// Decode returns the state in a record's bytes.
func (s *Storage) Decode(data []byte) (state.State, error) { return s.decode(data, s.Clock.Now()) }
