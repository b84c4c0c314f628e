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

// newer is what a request has loaded that has carried a copy which knows more than the
// store.
func (v *visitor) newer() lookup.Loaded {
	l := v.begun
	l.State = l.State.Write([]state.Change{{Name: "other", Value: []byte("x")}}, v.Clock.Dot(l.State))
	l.Lack()
	return l
}

// What a commit before has come to displaces nothing that the next one knows.
func TestACommitGoesOnFromTheOneBefore(t *testing.T) {
	both := func(v *visitor, commits ...*commit.Commit) {
		v.Helper()
		v.slow(20 * time.Millisecond)
		for n, err := range v.together(commits...) {
			if err != nil {
				v.Errorf("commit %d: %v", n, err)
			}
		}
	}
	story(t, "with what its request has carried", func(v *visitor) {
		both(v, v.commit(v.begun, set("first", "x")), v.commit(v.newer(), increment("n")))
		v.stored("other", "x")
		v.stored("n", "1")
	})
	story(t, "and repairs what the store lacks", func(v *visitor) {
		both(v, v.commit(v.begun, set("first", "x")), v.commit(v.newer()))
		v.stored("other", "x")
		v.stored("first", "x")
	})
	story(t, "and one of its crew has carried", func(v *visitor) {
		both(v, v.commit(v.begun, set("n", "5")), v.commit(v.begun, set("n", "5")), v.commit(v.newer()))
		v.stored("other", "x")
	})
	story(t, "and an edit that came to nothing in an outage waits, whoever comes behind it", func(v *visitor) {
		repair := v.newer()
		v.plan(nil, []instance.Fate{tooLarge})
		time.AfterFunc(10*time.Millisecond, func() {
			v.Store.Away(true)
			v.Shards.Of(v.id()).AddHint(context.Background(), v.newer().Copy)
		})
		away := v.begun
		away.AwaySince, away.Source = time.Now(), lookup.FromBackup
		same := v.commit(away, set("other", "x"))
		v.together(v.blocks(), same, v.commit(repair))
		if !same.Pending {
			v.Error("what it set waits for the store, and it is told otherwise")
		}
	})
	story(t, "and the store has no more than both say", func(v *visitor) {
		older := v.load()
		v.elsewhere("other", "x")
		newer := v.load()
		v.Store.Away(true)
		v.must(v.commit(older, set("a", "1")), failover.Pending)
		c := v.commit(newer, set("b", "1"))
		v.must(c, failover.Pending)
		if c.Saved != older.Saved || newer.Saved == older.Saved {
			v.Errorf("the store is said to have all up to %d, want %d", c.Saved, older.Saved)
		}
	})
	story(t, "and is not born again by what was begun without the store", func(v *visitor) {
		l := v.load()
		hint := v.newer().Copy
		hint.Born, hint.NeverStored = true, true
		v.Store.Away(true)
		v.Shards.Of(v.id()).AddHint(context.Background(), hint)
		l.AwaySince, l.Source = time.Now().Add(-time.Minute), lookup.FromBackup
		c := v.commit(l, increment("n"))
		v.must(c, failover.Pending)
		if c.Born {
			v.Error("the store may have had it")
		}
	})
}

// What happens while the store is asked is seen before a copy takes its place.
func TestWhatHappensMeanwhileIsSeen(t *testing.T) {
	story(t, "an end", func(v *visitor) {
		l := v.load()
		v.Store.Remove(v.id())
		l.Placement, l.Version = lookup.Missing, record.Absent
		v.Store.Plan(func(c instance.Call) instance.Fate {
			return instance.Fate{Takes: 40 * time.Millisecond, Err: instance.ErrRefused}
		})
		time.AfterFunc(20*time.Millisecond, func() {
			_ = v.Shards.Of(v.id()).AddTombstone(context.Background(), journal.Owed(v.id(), v.Clock.Death(state.Destroyed)))
		})
		v.fails(v.commit(l, increment("n")), failure.ErrEnded)
	})
}

// A commit that renews, ends or is in doubt is not saved together with another.
func TestSomeTakeTheirTurnAlone(t *testing.T) {
	story(t, "a renewal behind others", func(v *visitor) {
		v.slow(20 * time.Millisecond)
		c := v.renew(v.begun, increment("n"))
		for n, err := range v.together(v.commit(v.begun, increment("n")), v.commit(v.begun, increment("n")), c) {
			if err != nil {
				v.Errorf("commit %d: %v", n, err)
			}
		}
		if !c.Begun {
			v.Fatal("it was not made")
		}
		st, _ := v.Store.Get(c.Token.ID())
		v.want("the new record", st, "n", "3")
		if n := v.Storage.Conflicts.Load(); n != 0 {
			v.Errorf("%d conflicts, want none", n)
		}
	})
	story(t, "an end behind others", func(v *visitor) {
		v.slow(20 * time.Millisecond)
		at := journal.Tombstone{ID: v.id(), Death: v.Clock.Death(state.Destroyed)}
		time.AfterFunc(5*time.Millisecond, func() { _, _, _ = v.Writer.End(context.Background(), &at, v.begun.Version) })
		for n, err := range v.together(v.commit(v.begun, increment("n")), v.commit(v.begun, increment("n"))) {
			if err != nil {
				v.Errorf("commit %d: %v", n, err)
			}
		}
		time.Sleep(time.Second)
		if st, _ := v.Store.Get(v.id()); st.Death.Reason != state.Destroyed {
			v.Errorf("the session is %+v", st)
		}
	})
	storyOf(t, "and an end that found nothing leaves what waits for it to the store", false, nil, func(v *visitor) {
		l := v.load()
		v.Store.Remove(v.id())
		v.plan([]instance.Fate{{Takes: 20 * time.Millisecond}}, nil)
		at := journal.Unseen(v.id(), v.Clock.Death(state.Destroyed))
		go func() { _, _, _ = v.Writer.End(context.Background(), &at, record.Any) }()
		time.Sleep(10 * time.Millisecond)
		v.fails(v.commit(l, increment("n")), failure.ErrEnded)
		if st, version := v.Store.Get(v.id()); version != record.Absent {
			v.Errorf("the session stands again: %+v", st)
		}
	})
	storyOf(t, "and what waits for a renewal asks nobody", false, nil, func(v *visitor) {
		v.slow(20 * time.Millisecond)
		errs := v.together(v.renew(v.begun), v.commit(v.begun, increment("n")))
		if errs[0] != nil || !errors.Is(errs[1], failure.ErrEnded) {
			v.Errorf("they came to %v", errs)
		}
		v.wantCalls("ss")
	})
}
