package commit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// A renewal makes the new record first, and ends the old session over the version that
// was copied.
func TestARenewalMovesTheSession(t *testing.T) {
	story(t, "in the store", func(v *visitor) {
		l := v.load()
		v.Store.Calls()
		time.Sleep(time.Second)
		now := time.Now()
		c := v.renew(l, set("user", "anna"))
		v.must(c, failover.Durable)
		saves := v.saves()
		if len(saves) != 2 || saves[0].ID != c.Token.ID() || saves[0].Over != record.Absent || saves[1].ID != v.id() || saves[1].Over != l.Version {
			v.Fatalf("the saves are %+v, want the new record and then the tombstone over the version that was read", saves)
		}
		st, version := v.Store.Get(c.Token.ID())
		v.want("the new record", st, "user", "anna")
		v.want("the new record", st, "n", "0")
		if st.Authenticated != now.UnixMilli() || st.LastSeen != now.UnixMilli() || st.End != now.Add(instance.Lifetime).UnixMilli() || st.Created != l.State.Created || st.Rotated != 0 {
			v.Errorf("its dates are %+v", st)
		}
		old, _ := v.Store.Get(v.id())
		if old.Death.Reason != state.Renewed || old.Death.Successor != c.Token.ID() {
			v.Errorf("the old session is %+v, want one whose tombstone names the new session", old)
		}
		if !c.Begun || c.Version != version || c.ID != c.Token.ID() || c.Confirmed != now.UnixMilli() || c.Saved != st.Entries.Latest() || c.Lacking() {
			v.Errorf("the commit stands on %+v", c.Loaded)
		}
		want := state.Superseded{ID: v.id(), Dot: old.Death.Dot, Predecessor: true, Durable: true}
		if len(c.Supersedes) != 1 || c.Supersedes[0] != want {
			v.Errorf("it supersedes %+v, want %+v", c.Supersedes, want)
		}
		if known, ok := v.Shards.Of(v.id()).Tombstone(v.id()); !ok || known.Death != old.Death {
			v.Error("this process does not know that the old session has ended")
		}
		if known, _ := v.Shards.Of(c.ID).Copy(c.ID); !known.State.Equal(st) {
			v.Error("this process does not keep what the store has taken")
		}
	})
	story(t, "and takes along what another instance wrote meanwhile", func(v *visitor) {
		c := v.renew(v.load(), increment("n"))
		v.elsewhere("n", "10")
		v.must(c, failover.Durable)
		st, _ := v.Store.Get(c.Token.ID())
		v.want("the new record", st, "n", "11")
		saves := v.saves()
		records := 0
		for _, s := range saves {
			if s.ID == c.Token.ID() {
				records++
			}
		}
		if records != 2 {
			v.Errorf("the new record was saved %d times, want twice, under one ID: %+v", records, saves)
		}
	})
	story(t, "unless its changes do not go on top of that, and then tells nobody that the session has ended", func(v *visitor) {
		other := instance.New(v.T, v.Store, true, nil)
		errSoldOut := errors.New("sold out")
		c := v.renew(v.load(), update("n", func(n int) (int, error) {
			if n >= 10 {
				return 0, errSoldOut
			}
			return n + 1, nil
		}))
		v.elsewhere("n", "10")
		if _, err := v.run(c); !errors.Is(err, errSoldOut) {
			v.Fatalf("the renewal came to %v", err)
		}
		time.Sleep(2 * time.Second)
		if g, known := other.Shards.Tombstone(v.id()); known {
			v.Errorf("another instance knows %+v of a session that lives", g)
		}
		v.stored("n", "10")
	})
	story(t, "and what another request is saving", func(v *visitor) {
		v.slow(20 * time.Millisecond)
		l := v.load()
		c := v.renew(l, increment("n"))
		errs := v.together(v.commit(l, increment("n")), c, v.commit(l, increment("n")))
		if errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], failure.ErrEnded) {
			v.Fatalf("they came to %v, want nothing, nothing and an end", errs)
		}
		st, _ := v.Store.Get(c.Token.ID())
		v.want("the new record", st, "n", "2")
	})
	story(t, "unless it has ended", func(v *visitor) {
		c := v.renew(v.load())
		v.endElsewhere(state.Destroyed)
		v.fails(c, failure.ErrEnded)
		if c.Begun {
			v.Error("it has begun")
		}
	})
	story(t, "unless the store refuses the new record", func(v *visitor) {
		l := v.load()
		v.Store.PlanFor(func(c instance.Call) bool { return c.Save && c.ID != v.id() }, instance.Fate{Err: failure.ErrConflict})
		v.fails(v.renew(l), failure.ErrUnavailable)
		if st, _ := v.Store.Get(v.id()); st.Dead() {
			v.Error("the old session has ended")
		}
	})
	story(t, "although the store evicts both records between the two saves", func(v *visitor) {
		c, failures := v.renew(v.load(), set("user", "anna")), v.Shards.Failures.Load()
		v.once(instance.SavesOf(v.id()), func() {
			v.Store.Remove(v.id())
			v.Store.Remove(c.Token.ID())
		})
		v.must(c, failover.Durable)
		v.movedTo(c, "anna")
		if n := v.Shards.Failures.Load() - failures; n != 0 {
			v.Errorf("%d failures of the store are counted, want none", n)
		}
	})
	story(t, "although the store loses all data between the two saves, as soon as the revocation logs are known", func(v *visitor) {
		c := v.renew(v.load(), set("user", "anna"))
		v.once(instance.SavesOf(v.id()), v.Store.Empty)
		v.must(c, failover.Pending)
		time.Sleep(20 * time.Second)
		v.movedTo(c, "anna")
	})
	story(t, "although another instance wrote to the session, and the store evicts the new record afterwards", func(v *visitor) {
		c := v.renew(v.load(), set("user", "anna"))
		v.elsewhere("other", "x")
		newRecords := 0
		v.once(func(call instance.Call) bool {
			if call.Save && call.ID != v.id() {
				newRecords++
			}
			return newRecords == 2
		}, func() { v.Store.Remove(c.Token.ID()) })
		v.must(c, failover.Durable)
		st := v.movedTo(c, "anna")
		v.want("the new record", st, "other", "x")
	})
	story(t, "unless its new record was ended where it stood", func(v *visitor) {
		c := v.renew(v.load())
		v.once(instance.SavesOf(v.id()), func() {
			v.elsewhere("other", "x")
			v.Store.Set(c.Token.ID(), state.State{Death: v.Clock.Death(state.Revoked)})
		})
		v.fails(c, failure.ErrUnavailable)
		if st, _ := v.Store.Get(c.Token.ID()); st.Death.Reason != state.Revoked || c.Begun {
			v.Errorf("the new record is %+v, want the tombstone", st)
		}
	})
	story(t, "although others come first twice and the store is slow", func(v *visitor) {
		l := v.load()
		v.contestTimes(2, 90*time.Millisecond)
		v.must(v.renew(l), failover.Durable)
	})
	story(t, "within a budget", func(v *visitor) {
		l := v.load()
		v.contest(30 * time.Millisecond)
		began := time.Now()
		v.fails(v.renew(l), failure.ErrUnavailable)
		if took := time.Since(began); took != 120*time.Millisecond {
			v.Errorf("it took %v, want 120ms", took)
		}
	})
}

// once runs do before the first call that matches.
func (v *visitor) once(matches func(instance.Call) bool, do func()) {
	done := false
	v.Store.Plan(func(c instance.Call) instance.Fate {
		if !done && matches(c) {
			done = true
			do()
		}
		return instance.Fate{}
	})
}

// movedTo wants a session that is stored under its new ID, with a user, and has ended under
// the one before. It returns the new record.
func (v *visitor) movedTo(c *commit.Commit, user string) state.State {
	v.Helper()
	st, _ := v.Store.Get(c.Token.ID())
	v.want("the new record", st, "user", user)
	v.want("the new record", st, "n", "0")
	if old, _ := v.Store.Get(v.id()); old.Death.Reason != state.Renewed || old.Death.Successor != c.Token.ID() {
		v.Errorf("the old session is %+v, want one whose tombstone names the new session", old)
	}
	return st
}

// The token of a renewal goes out although it is not known whether the old session has
// ended: it may be all that the visitor has.
func TestARenewalWithoutAnAnswer(t *testing.T) {
	story(t, "waits for the store", func(v *visitor) {
		c := v.renew(v.load(), set("user", "anna"))
		v.Store.PlanFor(instance.SavesOf(v.id()), refused)
		v.must(c, failover.Pending)
		if !c.Begun {
			v.Error("it has not begun")
		}
		if k := c.Supersedes; len(k) != 1 || k[0].Durable {
			v.Errorf("it supersedes %+v", k)
		}
		v.wantOwed(0, 1)
		v.Store.Plan(nil)
		time.Sleep(10 * time.Second)
		if st, _ := v.Store.Get(v.id()); st.Death.Reason != state.Renewed {
			v.Errorf("the old session is %+v", st)
		}
	})
	storyOf(t, "is told without a backup", false, nil, func(v *visitor) {
		c := v.renew(v.load(), set("user", "anna"))
		v.plan(nil, []instance.Fate{refused})
		v.fails(c, failure.ErrUnavailable)
		if !c.Begun || c.ID != c.Token.ID() {
			v.Error("the token does not go out")
		}
	})
	story(t, "and those that wait for it go on from it", func(v *visitor) {
		v.plan(nil, []instance.Fate{{Takes: 20 * time.Millisecond}, refused})
		l := v.load()
		errs := v.together(v.commit(l, set("first", "x")), v.renew(l), v.commit(l, set("last", "x")))
		if errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], failure.ErrEnded) {
			v.Errorf("they came to %v", errs)
		}
	})
}

// A renewal without the store begins a copy under the new ID, and ends the old session
// as soon as the store is there.
func TestARenewalInAnOutage(t *testing.T) {
	awayStory(t, "is delivered, the tombstone and the new session", func(v *visitor, l lookup.Loaded) {
		c := v.renew(l, set("user", "anna"))
		v.must(c, failover.Pending)
		v.wantCalls("")
		v.wantOwed(1, 1)
		if !c.Begun || !c.NeverStored || c.Placement != lookup.Missing || c.Version != record.Absent || c.Confirmed != l.Confirmed {
			v.Errorf("the commit stands on %+v", c.Loaded)
		}
		v.Store.Away(false)
		time.Sleep(20 * time.Second)
		st, _ := v.Store.Get(c.Token.ID())
		v.want("the new record", st, "user", "anna")
		v.want("the new record", st, "n", "0")
		if old, _ := v.Store.Get(v.id()); old.Death.Reason != state.Renewed || old.Death.Successor != c.Token.ID() {
			v.Errorf("the old session is %+v, want one whose tombstone names the new session", old)
		}
		v.wantOwed(0, 0)
	})
	awayStory(t, "takes along what another request has written in it", func(v *visitor, l lookup.Loaded) {
		v.must(v.commit(l, increment("n")), failover.Pending)
		c := v.renew(l, increment("n"))
		v.must(c, failover.Pending)
		v.want("the new session", c.State, "n", "2")
	})
	awayStory(t, "of a session that has ended here is none", func(v *visitor, l lookup.Loaded) {
		if err := v.Shards.Of(v.id()).AddTombstone(context.Background(), journal.Owed(v.id(), v.Clock.Death(state.Destroyed))); err != nil {
			v.Fatal(err)
		}
		c := v.renew(l)
		v.fails(c, failure.ErrEnded)
		v.wantOwed(0, 1)
	})
	awayStory(t, "is refused where it may not wait for the store", func(v *visitor, l lookup.Loaded) {
		c := v.renew(l)
		c.Fresh = true
		v.fails(c, failure.ErrUnavailable)
		full := errors.New("no room")
		v.Room = func(state.Copy) error { return full }
		v.fails(v.renew(l), full)
		v.wantOwed(0, 0)
	})
	awayStory(t, "is refused where no copy vouches", func(v *visitor, l lookup.Loaded) {
		time.Sleep(instance.Lease)
		v.fails(v.renew(l), failure.ErrUnavailable)
		v.wantOwed(0, 0)
	})
	awayStory(t, "can be made eight times in a row", func(v *visitor, l lookup.Loaded) {
		for range state.MaxSuperseded {
			c := v.renew(l)
			v.must(c, failover.Pending)
			l = c.Loaded
			for i := range l.Supersedes {
				l.Supersedes[i].NeverStored = false // each might have been in the store for a moment
			}
		}
		v.fails(v.renew(l), failure.ErrUnavailable)
	})
	awayStory(t, "is found dead by those that wait for it", func(v *visitor, l lookup.Loaded) {
		v.must(v.renew(l), failover.Pending)
		v.fails(v.commit(l, set("a", "1")), failure.ErrEnded)
	})
}

// A renewal that waits for the store takes along what other requests of this process have
// written without it, and is none of a session that has ended meanwhile.
func TestARenewalInAnOutageKnowsWhatWaits(t *testing.T) {
	awayStory(t, "a value that another request has written", func(v *visitor, l lookup.Loaded) {
		l = v.loadWith(carried(l))
		v.must(v.commit(l, set("a", "1")), failover.Pending)
		c := v.renew(l, set("user", "anna"))
		v.must(c, failover.Pending)
		v.want("the new session", c.State, "a", "1")
		if c.Version != record.Absent {
			v.Errorf("the new session has the version %v, and stands nowhere", c.Version)
		}
	})
	story(t, "a record that the new session is not", func(v *visitor) {
		l := v.load()
		v.Store.Away(true) // the breaker has not tripped yet
		c := v.renew(l, set("user", "anna"))
		v.must(c, failover.Pending)
		if c.Version != record.Absent || !c.NeverStored || c.Placement != lookup.Missing {
			v.Errorf("the new session has the version %v, and stands nowhere: %+v", c.Version, c.Loaded)
		}
	})
	story(t, "an end while the store was asked", func(v *visitor) {
		l := v.load()
		v.Store.PlanFor(instance.Saves, instance.Fate{Takes: 50 * time.Millisecond, Err: instance.ErrRefused})
		time.AfterFunc(20*time.Millisecond, func() {
			v.Shards.Learn(context.Background(), v.id(), v.Clock.Death(state.Destroyed))
		})
		c := v.renew(l, set("user", "anna"))
		v.fails(c, failure.ErrEnded)
		if c.Begun {
			v.Error("it has begun")
		}
	})
}
