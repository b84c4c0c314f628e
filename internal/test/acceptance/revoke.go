package acceptance

import (
	"errors"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/sessiontest"
)

func listAndRevoke(t *testing.T, open func(testing.TB) session.Store) {
	store := open(t)
	m := manager(t, store, session.Options{})
	visitors := make([]*sessiontest.Visitor, 3)
	for i := range visitors {
		visitors[i] = sessiontest.NewVisitor(t, m, func(s *session.Session) { counter.Set(s, i) })
	}
	ids := listed(t, store, visitors)
	for _, id := range ids {
		if d, err := m.Revoke(t.Context(), id); d != session.Durable || err != nil {
			t.Errorf("Revoke(%s) = %v, %v", id, d, err)
		}
	}
	if n := len(ids); n != len(visitors) {
		t.Errorf("%d sessions listed, want %d", n, len(visitors))
	}
	for i, v := range visitors {
		if s := v.Session(); s.Source() != session.FromNowhere {
			t.Errorf("visitor %d still has session %v", i, s)
		}
	}
	if _, err := m.Revoke(t.Context(), ""); !errors.Is(err, session.ErrNoSession) {
		t.Errorf("Revoke of no ID = %v, want ErrNoSession", err)
	}
}

// listed returns the IDs of the sessions in a store. A store that cannot list them has those
// of the visitors.
func listed(t *testing.T, store session.Store, visitors []*sessiontest.Visitor) (ids []session.ID) {
	t.Helper()
	lister, ok := store.(session.Lister)
	if !ok {
		for _, v := range visitors {
			ids = append(ids, v.Session().ID())
		}
		return ids
	}
	for id, err := range lister.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}
