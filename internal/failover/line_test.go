package failover_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
)

// renewed is a death by a Renew of another instance, which made a session.
func (w *world) renewed(successor string) state.Death {
	return w.death(state.Renewed).Follow(longID(successor))
}

// If another writer has renewed a session that ends, and went on from there, all successors
// end: any client may have held the token that the visitor gave up.
func TestTheLineOfARenewedSessionEnds(t *testing.T) {
	a := longID("a")
	b := longID("b")
	c := longID("c")
	line := func(w *world) {
		w.Store.Set(a, state.State{Death: w.renewed("b")})
		w.Store.Set(b, state.State{Death: w.renewed("c")})
		w.Store.Set(c, w.live("x", "1"))
	}
	wantLineDead := func(w *world) {
		w.Helper()
		if d := w.wantDead(a, state.Destroyed); d.Successor != b {
			w.Errorf("the tombstone names %q, want the successor", d.Successor)
		}
		if d := w.wantDead(b, state.Revoked); d.Successor != c {
			w.Errorf("the successor's tombstone names %q, want its own", d.Successor)
		}
		w.wantDead(c, state.Revoked)
		for _, id := range []string{a, b, c} {
			if _, ok := w.Shards.Tombstone(id); !ok {
				w.Errorf("this process does not know that %s has ended", id)
			}
		}
		w.wantOwed(0, 0)
	}
	story(t, "when a logout is delivered", func(w *world) {
		line(w)
		w.entomb(journal.Owed(a, w.Clock.Death(state.Destroyed)))
		time.Sleep(5 * time.Second)
		wantLineDead(w)
	})
	story(t, "when a logout meets a store that went back in time", func(w *world) {
		w.Store.Set(a, w.live("x", "1"))
		g := journal.Stored(a, w.Clock.Death(state.Destroyed))
		if _, _, err := w.Shards.End(context.Background(), &g, [16]byte{}); err != nil {
			w.Fatal(err)
		}
		line(w) // a thief renewed at another instance
		stands, _ := w.Store.Get(a)
		w.learns(a, stands.Death) // as a lookup does
		time.Sleep(5 * time.Second)
		w.wantDead(b, state.Revoked)
		w.wantDead(c, state.Revoked)
	})
	story(t, "when the successor died by a Renew before the logout is heard of", func(w *world) {
		line(w)
		for _, id := range []string{a, b} {
			st, _ := w.Store.Get(id)
			w.learns(id, st.Death)
		}
		w.learns(a, w.death(state.Destroyed))
		time.Sleep(5 * time.Second)
		w.wantDead(b, state.Revoked)
		w.wantDead(c, state.Revoked)
	})
	story(t, "where two writers have renewed it", func(w *world) {
		line(w)
		st, _ := w.Store.Get(a)
		w.learns(a, st.Death)
		other := w.Clock.Death(state.Renewed).Follow(longID("d"))
		w.Store.Set(longID("d"), w.live("x", "1"))
		w.learns(a, other)
		time.Sleep(5 * time.Second)
		w.wantDead(b, state.Revoked)
		w.wantDead(c, state.Revoked)
		w.wantDead(longID("d"), state.Revoked)
	})
	story(t, "but not by the token that the Renew has ended", func(w *world) {
		line(w)
		st, _ := w.Store.Get(a)
		w.learns(a, st.Death)
		w.entomb(journal.IfLive(a, w.Clock.Death(state.Destroyed)))
		w.learns(a, st.Death)
		time.Sleep(5 * time.Second)
		w.wantDead(a, state.Renewed)
		if st, _ := w.Store.Get(c); st.Dead() {
			w.Error("the visitor's own session has ended")
		}
	})
}
