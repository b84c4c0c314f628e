package commit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/test/instance"
)

// A save that was not answered is looked up once, with and without a backup.
func TestASaveThatWasNotAnsweredIsLookedUp(t *testing.T) {
	both := func(name string, do func(v *visitor)) {
		t.Helper()
		storyOf(t, name+", with a backup", true, nil, do)
		storyOf(t, name+", without one", false, nil, do)
	}
	both("it stands", func(v *visitor) {
		c := v.commit(v.load(), increment("n"))
		v.plan(nil, []instance.Fate{silent})
		v.Store.Calls()
		sent, before := time.Now(), v.Storage.Saves.Load()
		v.must(c, failover.Durable)
		v.wantCalls("sl")
		v.stored("n", "1")
		if n := v.Storage.Saves.Load() - before; n != 1 {
			v.Errorf("%d saves are counted, want 1", n)
		}
		if _, version := v.Store.Get(v.id()); c.Version != version || c.Lacking() || c.Away() {
			v.Errorf("the commit stands on %+v", c.Loaded)
		}
		if c.Confirmed != sent.UnixMilli() {
			v.Errorf("the copy is confirmed as of %v, want when the save was sent", time.UnixMilli(c.Confirmed))
		}
	})
	both("it never arrived, and is sent again as it was", func(v *visitor) {
		c := v.commit(v.load(), increment("n"))
		v.plan(nil, []instance.Fate{instance.Never})
		v.must(c, failover.Durable)
		saves := v.saves()
		if len(saves) != 2 || !saves[0].State.Equal(saves[1].State) || saves[0].Over != saves[1].Over {
			v.Errorf("the saves are %+v, want one twice", saves)
		}
		v.stored("n", "1")
		if _, version := v.Store.Get(v.id()); c.Version != version {
			v.Error("the commit does not stand on what is there")
		}
	})
	both("it stands below what another instance wrote on it", func(v *visitor) {
		c := v.commit(v.load(), set("a", "1"))
		v.plan(nil, []instance.Fate{silent})
		time.AfterFunc(50*time.Millisecond, func() { v.elsewhere("other", "x") })
		v.Store.Calls()
		v.must(c, failover.Durable)
		v.wantCalls("sl")
		v.want("the commit", c.State, "other", "x")
		v.want("the commit", c.State, "a", "1")
		if _, version := v.Store.Get(v.id()); c.Version != version {
			v.Error("the commit does not stand on what is there")
		}
	})
	both("another instance wrote, and it did not arrive", func(v *visitor) {
		c := v.commit(v.load(), increment("n"))
		v.plan(nil, []instance.Fate{instance.Never})
		time.AfterFunc(50*time.Millisecond, func() { v.elsewhere("other", "x") })
		v.must(c, failover.Durable)
		v.stored("n", "1")
		v.stored("other", "x")
		v.want("the commit", c.State, "other", "x")
	})
	both("another instance wrote the same key, so that nobody can tell", func(v *visitor) {
		c := v.commit(v.load(), increment("n"))
		v.plan(nil, []instance.Fate{instance.Never})
		time.AfterFunc(50*time.Millisecond, func() { v.elsewhere("n", "10") })
		err := v.fails(c, failure.ErrUnavailable)
		if failure.IsAway(err) {
			v.Errorf("%v is an outage", err)
		}
		v.stored("n", "10")
	})
	both("another instance set the same key, so that nobody can tell", func(v *visitor) {
		c := v.commit(v.load(), set("n", "5"))
		v.plan(nil, []instance.Fate{instance.Never})
		time.AfterFunc(50*time.Millisecond, func() { v.elsewhere("n", "10") })
		v.fails(c, failure.ErrUnavailable)
		v.stored("n", "10")
	})
	both("it is sent again, and another instance is faster", func(v *visitor) {
		c := v.commit(v.load(), increment("n"))
		v.plan(nil, []instance.Fate{instance.Never, {Takes: 20 * time.Millisecond}})
		time.AfterFunc(110*time.Millisecond, func() { v.elsewhere("other", "x") })
		v.must(c, failover.Durable)
		v.stored("n", "1")
		v.stored("other", "x")
	})
	both("the session is gone meanwhile", func(v *visitor) {
		l := v.load()
		l.Confirmed = 0
		c := v.commit(l, increment("n"))
		v.plan(nil, []instance.Fate{instance.Never})
		time.AfterFunc(50*time.Millisecond, func() { v.Store.Remove(v.id()) })
		v.fails(c, failure.ErrEnded)
	})
	both("the store is too small for it, when it is sent again", func(v *visitor) {
		c := v.commit(v.load(), increment("n"))
		v.plan(nil, []instance.Fate{instance.Never, {Err: failure.ErrTooLarge}})
		v.fails(c, failure.ErrTooLarge)
		v.stored("n", "0")
	})
	story(t, "a repair without a change of its own stands as well", func(v *visitor) {
		l := v.load()
		newer := v.load()
		v.must(v.commit(newer, set("a", "1")), failover.Durable)
		v.Store.Set(v.id(), l.State) // the store went back in time
		behind := v.loadWith(carried(newer))
		if !behind.Lacking() {
			v.Fatalf("the store lacks nothing: %+v", behind)
		}
		c := v.commit(behind)
		v.plan(nil, []instance.Fate{silent})
		v.Store.Calls()
		v.must(c, failover.Durable)
		v.wantCalls("sl")
		if c.Lacking() {
			v.Error("the store lacks something still")
		}
	})
}

// If the store does not answer, a save in doubt is kept whole and under the dot that it
// was sent with, or reported as a failure.
func TestASaveInDoubtIsKeptWhole(t *testing.T) {
	story(t, "nobody answers", func(v *visitor) {
		c := v.commit(v.load(), increment("n"), set("a", "1"))
		v.plan([]instance.Fate{refused}, []instance.Fate{instance.Never})
		v.Store.Calls()
		v.must(c, failover.Pending)
		sent := v.saves()[0].State
		if hint := v.hinted().State; !hint.Equal(sent) {
			v.Errorf("the journal has %v, want what was sent: %v", hint, sent)
		}
		if !c.State.Equal(sent) || !c.Away() || !c.Lacking() || c.Source != lookup.FromBackup {
			v.Errorf("the commit stands on %+v", c.Loaded)
		}
		time.Sleep(10 * time.Second)
		v.stored("n", "1")
		v.wantOwed(0, 0)
	})
	story(t, "it is sent again in vain", func(v *visitor) {
		c := v.commit(v.load(), increment("n"))
		v.plan(nil, []instance.Fate{instance.Never, refused})
		v.must(c, failover.Pending)
		time.Sleep(10 * time.Second)
		v.stored("n", "1")
	})
	story(t, "and it may have happened, where it may not wait for the store", func(v *visitor) {
		c := v.commit(v.load(), increment("n"))
		c.Fresh = true
		v.plan([]instance.Fate{refused}, []instance.Fate{silent})
		err := v.fails(c, failure.ErrUnavailable)
		if len(c.Doubts) != 1 {
			v.Errorf("%d saves are in doubt, want 1", len(c.Doubts))
		}
		if err != nil && !strings.Contains(err.Error(), "it may have happened") {
			v.Errorf("the error does not say that it may have happened: %v", err)
		}
		v.wantOwed(0, 0)
	})
	story(t, "members that may not wait leave, and the others wait", func(v *visitor) {
		l := v.load()
		first := v.commit(l, set("first", "x"))
		leader := v.commit(l, increment("n"))
		member := v.commit(l, increment("n"))
		leader.Fresh = true
		v.plan([]instance.Fate{refused}, []instance.Fate{{Takes: 20 * time.Millisecond}, instance.Never})
		errs := v.together(first, leader, member)
		if !errors.Is(errs[1], failure.ErrUnavailable) || errs[2] != nil {
			v.Errorf("they were told %v", errs)
		}
		if len(leader.Doubts) != 1 || len(member.Doubts) != 0 && !member.Pending {
			v.Errorf("%d and %d saves are in doubt, want 1 and 0", len(leader.Doubts), len(member.Doubts))
		}
		v.want("the journal", v.hinted().State, "n", "2") // under one dot, so that both are in it or none
	})
}
