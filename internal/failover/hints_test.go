package failover_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// What was written under the token of before a rotation is the successor's while the
// grace lasts.
func TestWhatWasWrittenUnderAnOldTokenIsTheSuccessors(t *testing.T) {
	next := longID("next")
	early := func(w *world) (state.Death, state.State) {
		death := w.rotated("next")
		st := w.live("x", "1")
		w.Store.Set("a", state.State{Death: death})
		w.Store.Set(next, st)
		return death, st
	}
	story(t, "all of it", func(w *world) {
		_, st := early(w)
		time.Sleep(9 * time.Second)
		old := w.write(st, "x", "2")
		old.End, old.Authenticated = old.End-1, old.Authenticated+1
		w.hint(w.copyOf("a", old))
		time.Sleep(time.Second)
		w.stored(next, "x", "2")
		if now, _ := w.Store.Get(next); now.End != st.End || now.Authenticated != st.Authenticated {
			w.Errorf("its dates are the old session's: %+v", now)
		}
		w.wantHeard()
		if j := w.Shards.Stats().Journal; j.Delivered != 1 || j.Lost != 0 {
			w.Errorf("the journal has %+v", j)
		}
	})
	story(t, "and what came later is lost", func(w *world) {
		_, st := early(w)
		written := w.write(st, "x", "2")
		time.Sleep(10 * time.Second)
		w.hint(w.copyOf("a", w.write(written, "y", "2")))
		time.Sleep(time.Second)
		w.stored(next, "x", "2")
		w.stored(next, "y", "")
		w.wantHeard("dropped a: session: session has ended")
	})
	story(t, "where this process has seen the rotation before", func(w *world) {
		death, st := early(w)
		w.learns("a", death)
		w.hint(w.copyOf("a", w.write(st, "x", "2")))
		time.Sleep(time.Second)
		w.stored(next, "x", "2")
	})
	story(t, "where this process sees it while the state waits", func(w *world) {
		end := w.outage()
		death := w.rotated("next")
		st := w.live("x", "1")
		w.Store.Set(next, st)
		w.hint(w.copyOf("a", w.write(st, "x", "2")))
		w.learns("a", death)
		w.wantLost(0)
		end()
		time.Sleep(5 * time.Second)
		w.stored(next, "x", "2")
	})
	story(t, "and is lost with a session that has ended otherwise", func(w *world) {
		end := w.outage()
		w.hint(w.copyOf("a", w.live("x", "1")))
		w.learns("a", w.death(state.Destroyed))
		w.wantLost(1)
		w.hint(w.copyOf("b", w.live("x", "1")))
		w.learns("b", w.Clock.Death(state.Destroyed))
		if j := w.Shards.Stats().Journal; j.Lost != 1 {
			w.Errorf("what this process has ended itself is counted as lost: %+v", j)
		}
		end()
	})
}

// What an instance has acknowledged before another one renewed the session belongs to the session
// that goes on, and what it acknowledged later does not: the token of before opens nothing.
func TestWhatWasWrittenBeforeARenewElsewhereIsTheSuccessors(t *testing.T) {
	next := longID("next")
	renewed := func(w *world) state.Death { return w.death(state.Renewed).Follow(next) }
	waits := func(w *world) state.State {
		st := w.write(w.live("x", "1"), "x", "2")
		w.hint(w.copyOf("a", st))
		return st
	}
	// recovers tells a story of what happens in an outage, and of what the store has a few
	// seconds after it.
	recovers := func(name string, do, then func(w *world)) {
		t.Helper()
		story(t, name, func(w *world) {
			end := w.outage()
			do(w)
			end()
			time.Sleep(5 * time.Second)
			then(w)
		})
	}
	goesOn := func(w *world) { w.Store.Set(next, w.live("y", "1")) }
	isTheSuccessors := func(w *world) {
		w.Helper()
		w.stored(next, "x", "2")
		w.wantOwed(0, 0)
	}
	recovers("where it hears of the Renew while the state waits", func(w *world) {
		waits(w)
		goesOn(w)
		w.learns("a", renewed(w))
		w.wantLost(0)
	}, func(w *world) {
		isTheSuccessors(w)
		w.stored(next, "y", "1")
	})
	recovers("where it finds the tombstone when it delivers", func(w *world) {
		waits(w)
		goesOn(w)
		w.Store.Set("a", state.State{Death: renewed(w)})
	}, isTheSuccessors)
	recovers("and nothing that came later", func(w *world) {
		st := waits(w)
		death := renewed(w)
		goesOn(w)
		w.hint(w.copyOf("a", w.write(st, "z", "1")))
		w.learns("a", death)
		w.wantLost(1)
	}, func(w *world) {
		isTheSuccessors(w)
		w.stored(next, "z", "")
	})
	story(t, "nor by a request that comes when the Renew is known", func(w *world) {
		st := w.write(w.live("x", "1"), "x", "2")
		goesOn(w)
		w.learns("a", renewed(w))
		kept, ended := w.Shards.Of("a").AddHint(context.Background(), w.copyOf("a", st))
		if kept || ended.Reason != state.Renewed {
			w.Errorf("it came to %v, %+v", kept, ended)
		}
		time.Sleep(5 * time.Second)
		w.stored(next, "x", "")
	})
	story(t, "all of it where this process has renewed the session itself", func(w *world) {
		end := w.outage()
		death := w.Clock.Death(state.Renewed).Follow(next)
		waits(w) // by a request that was under way
		goesOn(w)
		w.entomb(journal.Moved("a", death, next))
		end()
		time.Sleep(5 * time.Second)
		isTheSuccessors(w)
	})
	recovers("and waits for that session where the store has none yet", func(w *world) {
		waits(w)
		w.learns("a", renewed(w))
	}, func(w *world) {
		w.wantOwed(1, 0)
		goesOn(w)
		time.Sleep(2 * time.Second)
		isTheSuccessors(w)
	})
	for _, renewedToo := range []bool{true, false} {
		story(t, "also where the revocation of its user is heard first; renewed: "+strconv.FormatBool(renewedToo), func(w *world) {
			end := w.outage()
			login := state.Login{User: "ann", Clock: w.Clock.Login(0)}
			st := w.live("x", "1")
			st = st.Write([]state.Change{login.Change()}, w.Clock.Dot(st))
			w.hint(w.copyOf("a", w.write(st, "x", "2")))
			w.Store.Set("a", st)
			death := renewed(w)
			w.learns(revoked.UserID("ann"), w.death(state.Revoked))
			login.Clock = w.Clock.Login(w.Shards.RevokedUpTo(context.Background(), "ann"))
			w.Store.Set(next, st.Write([]state.Change{login.Change()}, w.Clock.Dot(st)))
			end()
			time.Sleep(8 * time.Second)
			w.wantOwed(1, 0)
			if renewedToo {
				w.learns("a", death)
			}
			time.Sleep(6 * time.Second)
			w.wantOwed(0, 0)
			w.stored("a", "x", "1")
			want := "1"
			if renewedToo {
				want = "2"
			}
			w.stored(next, "x", want)
		})
	}
	recovers("also by way of a rotation, where the Renew is heard first", func(w *world) {
		waits(w)
		rotated := w.rotated("mid")
		goesOn(w)
		w.learns(longID("mid"), renewed(w))
		w.learns("a", rotated)
		w.wantLost(0)
	}, isTheSuccessors)
	for _, heard := range []bool{true, false} {
		name := "and nothing under a token from before a rotation, after a Renew by this process; heard: " + strconv.FormatBool(heard)
		recovers(name, func(w *world) {
			st := waits(w)
			mid := longID("mid")
			rotated, death := w.rotated("mid"), w.Clock.Death(state.Renewed).Follow(next)
			goesOn(w)
			w.hint(w.copyOf("a", w.write(st, "z", "1")))
			w.Store.Set("a", state.State{Death: rotated})
			w.Store.Set(mid, state.State{Death: death})
			if heard {
				w.learns(mid, death)
				w.learns("a", rotated)
				w.wantLost(1)
			}
		}, func(w *world) {
			isTheSuccessors(w)
			w.stored(next, "z", "")
		})
	}
	story(t, "for ten seconds", func(w *world) {
		end := w.outage()
		waits(w)
		w.learns("a", renewed(w))
		end()
		time.Sleep(14 * time.Second)
		w.wantOwed(0, 0)
		w.wantNothing(next)
		w.wantLost(1)
	})
}

// tombstoneSize is what a tombstone takes up in the journal.
const tombstoneSize = 352

// A journal that is full lets the oldest states go, and no tombstone.
func TestAFullJournal(t *testing.T) {
	storyOf(t, "of states", true, func(i *instance.Instance) { i.Shards.JournalBytes = 3 * tombstoneSize }, func(w *world) {
		end := w.outage()
		w.hint(w.copyOf("a", w.live("x", "1")))
		w.hint(w.copyOf("b", w.live("x", "1")))
		w.hint(w.copyOf("c", w.live("x", "1")))
		w.wantHeard("overflow a")
		for n := range 3 {
			w.entomb(journal.Owed(strconv.Itoa(n), w.death(state.Destroyed)))
		}
		w.heard()
		err := w.Shards.Of("e").AddTombstone(context.Background(), journal.Owed("e", w.death(state.Destroyed)))
		if !errors.Is(err, failure.ErrUnavailable) || !strings.Contains(err.Error(), "full") {
			w.Errorf("it came to %v", err)
		}
		if kept, _ := w.Shards.Of("d").AddHint(context.Background(), w.copyOf("d", w.live("x", "1"))); kept {
			w.Error("there is room for a state")
		}
		w.Shards.Of("d").Keep(context.Background(), w.copyOf("d", w.live("x", "1")))
		w.wantHeard()
		end()
	})
}

// What the store has taken stays known for half a minute, or until a request of the
// session has carried it back, and for five seconds at least.
func TestWhatWasTakenStaysKnown(t *testing.T) {
	known := func(w *world) bool {
		_, ok := w.Shards.Of("a").Copy("a")
		return ok
	}
	story(t, "for ten seconds", func(w *world) {
		w.Shards.Of("a").Keep(context.Background(), w.copyOf("a", w.live("x", "1")))
		time.Sleep(29 * time.Second)
		if !known(w) {
			w.Error("it is forgotten too early")
		}
		time.Sleep(3 * time.Second)
		if known(w) {
			w.Error("it is known too long")
		}
	})
	story(t, "until it is carried", func(w *world) {
		st := w.live("x", "1")
		w.Shards.Of("a").Keep(context.Background(), w.copyOf("a", st))
		time.Sleep(4 * time.Second)
		w.Shards.Carried("a", st.Entries, w.Clock.Now())
		if !known(w) {
			w.Error("it is forgotten, although others may be on their way")
		}
		time.Sleep(time.Second + time.Millisecond)
		w.Shards.Carried("a", w.live("y", "1").Entries, w.Clock.Now())
		if !known(w) {
			w.Error("it is forgotten, although something else was carried")
		}
		w.Shards.Carried("a", st.Entries, w.Clock.Now())
		if known(w) {
			w.Error("it is known still")
		}
	})
}
