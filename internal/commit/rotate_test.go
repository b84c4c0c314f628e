package commit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
	"github.com/holdfast-go/session/internal/token"
)

// A rotation moves the session to a token that is derived from the old one, and gains
// neither rights nor time.
func TestARotationMovesTheSession(t *testing.T) {
	story(t, "in the store", func(v *visitor) {
		time.Sleep(time.Minute)
		l := v.load()
		c := v.rotate(l, set("a", "1"))
		v.must(c, failover.Durable)
		st, _ := v.Store.Get(c.Token.ID())
		v.want("the new record", st, "a", "1")
		v.want("the new record", st, "n", "0")
		now := time.Now().UnixMilli()
		if st.End != l.State.End || st.Authenticated != l.State.Authenticated || st.Rotated != now || st.LastSeen != now {
			v.Errorf("its dates are %+v", st)
		}
		old, _ := v.Store.Get(v.id())
		if old.Death.Reason != state.Rotated || old.Death.Link.Successor() != c.Token.ID() {
			v.Errorf("the old session is %+v", old)
		}
		if next, ok := v.Reader.Follow(v.token, old.Death); !ok || next != c.Token {
			v.Error("the old token does not lead to the new one")
		}
	})
	story(t, "and another that was under way follows it", func(v *visitor) {
		l := v.load()
		first := v.rotate(l)
		v.must(first, failover.Durable)
		second := v.rotate(l, increment("n"))
		v.must(second, failover.Durable)
		if !second.Followed || second.Begun || second.Held != first.Token || second.ID != first.Token.ID() {
			v.Errorf("it has %+v", second.Loaded)
		}
		st, _ := v.Store.Get(first.Token.ID())
		v.want("the new record", st, "n", "1")
		if k := second.Supersedes; len(k) != 1 || k[0].ID != v.id() || !k[0].Durable {
			v.Errorf("it supersedes %+v", k)
		}
	})
	story(t, "and a write follows it while the grace lasts", func(v *visitor) {
		l := v.load()
		first := v.rotate(l)
		v.must(first, failover.Durable)
		time.Sleep(state.RotationGrace - time.Millisecond)
		c := v.commit(l, increment("n"))
		v.must(c, failover.Durable)
		if !c.Followed || c.Held != first.Token || c.Source != lookup.FromStore {
			v.Errorf("it has %+v", c.Loaded)
		}
		time.Sleep(time.Millisecond)
		v.fails(v.commit(l, increment("n")), failure.ErrEnded)
		st, _ := v.Store.Get(first.Token.ID())
		v.want("the new record", st, "n", "1")
	})
	story(t, "and a renewal follows it", func(v *visitor) {
		l := v.load()
		first := v.rotate(l)
		v.must(first, failover.Durable)
		c := v.renew(l, increment("n"))
		v.must(c, failover.Durable)
		st, _ := v.Store.Get(c.Token.ID())
		v.want("the new record", st, "n", "1")
		if old, _ := v.Store.Get(first.Token.ID()); old.Death.Reason != state.Renewed {
			v.Errorf("what the rotation made is %+v", old)
		}
	})
	story(t, "and those that wait for it follow it together", func(v *visitor) {
		v.slow(20 * time.Millisecond)
		l := v.load()
		first := v.rotate(l)
		errs := v.together(first, v.commit(l, increment("n")), v.commit(l, increment("n")), v.commit(l, increment("n")))
		for n, err := range errs {
			if err != nil {
				v.Errorf("commit %d: %v", n, err)
			}
		}
		st, _ := v.Store.Get(first.Token.ID())
		v.want("the new record", st, "n", "3")
	})
	story(t, "but not without the store's answer", func(v *visitor) {
		l := v.load()
		first := v.rotate(l)
		v.must(first, failover.Durable)
		v.Store.PlanFor(instance.CallsFor(first.Token.ID()), instance.Fate{Err: instance.ErrRefused})
		c := v.commit(l, increment("n"))
		v.fails(c, failure.ErrUnavailable)
		if c.Followed || c.ID != v.id() || c.Held != v.token {
			v.Errorf("it stands on %+v", c.Loaded)
		}
		v.wantOwed(0, 0)
	})
	story(t, "where this process has rotated too many to know each successor's token", func(v *visitor) {
		l := v.load()
		v.forgetLinks()
		first := v.rotate(l)
		v.must(first, failover.Durable)
		second := v.rotate(l, increment("n"))
		v.must(second, failover.Durable)
		if !second.Followed {
			v.Error("it has followed no rotation")
		}
		st, _ := v.Store.Get(first.Token.ID())
		v.want("the new record", st, "n", "1")
	})
	story(t, "where it has, and another request writes", func(v *visitor) {
		l := v.load()
		v.forgetLinks()
		first := v.rotate(l)
		v.must(first, failover.Durable)
		c := v.commit(l, increment("n"))
		v.must(c, failover.Durable)
		st, _ := v.Store.Get(first.Token.ID())
		v.want("the new record", st, "n", "1")
	})
	story(t, "where it has, and the store is away", func(v *visitor) {
		l := v.load()
		v.forgetLinks()
		first := v.rotate(l)
		v.must(first, failover.Durable)
		v.must(v.commitTo(first, increment("n")), failover.Durable)
		v.Store.Away(true)
		l.AwaySince = v.Clock.Now()
		v.fails(v.commit(l, increment("n")), failure.ErrUnavailable) // the value that the update is of is not known
		v.fails(v.rotate(l, increment("n")), failure.ErrUnavailable)
		v.must(v.rotate(l), failover.Durable) // it waits
		v.Store.Away(false)
		time.Sleep(10 * time.Second)
		st, _ := v.Store.Get(first.Token.ID())
		v.want("what the first one made", st, "n", "1")
	})
	for how, to := range map[string]commit.Renewal{"writes": commit.KeepID, "rotates": commit.RotateID, "renews": commit.RenewID} {
		story(t, "where it has, and the store is set back before another request "+how, func(v *visitor) {
			l := v.load()
			v.forgetLinks()
			setBack := v.Store.Snapshot()
			v.must(v.rotate(l), failover.Durable)
			setBack()
			c := v.moving(to, l, increment("n"))
			v.fails(c, failure.ErrEnded)
			if c.Begun {
				v.Error("the session goes on twice")
			}
			time.Sleep(time.Second)
			if st, _ := v.Store.Get(v.id()); st.Death.Reason != state.Rotated {
				v.Errorf("under the token of before stands %+v", st)
			}
		})
	}
	story(t, "where it has, and the store does not say where the first one led", func(v *visitor) {
		l := v.load()
		v.forgetLinks()
		v.must(v.rotate(l), failover.Durable)
		v.Store.PlanFor(instance.CallsFor(v.id()), instance.Fate{Err: instance.ErrRefused})
		v.fails(v.rotate(l, increment("n")), failure.ErrUnavailable)
	})
	story(t, "and a rotation that cannot follow another waits", func(v *visitor) {
		l := v.load()
		first := v.rotate(l)
		v.must(first, failover.Durable)
		v.Store.PlanFor(instance.CallsFor(first.Token.ID()), instance.Fate{Err: instance.ErrRefused})
		c := v.rotate(l)
		v.must(c, failover.Durable)
		if c.Followed || c.Begun || c.ID != v.id() {
			v.Errorf("it stands on %+v", c.Loaded)
		}
	})
	story(t, "and a session that another instance has rotated names the one before", func(v *visitor) {
		l := v.load()
		elsewhere := &visitor{T: v.T, Instance: instance.New(v.T, v.Store, true, nil), token: v.token}
		v.must(elsewhere.rotate(elsewhere.load()), failover.Durable)
		c := v.commit(l, increment("n"))
		c.Writer = &v.Writer
		v.must(c, failover.Durable)
		if k := c.Supersedes; len(k) != 1 || k[0].ID != v.id() || !k[0].Predecessor {
			v.Errorf("it supersedes %+v", k)
		}
	})
	story(t, "at most 64 times in one request", func(v *visitor) {
		l := v.load()
		at := v.rotate(l)
		v.must(at, failover.Durable)
		first := v.token
		for range lookup.MaxRotations {
			v.token = at.Token
			at = v.rotate(at.Loaded)
			v.must(at, failover.Durable)
		}
		v.token = first
		v.fails(v.commit(l, increment("n")), lookup.ErrTooManyRotations)
	})
}

// A rotation can wait; what else there is to save does not.
func TestARotationThatCannotBeMadeWaits(t *testing.T) {
	story(t, "in an outage", func(v *visitor) {
		l := v.load()
		v.Store.Away(true)
		c := v.rotate(l)
		v.must(c, failover.Durable) // there is nothing to save
		if c.Begun || c.ID != v.id() {
			v.Errorf("it stands on %+v", c.Loaded)
		}
		written := v.rotate(l, increment("n"))
		v.must(written, failover.Pending)
		if written.Begun || written.ID != v.id() || written.Token != (token.Token{}) {
			v.Errorf("it stands on %+v", written.Loaded)
		}
		v.wantOwed(1, 0)
	})
	storyOf(t, "without a backup", false, nil, func(v *visitor) {
		l := v.load()
		v.Store.Away(true)
		v.must(v.rotate(l), failover.Durable)
		v.fails(v.rotate(l, increment("n")), failure.ErrUnavailable)
	})
	story(t, "where the new record is refused", func(v *visitor) {
		l := v.load()
		v.Store.PlanFor(func(c instance.Call) bool { return c.Save && c.ID != v.id() }, instance.Fate{Err: instance.ErrRefused})
		v.must(v.rotate(l, increment("n")), failover.Durable)
		v.stored("n", "1")
	})
	story(t, "but a change that is too large does not", func(v *visitor) {
		l := v.load()
		v.Store.PlanFor(func(c instance.Call) bool { return c.Save && c.ID != v.id() }, instance.Fate{Err: failure.ErrTooLarge})
		v.fails(v.rotate(l, increment("n")), failure.ErrTooLarge)
	})
}

// A rotation's tombstone that was not answered is looked up.
func TestARotationWithoutAnAnswerIsLookedUp(t *testing.T) {
	for _, backup := range []bool{true, false} {
		name := map[bool]string{true: ", with a backup", false: ", without one"}[backup]
		storyOf(t, "it stands"+name, backup, nil, func(v *visitor) {
			c := v.rotate(v.load(), increment("n"))
			v.plan(nil, []instance.Fate{silent})
			v.must(c, failover.Durable)
			if !c.Begun || !c.Supersedes[0].Durable {
				v.Errorf("it stands on %+v", c.Loaded)
			}
			v.wantOwed(0, 0)
		})
		storyOf(t, "another writer was faster, and it is made again"+name, backup, nil, func(v *visitor) {
			c := v.rotate(v.load(), increment("n"))
			v.plan(nil, []instance.Fate{instance.Never})
			time.AfterFunc(50*time.Millisecond, func() { v.elsewhere("n", "10") })
			v.must(c, failover.Durable)
			st, _ := v.Store.Get(c.Token.ID())
			v.want("the new record", st, "n", "11")
			if old, _ := v.Store.Get(v.id()); old.Death.Reason != state.Rotated {
				v.Errorf("the old session is %+v", old)
			}
		})
		storyOf(t, "other writers were faster, also afterwards, and it has the time of a rotation again"+name, backup, nil, func(v *visitor) {
			c := v.rotate(v.load(), increment("n"))
			v.contestAfterSilence()
			v.must(c, failover.Durable)
			st, _ := v.Store.Get(c.Token.ID())
			v.want("the new record", st, "n", "1")
			v.want("the new record", st, "other", "3")
		})
		storyOf(t, "nobody answers"+name, backup, nil, func(v *visitor) {
			c := v.rotate(v.load(), increment("n"))
			v.plan([]instance.Fate{refused}, []instance.Fate{instance.Never})
			want := failover.Durable
			if backup {
				want = failover.Pending
			}
			v.must(c, want)
			if !c.Begun || c.Supersedes[0].Durable {
				v.Errorf("it stands on %+v", c.Loaded)
			}
		})
		storyOf(t, "it never arrived, and the token goes out"+name, backup, nil, func(v *visitor) {
			c := v.rotate(v.load(), increment("n"))
			v.plan(nil, []instance.Fate{instance.Never})
			_, err := v.run(c)
			if err != nil || !c.Begun {
				v.Errorf("it came to %v, begun %v", err, c.Begun)
			}
			st, _ := v.Store.Get(c.Token.ID())
			v.want("the new record", st, "n", "1")
		})
	}
}

// commitTo returns a commit of edits to the session that another commit has made.
func (v *visitor) commitTo(made *commit.Commit, edits ...*state.Edit) *commit.Commit {
	c := v.commit(made.Loaded, edits...)
	c.Held = made.Token
	return c
}

// forgetLinks makes the process know no link of a rotation that is made from now on.
func (v *visitor) forgetLinks() {
	for n := range 10_000 {
		d := v.Clock.Death(state.Rotated)
		d.Link = state.NewLink(d.Dot, v.Clock.Now(), [state.LinkRandom]byte{1}, fmt.Sprintf("%032x", n))
		v.Shards.Wrote(v.Context(), fmt.Sprintf("%031xf", n), d)
	}
}
