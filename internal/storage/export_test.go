package storage

import (
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// Expires returns when the store may forget st.
func (s *Storage) Expires(st state.State) time.Time { return s.expires(st) }

// Decode returns the state in a record's bytes.
func (s *Storage) Decode(data []byte) (state.State, error) { return s.decode(data) }
