package session_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
)

func TestRevokingAllThatAStoreListsEndsSessionsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, n := memstore.New(nil), &told{}
		m := mustNew(t, store, &session.Options{
			Backup: testBackup(t), Hooks: n.hooks(),
		})
		v := sessiontest.NewVisitor(t, m, func(s *session.Session) { color.Set(s, "red") })
		var all, own []session.ID
		for i := 0; len(own) < 2; i++ {
			if i == 20 {
				t.Fatalf("the library's own records are %v, want a members record and that of a probe", own)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			all, own = nil, nil
			for id, err := range store.List(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if all = append(all, id); strings.Contains(string(id), "-") {
					own = append(own, id)
				}
			}
		}
		before := map[session.ID]session.Version{}
		for _, id := range own {
			r, err := store.Load(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			before[id] = r.Version
		}
		for _, id := range all {
			if d, err := m.Revoke(t.Context(), id); d != session.Durable || err != nil {
				t.Errorf("Revoke(%s): got %v, %v, want durable", id, d, err)
			}
		}
		for _, id := range own {
			if r, err := store.Load(t.Context(), id); err != nil || r.Version != before[id] {
				t.Errorf("%s was written to: %v", id, err)
			}
		}
		time.Sleep(20 * time.Second)
		if got, st := n.counts(), m.Stats(); got != "0 down, 0 still, 0 up, 0 forgot" || st.Failing {
			t.Errorf("afterwards: %s; %+v", got, st)
		}
		if got, err := color.Get(v.Session()); !errors.Is(err, session.ErrNoValue) {
			t.Errorf("the revoked session has %q, %v", got, err)
		}
	})
}

// Sessions of another system may have IDs that begin like a record of ours.
func TestOnlyTheWholeShapeOfARecordOfOurOwnIsNoSession(t *testing.T) {
	for id, own := range map[session.ID]bool{
		"members-0": true, "members-17": true, "members-": false, "members-x": false, "members": false, "canary-0": false,
		"probe-0123abcd-1f": true, "probe-0123abcd": false, "probe-123-1": false, "probe-0123abcd-": false, "probe-0123ABCD-1": false,
		"~incarnation-0": true, "~incarnation-": false, "~-0": false, "~incarnation": false, "incarnation-0": false,
		"adopted-0123456789abcdef0123456789abcdef": true, "adopted-0123": false, "adopted-": false,
		"adopted-0123456789abcdef0123456789abcdeg": false, "0123456789abcdef0123456789abcdef": false,
	} {
		store := memstore.New(nil)
		m := mustNew(t, store, nil)
		if d, err := m.Revoke(t.Context(), id); d != session.Durable || err != nil {
			t.Errorf("Revoke(%s): %v, %v", id, d, err)
		}
		_, err := store.Load(t.Context(), id)
		if written := err == nil; written == own {
			t.Errorf("Revoke(%s) has written a tombstone: %v, want %v", id, written, !own)
		}
	}
}
