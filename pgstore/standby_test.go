package pgstore_test

import (
	"strings"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/postgrestest"
	"github.com/holdfast-go/session/pgstore"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A standby is not taken for the primary, and once it is promoted it is known to be
// another server: it may lack the last saves.
func TestAStandbyIsNoPrimaryAndItsPromotionIsNoticed(t *testing.T) {
	primary := postgrestest.Start(t)
	pool := newPool(t, primary.URL())
	if err := pgstore.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, pool)
	mustSave(t, s, "x", record("a"), session.Absent)
	before := probe(t, s)
	standby := primary.Standby(t)

	careful := newStore(t, newPool(t, standby.URL()))
	if _, err := careful.Load(t.Context(), "x"); err == nil {
		t.Error("the pool of PoolConfig connects to a standby")
	}
	admin := newPool(t, standby.URL(), func(c *pgxpool.Config) { c.ConnConfig.ValidateConnect = nil })
	careless := newStore(t, admin)
	eventually(t, "the standby has followed", func() bool {
		_, err := careless.Load(t.Context(), "x")
		return err == nil
	})
	for what, err := range map[string]error{
		"Save":  func() error { _, err := careless.Save(t.Context(), "x", record("b"), session.Any); return err }(),
		"Probe": func() error { _, err := careless.Probe(t.Context(), careless.Shard("x")); return err }(),
		"Check": careless.Check(t.Context()),
	} {
		if err == nil || !strings.Contains(err.Error(), "the server is a standby") && !strings.Contains(err.Error(), "it is a standby") {
			t.Errorf("%s on a standby: got %v, want an error that says what it is", what, err)
		}
	}

	primary.Kill()
	exec(t, admin, `SELECT pg_promote(wait => false)`) // the pool's statements end after 4 s
	eventually(t, "the standby is a primary", func() bool { return !ask[bool](t, admin, `SELECT pg_is_in_recovery()`) })
	after := probe(t, careful)
	if after == before {
		t.Errorf("got the incarnation %s of the primary and of the promoted standby", after)
	}
	if parts, was := strings.Split(after, "/"), strings.Split(before, "/"); parts[0] != was[0] || parts[1] != "00000002" || parts[2] != was[2] || parts[3] == was[3] {
		t.Errorf("got %s after %s, want another timeline and another marker", after, before)
	}
	mustSave(t, careful, "x", record("b"), mustLoad(t, careful, "x").Version)
}
