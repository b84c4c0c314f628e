package failover_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// beside returns another instance over the same store.
func (w *world) beside() *world {
	other := &world{T: w.T}
	other.Instance = instance.New(w.T, w.Store, true, func(i *instance.Instance) { i.Shards.Hooks = other.hooks() })
	return other
}

// knows compares why the instance knows that a session has ended; zero: it knows of no
// end.
func (w *world) knows(id string, want state.Reason) journal.Tombstone {
	w.Helper()
	g, _ := w.Shards.Tombstone(id)
	if g.Death.Reason != want {
		w.Errorf("it knows %+v of %s, want a death for reason %d", g, id, want)
	}
	return g
}

var members = recordid.Numbered(recordid.Members, 0)

// segments matches the calls for the records of logs.
func segments(c instance.Call) bool { return strings.HasPrefix(c.ID, "log-") }

// A session that the store lacks, and whose own end the logs tell of when its predecessor
// is read for a restore, has ended as they say.
func TestALogTellsOfAnEndDuringARestore(t *testing.T) {
	story(t, "by a Renew, and what that made lives on", func(w *world) {
		other := w.beside()
		a, next := longID("a"), longID("next")
		death := other.renewed("next")
		c := w.copyOf(a, w.live("x", "1"), state.Superseded{ID: longID("old"), Dot: w.death(state.Renewed).Dot, Predecessor: true})
		w.Store.Set(next, c.State)
		other.Shards.Wrote(w.Context(), longID("first"), other.renewed("second"))
		time.Sleep(2500 * time.Millisecond) // its log is named
		other.Shards.Wrote(w.Context(), a, death)
		time.Sleep(10 * time.Millisecond) // no probe is due, so only the restore hears it
		w.knows(a, 0)
		l := w.Reader.Fetch(w.Context(), a, lookup.KnownAs(&c, true), false)
		if l.Phase != lookup.Dead || l.State.Death != death {
			w.Errorf("the session is %v by %+v, want dead by %+v", l.Phase, l.State.Death, death)
		}
		time.Sleep(5 * time.Second)
		if st, _ := w.Store.Get(next); st.Dead() {
			w.Error("what the Renew made is dead")
		}
		if st, _ := w.Store.Get(a); st.Death != death {
			w.Errorf("the store has %+v, want the tombstone again", st)
		}
	})
}

// A session that is put back into a store that has lost its tombstone, before the logs tell
// of it, ends in the store when they do.
func TestALogTellsOfAnEndAfterARestore(t *testing.T) {
	story(t, "that came before it", func(w *world) {
		other := w.beside()
		a, death := longID("a"), other.renewed("next")
		w.hint(w.copyOf(a, w.live("x", "1")))
		other.Shards.Wrote(w.Context(), a, death)
		time.Sleep(time.Millisecond) // the members record does not say yet that the log has grown
		w.stored(a, "x", "1")
		w.knows(a, 0)
		time.Sleep(3 * time.Second)
		w.knows(a, state.Renewed)
		if st, _ := w.Store.Get(a); st.Death != death {
			w.Errorf("the store has %+v, want the tombstone", st)
		}
		w.Store.Remove(a)
		time.Sleep(heardAll)
		if _, v := w.Store.Get(a); v != record.Absent {
			w.Error("the tombstone is written again for ever")
		}
	})
	story(t, "and is not written again of a session that nobody has put back", func(w *world) {
		other := w.beside()
		a := longID("a")
		other.Shards.Wrote(w.Context(), a, other.renewed("next"))
		time.Sleep(3 * time.Second)
		w.knows(a, state.Renewed)
		if _, v := w.Store.Get(a); v != record.Absent {
			w.Error("the store has the tombstone, which it was not owed")
		}
	})
	story(t, "a good while later, which writes nothing", func(w *world) {
		other := w.beside()
		a := longID("a")
		w.hint(w.copyOf(a, w.live("x", "1")))
		time.Sleep(heardAll)
		other.Shards.Wrote(w.Context(), a, other.renewed("next"))
		time.Sleep(3 * time.Second)
		w.knows(a, state.Renewed)
		w.stored(a, "x", "1")
	})
}

// A tombstone whose session no store and no copy had vouched for counts like any other in
// the log when the store had the session.
func TestALogSaysThatTheStoreHadASession(t *testing.T) {
	story(t, "of which a cookie alone told", func(w *world) {
		other := w.beside()
		a := longID("a")
		w.Store.Set(a, w.live("x", "1"))
		w.entomb(journal.Named(state.Superseded{ID: a, Dot: w.death(state.Destroyed).Dot, IfStored: true}))
		time.Sleep(3 * time.Second)
		if g := other.knows(a, state.Destroyed); g.Unverified || g.IfStored {
			w.Errorf("the other instance has heard of %+v", g)
		}
	})
}

// heardAll is how long after a restore an instance expects no more to hear of an end that
// came before it.
const heardAll = 21 * time.Second

// Another instance hears of an end, and asks the store for nothing but logs.
func TestOthersHearOfAnEnd(t *testing.T) {
	a, b := longID("a"), longID("b")
	ctx := context.Background()
	two := func(name string, do func(w, other *world)) {
		t.Helper()
		story(t, name, func(w *world) { do(w, w.beside()) })
	}
	two("in the store", func(w, other *world) {
		v := w.Store.Set(a, w.live("x", "1"))
		w.end(w.destroyed(a), v, failover.Durable)
		time.Sleep(1100 * time.Millisecond)
		other.knows(a, state.Destroyed)
		other.knows(b, 0)
	})
	two("that met another writer's, which names a successor", func(w, other *world) {
		w.Store.Set(a, state.State{Death: w.renewed("b")})
		w.end(w.destroyed(a), record.Version{1}, failover.Durable)
		time.Sleep(1100 * time.Millisecond)
		if g := other.knows(a, state.Destroyed); g.Death.Successor != b {
			w.Errorf("it heard of %+v, want the successor", g)
		}
	})
	two("of a session that may be none", func(w, other *world) {
		w.Store.Set(a, w.live("x", "1"))
		for _, id := range []string{a, b} {
			g := journal.Unseen(id, w.Clock.Death(state.Destroyed))
			if _, err := w.Shards.EndOne(ctx, &g, record.Any); err != nil {
				w.Error(err)
			}
		}
		time.Sleep(1100 * time.Millisecond)
		other.knows(a, state.Destroyed)
		other.knows(b, 0)
	})
	two("that was delivered", func(w, other *world) {
		w.entomb(journal.Owed(a, w.Clock.Death(state.Destroyed)))
		time.Sleep(1500 * time.Millisecond)
		other.knows(a, state.Destroyed)
	})
	two("that this process has written", func(w, other *world) {
		w.Shards.Wrote(ctx, a, w.Clock.Death(state.Destroyed))
		w.Shards.Learn(ctx, b, other.death(state.Destroyed))
		time.Sleep(1100 * time.Millisecond)
		other.knows(a, state.Destroyed)
		other.knows(b, 0) // whose log has it already
	})
	two("once the log takes it", func(w, other *world) {
		w.Store.PlanFor(func(c instance.Call) bool { return c.Save && segments(c) }, instance.Fate{Err: errors.New("out of memory")})
		v := w.Store.Set(a, w.live("x", "1"))
		w.end(w.destroyed(a), v, failover.Pending)
		w.wantDead(a, state.Destroyed)
		w.end(w.destroyed(b), record.Any, failover.Pending) // which the log is not even given while it lacks the first
		w.Store.Plan(nil)
		time.Sleep(2500 * time.Millisecond)
		other.knows(a, state.Destroyed)
		other.knows(b, state.Destroyed)
		w.wantOwed(0, 0)
	})
	two("although the request has gone", func(w, other *world) {
		w.Store.PlanFor(func(c instance.Call) bool { return c.Save && segments(c) }, instance.Fate{Takes: 50 * time.Millisecond})
		v := w.Store.Set(a, w.live("x", "1"))
		gone, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		began := time.Now()
		if d, err := w.Shards.EndOne(gone, w.destroyed(a), v); d != failover.Durable || err != nil {
			w.Errorf("the end came to %v, %v", d, err)
		}
		if took := time.Since(began); took > 200*time.Millisecond {
			w.Errorf("it took %v", took)
		}
	})
	two("of a rotation when the grace is over", func(w, other *world) {
		w.Shards.Wrote(ctx, a, w.rotated("b"))
		time.Sleep(8 * time.Second)
		other.knows(a, 0) // the token leads on, and the log does not say how
		time.Sleep(5 * time.Second)
		other.knows(a, state.Rotated)
	})
	two("before its writer is closed", func(w, other *world) {
		w.Shards.Wrote(ctx, a, w.Clock.Death(state.Destroyed))
		if err := w.Shards.Close(ctx); err != nil {
			w.Error(err)
		}
		time.Sleep(1100 * time.Millisecond)
		other.knows(a, state.Destroyed)
	})
	two("although the store refuses another tombstone", func(w, other *world) {
		w.refuse(b, errors.New("out of memory"))
		w.entomb(journal.Owed(b, w.Clock.Death(state.Destroyed)))
		w.Shards.Wrote(ctx, a, w.Clock.Death(state.Destroyed))
		time.Sleep(5 * time.Second)
		other.knows(a, state.Destroyed)
		other.knows(b, 0)
	})
}

// An end does not wait for a log for longer than three saves.
func TestALogThatDoesNotAnswerHoldsUpNoEnd(t *testing.T) {
	story(t, "for long", func(w *world) {
		w.Store.PlanFor(func(c instance.Call) bool { return c.Save && segments(c) }, instance.Never)
		v := w.Store.Set("a", w.live("x", "1"))
		began := time.Now()
		w.end(w.destroyed("a"), v, failover.Pending)
		if took := time.Since(began); took != 3*instance.SaveTimeout {
			w.Errorf("it took %v", took)
		}
	})
}

// That a shard has nothing proves something if all logs were read.
func TestAShardWhoseLogsCannotBeRead(t *testing.T) {
	story(t, "is not believed", func(w *world) {
		other := w.beside()
		restore := func() error {
			_, err := w.Shards.PrepareRestore(context.Background(), w.copyOf("x", w.live()), true)
			return err
		}
		if err := restore(); err != nil {
			w.Errorf("with all logs read: %v", err)
		}
		other.Shards.Wrote(context.Background(), longID("a"), other.Clock.Death(state.Destroyed))
		time.Sleep(10 * time.Millisecond)
		w.Store.PlanFor(func(c instance.Call) bool { return !c.Save && segments(c) }, instance.Fate{Err: errors.New("corrupt")})
		time.Sleep(5 * time.Second)
		if err := restore(); !errors.Is(err, failure.ErrForgetful) {
			w.Errorf("with a log that cannot be read: %v", err)
		}
		if st := w.Shards.Stats().Shards[0]; st.State != failover.Serving {
			w.Errorf("it is %v, although it answers", st)
		}
		w.Store.Plan(nil)
		time.Sleep(2500 * time.Millisecond)
		if err := restore(); err != nil {
			w.Errorf("with all logs read again: %v", err)
		}
		w.knows(longID("a"), state.Destroyed)
	})
}

// If a shard went back in time for longer than tombstones live, no process knows which of the
// sessions that it has had ended.
func TestAShardThatWentBackForLong(t *testing.T) {
	story(t, "has no session of that time", func(w *world) {
		was := w.live("x", "1")
		r, err := w.Shards.Store.Load(context.Background(), members, true)
		if err != nil {
			w.Fatal(err)
		}
		time.Sleep(2 * instance.TombstoneLife)
		if w.Shards.Undone("a", was) {
			w.Error("it has none before it went back")
		}
		w.Store.SetRaw(members, r.Data)
		time.Sleep(2 * time.Second)
		if !w.Shards.Undone("a", was) {
			w.Error("it has one that may have ended")
		}
		if w.Shards.Undone("a", w.live("x", "1")) {
			w.Error("it does not have what was used since")
		}
	})
}

// A shard that lost its data gets what it had again, at a thousand a second.
func TestTombstonesAreWrittenAgain(t *testing.T) {
	ctx := context.Background()
	id := func(i int) string { return longID(fmt.Sprint(i)) }
	const many = 2500
	fill := func(w *world) {
		for i := range many {
			w.Shards.Wrote(ctx, id(i), w.Clock.Death(state.Destroyed))
		}
		time.Sleep(2 * time.Second)
		w.Store.Calls()
	}
	wrote := func(w *world) (n int) {
		for i := range many {
			if st, _ := w.Store.Get(id(i)); st.Dead() {
				n++
			}
		}
		return n
	}
	story(t, "all of them", func(w *world) {
		fill(w)
		g := journal.Unseen(longID("made up"), w.Clock.Death(state.Destroyed))
		if _, err := w.Shards.EndOne(ctx, &g, record.Any); err != nil {
			w.Error(err)
		}
		w.Store.Empty()
		time.Sleep(1100 * time.Millisecond)
		if n := wrote(w); n < 1000 || n > 1500 { // a second's worth goes at once
			w.Errorf("%d after a tenth of a second", n)
		}
		if j := w.Shards.Stats().Journal; j.Again == 0 || j.Again > many {
			w.Errorf("%d are to come", j.Again)
		}
		time.Sleep(2 * time.Second)
		if n := wrote(w); n != many {
			w.Errorf("%d in the end", n)
		}
		if got := w.saved(); len(got) != many {
			w.Errorf("%d saves", len(got))
		}
		w.wantNothing(g.ID)
		if j := w.Shards.Stats().Journal; j.Again != 0 {
			w.Errorf("%d are to come", j.Again)
		}
		other := w.beside() // which hears from the log that was written again
		for i := range many {
			if _, ok := other.Shards.Tombstone(id(i)); !ok {
				w.Fatalf("the log that was written again lacks tombstone %d", i)
			}
		}
		other.knows(g.ID, 0)
	})
	story(t, "from the beginning where it loses them once more", func(w *world) {
		fill(w)
		w.Store.Empty()
		time.Sleep(1300 * time.Millisecond)
		w.Store.Empty()
		time.Sleep(5 * time.Second)
		if n := wrote(w); n != many {
			w.Errorf("%d in the end", n)
		}
	})
	story(t, "from the beginning where a visitor finds that they are lost once more", func(w *world) {
		fill(w)
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.Save && !recordid.Reserved(c.ID) {
				return instance.Fate{Takes: 50 * time.Millisecond}
			}
			return instance.Fate{}
		})
		w.Store.Empty()
		for range 200 {
			if wrote(w) > 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		w.Store.Empty() // while a page is under way
		_, _ = w.Shards.PrepareRestore(ctx, w.copyOf("x", w.live()), true)
		time.Sleep(30 * time.Second)
		if n := wrote(w); n != many {
			w.Errorf("%d in the end", n)
		}
	})
	story(t, "although the store refuses one of them, which is told and tried again", func(w *world) {
		fill(w)
		bad := id(many / 2)
		w.refuse(bad, errors.New("out of memory"))
		w.Store.Empty()
		w.heard()
		time.Sleep(4 * time.Second)
		if n := wrote(w); n != many-1 {
			w.Errorf("%d while one is refused, want all others", n)
		}
		if st := w.Shards.Stats(); st.Refused != 1 || st.Journal.Again != 1 {
			w.Errorf("%d are to come and %d are refused, want one of each", st.Journal.Again, st.Refused)
		}
		tries := func() (n int) {
			for _, words := range w.heard() {
				if strings.Contains(words, bad) && strings.Contains(words, "out of memory") {
					n++
				}
			}
			return n
		}
		if n := tries(); n < 2 || n > 3 {
			w.Errorf("the hook was told of %d attempts in three seconds, want 2 or 3", n)
		}
		time.Sleep(5 * time.Minute)
		if n := tries(); n < 8 || n > 10 {
			w.Errorf("the hook was told of %d attempts in five minutes, want 8 to 10", n)
		}
		w.Store.Plan(nil)
		time.Sleep(62 * time.Second)
		if n := wrote(w); n != many {
			w.Errorf("%d in the end", n)
		}
		if st := w.Shards.Stats(); st.Refused != 0 || st.Journal.Again != 0 {
			w.Errorf("%d are to come and %d are refused, want none", st.Journal.Again, st.Refused)
		}
	})
	story(t, "but one that is refused no longer than it is needed", func(w *world) {
		fill(w)
		w.refuse(id(many/2), errors.New("out of memory"))
		w.Store.Empty()
		time.Sleep(instance.TombstoneLife + 2*time.Minute)
		if st := w.Shards.Stats(); st.Refused != 0 || st.Journal.Again != 0 {
			w.Errorf("%d are to come and %d are refused, want none", st.Journal.Again, st.Refused)
		}
	})
	story(t, "but not one after the other where the store refuses all", func(w *world) {
		fill(w)
		var refusals sync.Map
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if !c.Save || recordid.Reserved(c.ID) {
				return instance.Fate{}
			}
			refusals.Store(c.ID, true)
			return instance.Fate{Err: errors.New("out of memory")}
		})
		w.Store.Empty()
		time.Sleep(20 * time.Second)
		n := 0
		refusals.Range(func(_, _ any) bool { n++; return true })
		if n < 1024 || n > 1024+64 {
			w.Errorf("%d were tried, want a bounded number", n)
		}
		if j := w.Shards.Stats().Journal; j.Again < many-64 {
			w.Errorf("%d are to come, want all", j.Again)
		}
		w.Store.Plan(nil)
		time.Sleep(40 * time.Second)
		if n := wrote(w); n != many {
			w.Errorf("%d in the end", n)
		}
	})
	story(t, "also where it takes longer than one delivery to write a page", func(w *world) {
		fill(w)
		for i := range 59 { // so that the last page is nearly full
			w.Shards.Wrote(ctx, id(many+i), w.Clock.Death(state.Destroyed))
		}
		time.Sleep(2 * time.Second)
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.Save && !recordid.Reserved(c.ID) {
				return instance.Fate{Takes: 90 * time.Millisecond}
			}
			return instance.Fate{}
		})
		w.Store.Empty()
		time.Sleep(1100 * time.Millisecond)
		for began := time.Now(); w.Shards.Stats().Journal.Again > 0 && time.Since(began) < time.Minute; {
			time.Sleep(10 * time.Millisecond)
		}
		if n := wrote(w); n != many {
			w.Errorf("%d are there when none is to come", n)
		}
	})
	story(t, "and what ends meanwhile does not wait for them", func(w *world) {
		fill(w)
		w.Store.Empty()
		time.Sleep(1100 * time.Millisecond)
		for i := range 4 {
			time.Sleep(200 * time.Millisecond)
			w.entomb(journal.Owed(longID(fmt.Sprint("late", i)), w.Clock.Death(state.Destroyed)))
			time.Sleep(60 * time.Millisecond)
			w.wantDead(longID(fmt.Sprint("late", i)), state.Destroyed)
		}
		if w.Shards.Stats().Journal.Again == 0 {
			w.Error("none was to come any more")
		}
	})
	story(t, "although the store refuses a state", func(w *world) {
		fill(w)
		w.refuse("refused", errors.New("out of memory"))
		w.hint(w.copyOf("refused", w.live("x", "1")))
		w.Store.Empty()
		time.Sleep(4 * time.Second)
		if n := wrote(w); n != many {
			w.Errorf("%d in the end", n)
		}
	})
	storyOf(t, "in their own shard", true, func(i *instance.Instance) {
		i.Store.ShardOf = func(id string) string { return id[len(id)-1:] }
	}, func(w *world) {
		fill(w)
		var kept, lost int
		for i := range many {
			switch id := id(i); id[len(id)-1] {
			case '0':
				lost++
			default:
				kept++
			}
		}
		for n := range 256 {
			if id := recordid.Numbered(recordid.Members, n); id[len(id)-1] == '0' {
				w.Store.Remove(id)
			}
		}
		time.Sleep(4 * time.Second)
		if n := wrote(w); n != lost || kept == 0 {
			w.Errorf("%d were written into the shard that lost its data, want %d", n, lost)
		}
	})
	story(t, "and what another writer has made of a session meanwhile ends", func(w *world) {
		a, b := longID("a"), longID("b")
		w.Shards.Wrote(ctx, a, w.Clock.Death(state.Destroyed))
		time.Sleep(time.Second)
		w.Store.Empty()
		w.Store.Set(a, state.State{Death: w.renewed("b")})
		w.Store.Set(b, w.live("x", "1"))
		time.Sleep(3 * time.Second)
		w.wantDead(b, state.Revoked)
	})
}
