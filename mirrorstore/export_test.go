package mirrorstore

import (
	"strconv"

	"github.com/holdfast-go/session"
)

// Fill makes a Store believe that the first store lacks as many records as it keeps the IDs of.
func Fill(s *Store) {
	for n := range mostOwed {
		s.first.owed.add(session.ID(strconv.Itoa(n)), false)
	}
}

// Owed returns how many records the first store lacks, by what the Store knows.
func Owed(s *Store) int {
	s.first.owed.mu.Lock()
	defer s.first.owed.mu.Unlock()
	return len(s.first.owed.ids)
}

// Owes reports whether a record of id is one of them.
func Owes(s *Store, id session.ID) bool {
	_, ok := s.first.owed.get(id)
	return ok
}

// Owe makes a Store believe that the first store lacks a record of id.
func Owe(s *Store, id session.ID) { s.first.owed.add(id, false) }
