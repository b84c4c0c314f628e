package failover_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// An end by the ID alone is no end of a session that a Renew had ended before, even if the
// store has lost the tombstone of the Renew.
func TestAnEndByIDOfASessionWhoseTombstoneTheStoreHasLost(t *testing.T) {
	renewed := func(w *world) state.Death {
		w.Store.Set(longID("b"), w.live("x", "1"))
		d := w.death(state.Renewed).Follow(longID("b"))
		w.learns(longID("a"), d)
		return d
	}
	wantLive := func(w *world, id string) {
		w.Helper()
		if st, _ := w.Store.Get(id); st.Dead() || st.Created == 0 {
			w.Errorf("the store has %+v of %s, want a live session", st, id)
		}
	}
	for _, why := range []state.Reason{state.Revoked, state.Destroyed} {
		story(t, "the death that this process knows is written again", func(w *world) {
			d := renewed(w)
			time.Sleep(time.Second)
			at := journal.IfLive(longID("a"), w.Clock.Death(why))
			w.end(&at, record.Any, failover.Durable)
			if got := w.wantDead(longID("a"), state.Renewed); got != d || at.Death != d {
				w.Errorf("it is %+v, and was told as %+v, want %+v", got, at.Death, d)
			}
			wantLive(w, longID("b"))
			if known, _ := w.Shards.Tombstone(longID("a")); known.Death != d || known.Conflict {
				w.Errorf("this process knows %+v", known)
			}
		})
	}
	story(t, "what rotations have made of the session ends", func(w *world) {
		w.Store.Set(longID("b"), w.live("x", "1"))
		w.learns(longID("a"), w.rotated("b"))
		at := journal.IfLive(longID("a"), w.Clock.Death(state.Revoked))
		w.end(&at, record.Any, failover.Durable)
		w.wantDead(longID("b"), state.Revoked)
	})
	story(t, "an end of a token that nobody had is no such death", func(w *world) {
		w.entomb(journal.Unseen("a", w.death(state.Destroyed)))
		at := journal.IfLive("a", w.Clock.Death(state.Revoked))
		w.end(&at, record.Any, failover.Durable)
		w.wantDead("a", state.Revoked)
	})
	story(t, "a Renew that the store has not taken yet is no such death", func(w *world) {
		_ = w.outage()
		w.entomb(journal.Moved(longID("a"), w.death(state.Renewed).Follow(longID("b")), longID("b")))
		w.Store.Away(false) // the breaker keeps deliveries away
		at := journal.IfLive(longID("a"), w.Clock.Death(state.Revoked))
		w.end(&at, record.Any, failover.Durable)
		w.wantDead(longID("a"), state.Revoked)
	})
	story(t, "an end that is to be written in any case is", func(w *world) {
		renewed(w)
		time.Sleep(time.Second)
		w.end(w.destroyed(longID("a")), record.Any, failover.Durable)
		w.wantDead(longID("a"), state.Destroyed)
		time.Sleep(5 * time.Second)
		w.wantDead(longID("b"), state.Revoked)
	})
	story(t, "where the store has lost its data it waits until the others have said what had ended", func(w *world) {
		w.Store.Empty()
		at := journal.IfLive(longID("a"), w.Clock.Death(state.Revoked))
		w.end(&at, record.Any, failover.Pending)
		w.wantNothing(longID("a"))
		w.wantOwed(0, 1)
		d := renewed(w) // another instance's log says it
		time.Sleep(10 * time.Second)
		w.wantOwed(0, 0)
		if got := w.wantDead(longID("a"), state.Renewed); got != d {
			w.Errorf("it is %+v, want %+v", got, d)
		}
		wantLive(w, longID("b"))
	})
	story(t, "and is written then where they knew of nothing", func(w *world) {
		w.Store.Empty()
		at := journal.IfLive("a", w.Clock.Death(state.Revoked))
		w.end(&at, record.Any, failover.Pending)
		time.Sleep(10 * time.Second)
		w.wantOwed(0, 0)
		w.wantDead("a", state.Revoked)
	})
	story(t, "but an expired record has lost no tombstone", func(w *world) {
		w.Store.Empty()
		expired := w.live("x", "1")
		expired.End = time.Now().Add(-time.Second).UnixMilli()
		w.Store.Set("a", expired)
		at := journal.IfLive("a", w.Clock.Death(state.Revoked))
		w.end(&at, record.Any, failover.Durable)
		w.wantDead("a", state.Revoked)
	})
	story(t, "a client whose copy vouches does not wait", func(w *world) {
		w.Store.Empty()
		at := journal.IfLive("a", w.Clock.Death(state.Destroyed))
		w.end(&at, record.Any, failover.Durable)
		w.wantDead("a", state.Destroyed)
	})
}
