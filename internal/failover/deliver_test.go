package failover_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// A state that the shard lacks is joined into the record that it has.
func TestAStateIsDelivered(t *testing.T) {
	story(t, "into what stands there", func(w *world) {
		st := w.live("x", "1", "y", "1")
		version := w.Store.Set("a", st)
		hint := w.copyOf("a", w.write(st, "x", "2"))
		w.Store.Set("a", w.write(st, "y", "2"))
		w.hint(hint)
		time.Sleep(time.Second)
		w.stored("a", "x", "2")
		w.stored("a", "y", "2")
		w.wantOwed(0, 0)
		calls := w.Store.Calls()
		if len(calls) != 2 || calls[1].Over == version || calls[1].Over == record.Any {
			w.Errorf("the calls are %+v, want a load, and a save over what was loaded", calls)
		}
		if _, ok := w.Shards.Of("a").Copy("a"); !ok {
			w.Error("it is forgotten at once, although a request that runs may have read before")
		}
		time.Sleep(time.Minute)
		if _, ok := w.Shards.Of("a").Copy("a"); ok {
			w.Error("it is kept for ever")
		}
	})
	story(t, "and not saved where it stands there", func(w *world) {
		st := w.live("x", "1")
		w.Store.Set("a", w.write(st, "y", "1"))
		w.hint(w.copyOf("a", st))
		time.Sleep(time.Second)
		if saved := w.saved(); len(saved) != 0 {
			w.Errorf("%v was saved", saved)
		}
		w.wantOwed(0, 0)
	})
	story(t, "and created where the copy vouches", func(w *world) {
		w.hint(w.copyOf("a", w.live("x", "1")))
		time.Sleep(time.Second)
		w.stored("a", "x", "1")
		for _, c := range w.Store.Calls() {
			if c.Save && c.Over != record.Absent {
				w.Errorf("it was saved over %v", c.Over)
			}
		}
	})
	story(t, "and dropped where it does not", func(w *world) {
		c := w.copyOf("a", w.live("x", "1"))
		c.Confirmed -= instance.Lease.Milliseconds()
		w.hint(c)
		time.Sleep(time.Second)
		w.wantNothing("a")
		w.wantHeard("dropped a: session: value lost: session: the store has confirmed the backup too long ago")
		if j := w.Shards.Stats().Journal; j.Lost != 1 || j.Delivered != 0 || j.States != 0 {
			w.Errorf("the journal has %+v", j)
		}
	})
	for _, born := range []bool{true, false} {
		storyOf(t, "and of another program's sessions, born here "+strconv.FormatBool(born), true,
			func(i *instance.Instance) { i.Shards.Foreign = true },
			func(w *world) {
				c := w.copyOf("a", w.live("x", "1"))
				c.Born, c.NeverStored = born, born
				w.hint(c)
				time.Sleep(time.Second)
				if st, _ := w.Store.Get("a"); (st.Created != 0) != born {
					w.Errorf("the store has %+v", st)
				}
			})
	}
	story(t, "and not to a session that has ended", func(w *world) {
		death := w.death(state.Destroyed)
		w.Store.Set("a", state.State{Death: death})
		w.hint(w.copyOf("a", w.live("x", "1")))
		time.Sleep(time.Second)
		w.wantDead("a", state.Destroyed)
		w.wantHeard("dropped a: session: session has ended")
		if known, ok := w.Shards.Of("a").Tombstone("a"); !ok || known.Death != death || known.Pending {
			w.Errorf("this process knows %+v, %v", known, ok)
		}
		w.wantOwed(0, 0)
	})
	story(t, "past a conflict", func(w *world) {
		st := w.live("x", "1")
		w.Store.Set("a", st)
		w.overtake("a", w.write(st, "y", "2"))
		w.hint(w.copyOf("a", w.write(st, "x", "2")))
		time.Sleep(20 * time.Millisecond)
		w.stored("a", "x", "2")
		w.stored("a", "y", "2")
	})
	story(t, "although each probe takes longer than it is until the next", func(w *world) {
		isProbe := func(c instance.Call) bool { return strings.HasPrefix(c.ID, recordid.Probe(0, 0)[:5]) }
		w.Store.PlanFor(isProbe, instance.Fate{Takes: 600 * time.Millisecond, Deaf: true})
		time.Sleep(2 * time.Second)
		w.hint(w.copyOf("a", w.live("x", "1")))
		time.Sleep(3 * time.Second)
		w.stored("a", "x", "1")
	})
	story(t, "later where others write all the time", func(w *world) {
		st := w.live("x", "1")
		w.Store.Set("a", st)
		w.Store.PlanFor(instance.SavesOf("a"), instance.Fate{Takes: 30 * time.Millisecond, Err: failure.ErrConflict})
		w.hint(w.copyOf("a", w.write(st, "x", "2")))
		time.Sleep(125 * time.Millisecond)
		w.Store.Plan(nil)
		w.Store.Calls()
		time.Sleep(40 * time.Millisecond) // a first attempt has ended, and the next waits for 50 ms
		if calls := w.Store.Calls(); len(calls) != 0 {
			w.Errorf("the store was asked %+v", calls)
		}
		time.Sleep(time.Second)
		w.stored("a", "x", "2")
		w.wantHeard()
	})
	story(t, "again and again, at growing distances", func(w *world) {
		w.refuse("a", errors.New("out of memory"))
		began := time.Now()
		var at []time.Duration
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.Save && c.ID == "a" {
				at = append(at, time.Since(began).Round(time.Millisecond))
				return instance.Fate{Err: errors.New("out of memory")}
			}
			return instance.Fate{}
		})
		w.hint(w.copyOf("a", w.live("x", "1")))
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		ms := time.Millisecond
		if want := []time.Duration{0, 50 * ms, 150 * ms, 350 * ms, 750 * ms}; !slices.Equal(at, want) {
			w.Errorf("it was tried at %v, want %v", at, want)
		}
	})
	story(t, "no faster than restores are allowed", func(w *world) {
		w.Shards.RestoreRate = 10
		time.Sleep(time.Second)
		w.Shards.AllowRestore()
		end := w.outage()
		for n := range 50 {
			w.hint(w.copyOf("a"+strconv.Itoa(n), w.live("x", "1")))
		}
		end()
		time.Sleep(2500 * time.Millisecond)
		if left := w.Shards.Stats().Journal.States; left < 20 || left > 35 {
			w.Errorf("%d wait after 1.5 s, want about 25", left)
		}
		time.Sleep(10 * time.Second)
		w.wantOwed(0, 0)
	})
}

// A shard that is back is given its tombstones before the states: a state may be of a
// session that one of them ends.
func TestTombstonesGoFirst(t *testing.T) {
	story(t, "in one go", func(w *world) {
		end := w.outage()
		w.hint(w.copyOf("a", w.live("x", "1")))
		w.entomb(journal.Owed("gone", w.death(state.Destroyed)))
		end()
		time.Sleep(5 * time.Second)
		if got := w.saved(); !slices.Equal(got, []string{"gone", "a"}) {
			w.Errorf("the order is %v", got)
		}
	})
	story(t, "and states wait while a tombstone is refused", func(w *world) {
		end := w.outage()
		w.hint(w.copyOf("a", w.live("x", "1")))
		w.refuse("gone", errors.New("out of memory"))
		w.entomb(journal.Owed("gone", w.death(state.Destroyed)))
		end()
		time.Sleep(3 * time.Second)
		w.wantNothing("a")
		w.Store.Plan(nil)
		time.Sleep(2 * time.Second)
		w.stored("a", "x", "1")
	})
	story(t, "but not for one that waits for another session", func(w *world) {
		end := w.outage()
		w.hint(w.copyOf("a", w.live("x", "1")))
		w.entomb(journal.Moved("old", w.death(state.Renewed), "new"))
		w.refuse("old", errors.New("out of memory"))
		end()
		time.Sleep(1500 * time.Millisecond)
		w.stored("a", "x", "1")
	})
}

// The outcomes of the delivery of a tombstone that the shard lacked.
func TestATombstoneIsDelivered(t *testing.T) {
	story(t, "over the record", func(w *world) {
		w.Store.Set("a", w.live("x", "1"))
		death := w.death(state.Destroyed)
		w.entomb(journal.Owed("a", death))
		time.Sleep(time.Second)
		if got := w.wantDead("a", state.Destroyed); got != death {
			w.Errorf("it is %+v, want %+v", got, death)
		}
		known, _ := w.Shards.Of("a").Tombstone("a")
		if known.Pending || known.Death != death {
			w.Errorf("this process knows %+v", known)
		}
		if j := w.Shards.Stats().Journal; j.Delivered != 1 {
			w.Errorf("%d are delivered, want 1", j.Delivered)
		}
		time.Sleep(instance.TombstoneLife - 2*time.Second)
		if _, ok := w.Shards.Tombstone("a"); !ok {
			w.Error("this process has forgotten it before the store")
		}
		time.Sleep(2 * time.Minute)
		if _, ok := w.Shards.Tombstone("a"); ok {
			w.Error("this process keeps it for ever")
		}
	})
	story(t, "and not where it was of a made-up token", func(w *world) {
		made := journal.Unseen("made-up", w.death(state.Destroyed))
		made.Pending = true
		w.entomb(made)
		time.Sleep(time.Second)
		w.wantNothing("made-up")
		w.wantOwed(0, 0)
	})
	story(t, "and what a rotation has made of the session ends too", func(w *world) {
		next := longID("next")
		w.Store.Set("a", state.State{Death: w.rotated("next")})
		w.Store.Set(next, w.live("x", "1"))
		at := journal.Owed("a", w.death(state.Destroyed))
		at.EndsSuccessors = true
		w.entomb(at)
		time.Sleep(time.Second)
		w.wantDead(next, state.Revoked)
		if got := w.wantDead("a", state.Destroyed); got.Link.Successor() != next {
			w.Error("the link is gone")
		}
	})
	story(t, "and so it does where nobody asked for the line: a writer held it for live", func(w *world) {
		next := longID("next")
		w.Store.Set("a", state.State{Death: w.rotated("next")})
		w.Store.Set(next, w.live("x", "1"))
		w.entomb(journal.Owed("a", w.death(state.Destroyed)))
		time.Sleep(time.Second)
		w.wantDead(next, state.Revoked)
	})
	story(t, "of a rotation that the store has lost, and what the rotation has made lives", func(w *world) {
		next := longID("next")
		death := w.rotated("next")
		w.Store.Set(next, w.live("x", "1"))
		w.Shards.Learn(w.Context(), "a", death)
		w.entomb(journal.Stored("a", death).Missing())
		time.Sleep(time.Second)
		if got := w.wantDead("a", state.Rotated); got.Link.Successor() != next {
			w.Error("the link is gone")
		}
		w.stored(next, "x", "1")
		w.wantOwed(0, 0)
	})
	story(t, "and what was written to a session that was renewed is the successor's", func(w *world) {
		w.Store.Set("old", w.live("late", "1"))
		w.Store.Set("new", w.live("x", "1"))
		w.entomb(journal.Moved("old", w.death(state.Renewed), "new"))
		time.Sleep(time.Second)
		w.wantDead("old", state.Renewed)
		w.stored("new", "late", "1")
		w.stored("new", "x", "1")
	})
	story(t, "and the successor ends where another writer has ended the session", func(w *world) {
		w.Store.Set("old", state.State{Death: w.death(state.Destroyed)})
		w.Store.Set("new", w.live("x", "1"))
		w.entomb(journal.Moved("old", w.death(state.Renewed), "new"))
		time.Sleep(time.Second)
		w.wantDead("old", state.Destroyed)
		w.wantDead("new", state.Revoked)
		w.wantOwed(0, 0)
	})
	story(t, "and the successor lives where its own renewal is there already", func(w *world) {
		death := w.death(state.Renewed)
		w.Store.Set("old", state.State{Death: death})
		w.Store.Set("new", w.live("x", "1"))
		w.entomb(journal.Moved("old", death, "new"))
		time.Sleep(time.Second)
		w.stored("new", "x", "1")
		w.wantOwed(0, 0)
	})
	story(t, "and what a rotation elsewhere has made ends for the successor of a renewal", func(w *world) {
		next := longID("next")
		w.Store.Set("old", state.State{Death: w.rotated("next")})
		w.Store.Set(next, w.live("late", "1"))
		w.Store.Set("new", w.live("x", "1"))
		w.entomb(journal.Moved("old", w.death(state.Renewed), "new"))
		time.Sleep(time.Second)
		w.wantDead("old", state.Renewed)
		w.wantDead(next, state.Renewed)
		w.stored("new", "late", "1")
		if known, ok := w.Shards.Of(next).Tombstone(next); !ok || known.Pending {
			w.Errorf("this process knows %+v, %v of what the rotation made", known, ok)
		}
	})
	story(t, "and not while the store may have forgotten that the session has ended", func(w *world) {
		w.Store.Empty()
		time.Sleep(time.Second)
		w.Store.Set("new", w.live("x", "1"))
		w.entomb(journal.Moved("old", w.death(state.Renewed), "new"))
		time.Sleep(3 * time.Second)
		w.wantNothing("old")
		w.wantOwed(0, 1)
		time.Sleep(3 * time.Second)
		w.wantDead("old", state.Renewed)
		w.stored("new", "x", "1")
	})
}

// What a session's record lacks when the session has ended is lost, unless this process has
// ended it: a Renew of its own takes along what waits here.
func TestWhatWaitsForASessionThatHasEnded(t *testing.T) {
	for _, own := range []bool{true, false} {
		story(t, "by this process: "+strconv.FormatBool(own), func(w *world) {
			end := w.outage()
			w.hint(w.copyOf("a", w.live("x", "1")))
			death := w.death(state.Renewed)
			if own {
				death = w.Clock.Death(state.Renewed)
			}
			w.Store.Set("a", state.State{Death: death})
			end()
			time.Sleep(5 * time.Second)
			w.wantOwed(0, 0)
			if lost := w.Shards.Stats().Journal.Lost; (lost == 0) != own {
				w.Errorf("%d changes are lost", lost)
			}
		})
	}
}

// The same, if the session ends while a shard that has lost it is asked what it has.
func TestWhatIsPutBackOfASessionThatEndsMeanwhile(t *testing.T) {
	for _, own := range []bool{true, false} {
		story(t, "by this process: "+strconv.FormatBool(own), func(w *world) {
			w.Store.PlanFor(func(c instance.Call) bool { return c.ID == "a" && !c.Save }, instance.Fate{Takes: 60 * time.Millisecond})
			w.hint(w.copyOf("a", w.live("x", "1")))
			time.Sleep(20 * time.Millisecond)
			death := w.death(state.Renewed)
			if own {
				death = w.Clock.Death(state.Renewed)
			}
			w.entomb(journal.Stored("a", death))
			w.Store.Plan(nil)
			time.Sleep(5 * time.Second)
			w.wantOwed(0, 0)
			if lost := w.Shards.Stats().Journal.Lost; (lost == 0) != own {
				w.Errorf("%d changes are lost", lost)
			}
			dropped := slices.Contains(w.heard(), "dropped a: session: session has ended")
			if dropped == own {
				w.Errorf("dropped: %v", dropped)
			}
		})
	}
}
