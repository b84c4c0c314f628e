// Package records saves and loads single records, for the tests of stores.
package records

import (
	"testing"
	"time"

	"github.com/holdfast-go/session"
)

// New returns a record that lives for an hour.
func New(data string) session.Record {
	return session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)}
}

// MustSave saves r over the version, and fails the test at once if s does not.
func MustSave(t testing.TB, s session.Store, id session.ID, r session.Record, over session.Version) session.Version {
	t.Helper()
	v, err := s.Save(t.Context(), id, r, over)
	if err != nil {
		t.Fatalf("Save(%s): %v", id, err)
	}
	return v
}

// MustLoad returns the record of id, and fails the test at once if there is
// none.
func MustLoad(t testing.TB, s session.Store, id session.ID) session.Record {
	t.Helper()
	r, err := s.Load(t.Context(), id)
	if err != nil {
		t.Fatalf("Load(%s): %v", id, err)
	}
	return r
}
