package commit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/test/instance"
)

// A save in doubt is settled by the next commit of the same edits, and never repeated if
// it succeeded.
func TestASaveInDoubtIsSettledByTheNextCommit(t *testing.T) {
	again := func(v *visitor, c *commit.Commit) *commit.Commit {
		next := v.commit(c.Loaded)
		next.Edits = c.Edits
		next.Changes = c.Changes
		next.Doubts = c.Doubts
		return next
	}
	for name, fate := range map[string]instance.Fate{"it stands": silent, "it did not arrive": instance.Never} {
		storyOf(t, name, false, nil, func(v *visitor) {
			c := v.inDoubt(increment("n"), fate)
			if len(c.Doubts) != 1 {
				v.Fatalf("%d saves are in doubt, want 1", len(c.Doubts))
			}
			v.must(again(v, c), failover.Durable)
			v.stored("n", "1")
		})
	}
	storyOf(t, "it comes late", false, nil, func(v *visitor) {
		c := v.inDoubt(increment("n"), instance.Fate{Late: 5 * time.Second})
		v.must(again(v, c), failover.Durable)
		time.Sleep(10 * time.Second)
		v.stored("n", "1")
	})
	storyOf(t, "another writer has written the key since, and nobody can tell", false, nil, func(v *visitor) {
		c := v.inDoubt(increment("n"), instance.Never)
		v.elsewhere("n", "7")
		next := again(v, c)
		v.fails(next, failure.ErrUnavailable)
		v.stored("n", "7")
		if !c.Edits[0].Done {
			v.Error("the Update would run once more")
		}
	})
	storyOf(t, "what came to nothing is saved over all the same, or it came later", false, nil, func(v *visitor) {
		c := v.inDoubt(set("a", "1"), instance.Fate{Late: 5 * time.Second})
		v.elsewhere("a", "2")
		_, before := v.Store.Get(v.id())
		v.must(again(v, c), failover.Durable)
		if _, version := v.Store.Get(v.id()); version == before {
			v.Error("the version is the one that the late save may be over")
		}
		time.Sleep(10 * time.Second)
		v.stored("a", "2")
	})
	storyOf(t, "a second save without an answer is a second doubt", false, nil, func(v *visitor) {
		c := v.inDoubt(increment("n"), instance.Never)
		next := again(v, c)
		v.plan([]instance.Fate{done, refused}, []instance.Fate{silent})
		v.fails(next, failure.ErrUnavailable)
		if len(next.Doubts) != 2 {
			v.Fatalf("%d saves are in doubt, want 2", len(next.Doubts))
		}
		v.must(again(v, next), failover.Durable)
		v.stored("n", "1")
	})
	storyOf(t, "the store does not answer still", false, nil, func(v *visitor) {
		c := v.inDoubt(increment("n"), silent)
		v.plan([]instance.Fate{refused}, nil)
		v.Store.Calls()
		v.fails(again(v, c), failure.ErrUnavailable)
		v.wantCalls("l")
	})
	storyOf(t, "it takes its turn alone", false, nil, func(v *visitor) {
		c := v.inDoubt(increment("n"), silent)
		v.slow(20 * time.Millisecond)
		l := v.begun
		v.Store.Calls()
		errs := v.together(v.commit(v.load(), set("first", "x")), again(v, c), v.commit(l, set("last", "x")))
		for n, err := range errs {
			if err != nil {
				v.Errorf("commit %d: %v", n, err)
			}
		}
		v.stored("n", "1")
		v.stored("last", "x")
		if saves := v.saves(); len(saves) != 3 {
			v.Errorf("%d saves, want 3", len(saves))
		}
	})
	storyOf(t, "also where another writer was found, and then nobody answered", false, nil, func(v *visitor) {
		l := v.load()
		leader, member := v.commit(l, increment("n")), v.commit(l, increment("n"))
		v.plan([]instance.Fate{done, refused}, []instance.Fate{{Takes: 20 * time.Millisecond}, {Late: 5 * time.Second}})
		time.AfterFunc(50*time.Millisecond, func() { v.elsewhere("other", "x") })
		errs := v.together(v.commit(l, set("first", "x")), leader, member)
		if errs[0] != nil || errs[1] == nil || errs[2] == nil {
			v.Fatalf("they came to %v", errs)
		}
		if len(leader.Doubts) != 1 || len(member.Doubts) != 1 {
			v.Errorf("%d and %d saves are in doubt, want 1 and 1", len(leader.Doubts), len(member.Doubts))
		}
	})
	storyOf(t, "also by a renewal", false, nil, func(v *visitor) {
		c := v.inDoubt(increment("n"), silent)
		next := again(v, c)
		next.Renewal = commit.RenewID
		v.must(next, failover.Durable)
		st, _ := v.Store.Get(next.Token.ID())
		v.want("the new record", st, "n", "1")
		if n := v.Storage.Conflicts.Load(); n != 0 {
			v.Errorf("%d conflicts, want none", n)
		}
	})
}

// A commit waits for others of its session for three saves and a load, and then says so.
// It does not degrade, as the store may be well.
func TestACommitWaitsForOthersOfItsSessionForAWhile(t *testing.T) {
	story(t, "for one that hangs", func(v *visitor) {
		l := v.load()
		v.plan(nil, []instance.Fate{{Takes: 10 * time.Second, Deaf: true}})
		first := v.commit(l, set("first", "x"))
		go func() { _, _ = v.run(first) }()
		time.Sleep(time.Millisecond)
		began := time.Now()
		c := v.commit(l, increment("n"))
		err := v.fails(c, failure.ErrUnavailable)
		if failure.IsAway(err) || !strings.Contains(err.Error(), v.id()) {
			v.Errorf("it was told %v", err)
		}
		wait := 3*instance.SaveTimeout + instance.ReadTimeout
		if took := time.Since(began); took > wait || took < wait*31/32 {
			v.Errorf("it waited %v, want %v", took, wait)
		}
		if len(c.Doubts) != 0 {
			v.Error("a save is in doubt that never had its changes")
		}
		v.wantOwed(0, 0)
		time.Sleep(time.Minute)
		v.stored("n", "0")
		v.stored("first", "x")
	})
	storyOf(t, "for a save that carries it: that one is in doubt", false, nil, func(v *visitor) {
		l := v.load()
		v.plan([]instance.Fate{{Takes: 40 * time.Millisecond}, {Takes: 40 * time.Millisecond}},
			[]instance.Fate{instance.Never, instance.Never, silent})
		c := v.commit(l, increment("n"))
		errs := v.together(v.commit(l, set("first", "x")), v.commit(l, set("leader", "x")), c)
		if !errors.Is(errs[2], failure.ErrUnavailable) {
			v.Fatalf("the one that waited was told %v", errs)
		}
		if len(c.Doubts) != 1 {
			v.Fatalf("%d saves are in doubt, want 1", len(c.Doubts))
		}
		time.Sleep(time.Minute)
		v.stored("n", "1")
		next := v.commit(v.load())
		next.Edits = c.Edits
		next.Changes = c.Changes
		next.Doubts = c.Doubts
		v.must(next, failover.Durable)
		v.stored("n", "1")
	})
}
