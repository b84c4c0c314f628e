package commit_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// While a save of a session is under way further commits wait, and the next save
// carries all of them on what the one before came to: no conflict, no load.
func TestCommitsOfOneSessionAreCombined(t *testing.T) {
	for _, backup := range []bool{false, true} {
		storyOf(t, "backup "+strconv.FormatBool(backup), backup, nil, func(v *visitor) {
			v.slow(20 * time.Millisecond)
			l := v.load()
			v.Store.Calls()
			var commits []*commit.Commit
			for range 6 {
				commits = append(commits, v.commit(l, increment("n")))
			}
			commits = append(commits, v.commit(l, set("last", "x")))
			before := v.Storage.Saves.Load()
			for n, err := range v.together(commits...) {
				if err != nil {
					v.Errorf("commit %d failed: %v", n, err)
				}
				v.want("what a commit stands on", commits[n].State, "n", map[bool]string{true: "1", false: "6"}[n == 0])
			}
			v.wantCalls("ss")
			v.stored("n", "6")
			v.stored("last", "x")
			if n := v.Storage.Saves.Load() - before; n != 2 {
				v.Errorf("%d saves are counted, want 2", n)
			}
		})
	}
}

// A conflict is joined, and the edits run again on what the other writer wrote.
func TestAConflictIsJoined(t *testing.T) {
	story(t, "with what another instance wrote", func(v *visitor) {
		l := v.load()
		v.elsewhere("n", "10")
		v.elsewhere("other", "x")
		v.Store.Calls()
		var attempts []int
		v.Writer.Conflict = func(_ context.Context, id string, attempt int) {
			if id != v.id() {
				v.Errorf("the conflict is of %s", id)
			}
			attempts = append(attempts, attempt)
		}
		c := v.commit(l, increment("n"))
		v.must(c, failover.Durable)
		v.wantCalls("sls")
		v.stored("n", "11")
		v.stored("other", "x")
		v.want("the commit", c.State, "other", "x")
		if len(attempts) != 1 || attempts[0] != 1 {
			v.Errorf("the hook was told of the attempts %v, want 1", attempts)
		}
	})
	story(t, "and a session that is gone is put back where its copy vouches", func(v *visitor) {
		l := v.load()
		v.Store.Remove(v.id())
		c := v.commit(l, set("a", "1"))
		v.must(c, failover.Durable)
		v.stored("a", "1")
		v.stored("n", "0")
		if n := v.Writer.Restored.Load(); n != 1 {
			v.Errorf("%d sessions were put back, want 1", n)
		}
	})
	story(t, "and has ended where it does not", func(v *visitor) {
		l := v.load()
		l.Confirmed = 0
		v.Store.Remove(v.id())
		v.fails(v.commit(l, set("a", "1")), failure.ErrEnded)
		if st, _ := v.Store.Get(v.id()); st.Created != 0 {
			v.Errorf("the session stands again: %+v", st)
		}
	})
	storyOf(t, "and without a backup a session that is gone has ended", false, nil, func(v *visitor) {
		l := v.load()
		v.Store.Remove(v.id())
		c := v.commit(l, set("a", "1"))
		v.fails(c, failure.ErrEnded)
		if c.Phase != lookup.Dead || c.State.Death.Reason != state.Revoked {
			v.Errorf("the session is %+v, want revoked", c.Loaded)
		}
		if st, _ := v.Store.Get(v.id()); st.Created != 0 {
			v.Errorf("the session stands again: %+v", st)
		}
	})
	story(t, "and nothing is written to a session that another instance has ended", func(v *visitor) {
		l := v.load()
		death := v.endElsewhere(state.Destroyed)
		c := v.commit(l, set("a", "1"))
		v.fails(c, failure.ErrEnded)
		if st, _ := v.Store.Get(v.id()); st.Death != death {
			v.Errorf("the store has %+v, want the tombstone", st)
		}
		if c.Phase != lookup.Dead || c.ID != v.id() || c.State.Death != death {
			v.Errorf("the commit stands on %+v, want the tombstone", c.Loaded)
		}
	})
}

// A commit is tried again until the budget ends, and then says that others are faster.
func TestConflictsEndWithTheBudget(t *testing.T) {
	story(t, "others write all the time", func(v *visitor) {
		l := v.load()
		v.contest(30 * time.Millisecond)
		began, failures := time.Now(), v.Shards.Failures.Load()
		err := v.fails(v.commit(l, set("a", "1")), failure.ErrUnavailable)
		if failure.IsAway(err) {
			v.Errorf("%v is an outage", err)
		}
		if took := time.Since(began); took != 120*time.Millisecond {
			v.Errorf("it took %v, want four saves of 30 ms, as the fourth begins within the budget", took)
		}
		if n := v.Shards.Failures.Load() - failures; n != 1 {
			v.Errorf("%d failures are counted, want 1", n)
		}
	})
	story(t, "others come first twice, and the store is slow", func(v *visitor) {
		l := v.load()
		v.contestTimes(2, 90*time.Millisecond)
		v.must(v.commit(l, set("a", "1")), failover.Durable)
	})
	story(t, "others come first three times, and the store is slow", func(v *visitor) {
		l := v.load()
		v.contestTimes(3, 90*time.Millisecond)
		v.fails(v.commit(l, set("a", "1")), failure.ErrUnavailable)
	})
	story(t, "others come first three times, and the first save had no answer", func(v *visitor) {
		l := v.load()
		v.contestAfterSilence()
		v.must(v.commit(l, set("a", "1")), failover.Durable)
		v.stored("a", "1")
		v.stored("other", "3")
	})
	story(t, "the store refuses what nobody else writes", func(v *visitor) {
		l := v.load()
		v.Store.PlanFor(instance.SavesOf(v.id()), instance.Fate{Err: failure.ErrConflict})
		v.Store.Calls()
		v.fails(v.commit(l, set("a", "1")), failure.ErrUnavailable)
		v.wantCalls("slsl")
	})
	story(t, "one refusal is forgiven", func(v *visitor) {
		l := v.load()
		v.plan(nil, []instance.Fate{{Err: failure.ErrConflict}})
		v.must(v.commit(l, set("a", "1")), failover.Durable)
		v.plan(nil, []instance.Fate{{Err: failure.ErrConflict}})
		v.must(v.commit(v.load(), set("a", "2")), failover.Durable)
	})
	storyOf(t, "the store does not answer in the end", false, nil, func(v *visitor) {
		l := v.load()
		var changed int
		v.Store.Plan(func(c instance.Call) instance.Fate {
			switch {
			case c.Save:
				v.elsewhere("other", strconv.Itoa(changed))
				return instance.Fate{Takes: 60 * time.Millisecond}
			case changed > 1:
				return instance.Fate{Err: instance.ErrRefused}
			}
			changed++
			return instance.Fate{}
		})
		failures := v.Shards.Failures.Load()
		v.fails(v.commit(l, set("a", "1")), failure.ErrUnavailable)
		if n := v.Shards.Failures.Load() - failures; n != 2 {
			v.Errorf("%d failures are counted, want a load's and the save's", n)
		}
	})
}

// An Update runs again if the store has something else, and only then.
func TestAnUpdateRunsAgainOnlyOnAnotherState(t *testing.T) {
	counted := func(runs *int) *state.Edit {
		return update("n", func(n int) (int, error) { *runs++; return n + 1, nil })
	}
	story(t, "not on what its request has loaded", func(v *visitor) {
		runs := 0
		v.must(v.commit(v.load(), counted(&runs)), failover.Durable)
		if runs != 1 {
			v.Errorf("it ran %d times, want once", runs)
		}
		v.stored("n", "1")
	})
	story(t, "not after a conflict over another value that is the same", func(v *visitor) {
		runs := 0
		l := v.load()
		v.elsewhere("n", "5")
		v.must(v.commit(l, counted(&runs)), failover.Durable)
		if runs != 2 {
			v.Errorf("it ran %d times, want twice", runs)
		}
		v.stored("n", "6")
	})
	story(t, "and its error takes the commit out", func(v *visitor) {
		l := v.load()
		own := errors.New("not more than five")
		e := update("n", func(n int) (int, error) {
			if n >= 5 {
				return n, state.StepError{Err: own}
			}
			return n + 1, nil
		})
		c := v.commit(l, e)
		v.elsewhere("n", "5")
		v.fails(c, own)
		if !e.Done {
			v.Error("an Update that failed would run again at the next commit")
		}
		v.stored("n", "5")
	})
	story(t, "and what was withheld from it is lost", func(v *visitor) {
		l := v.load()
		c := v.commit(l, increment("secret"))
		st, _ := v.Store.Get(v.id())
		v.Store.Set(v.id(), state.Join(st, state.State{Created: st.Created, End: st.End,
			Entries: state.Entry{Dot: v.Clock.Dot(st), Flags: state.Withheld, Name: []byte("secret")}.Append(nil)}))
		v.fails(c, failure.ErrLost)
	})
}

// What another request has written the same way is not written again.
func TestWhatIsThereIsNotSavedAgain(t *testing.T) {
	story(t, "two set one value", func(v *visitor) {
		l := v.load()
		v.must(v.commit(l, set("a", "1")), failover.Durable)
		_, version := v.Store.Get(v.id())
		c := v.commit(l, set("a", "1"))
		v.must(c, failover.Durable)
		if _, now := v.Store.Get(v.id()); now != version {
			v.Error("it was saved again")
		}
		if c.Version != version {
			v.Error("the commit does not stand on what is there")
		}
	})
}
