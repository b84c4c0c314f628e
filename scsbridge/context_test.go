package scsbridge_test

import (
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/scsbridge"
	"github.com/holdfast-go/session/sessiontest"
)

// Tests of applications on scs call Load for a context without a request.
func TestABareContextForTestsOfAPortedApplication(t *testing.T) {
	s := scsbridge.New(sessiontest.New(t, nil), nil)
	v := sessiontest.NewVisitor(t, s.Manager())
	ctx := v.Context()
	s.Put(ctx, "flash", "saved")
	if got := s.PopString(ctx, "flash"); got != "saved" {
		t.Errorf("got %q, want saved", got)
	}
	s.Put(ctx, "user", 7)
	if err := s.RenewToken(ctx); err != nil {
		t.Error(err)
	}
	if saved := sessiontest.Saved(ctx); saved.Source() != session.FromStore {
		t.Errorf("got %v, want a session from the store", saved)
	}
	if got := s.GetInt(v.Context(), "user"); got != 7 {
		t.Errorf("the next request: got %d, want 7", got)
	}
}
