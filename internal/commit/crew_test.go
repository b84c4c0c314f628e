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
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// A commit is made on the newest that this process knows of its session, although its
// request has read before.
func TestACommitIsMadeOnWhatThisProcessKnows(t *testing.T) {
	story(t, "at the onset of an outage, of what the store has taken", func(v *visitor) {
		l := v.load()
		v.must(v.commit(l, increment("n")), failover.Durable)
		v.Store.Away(true)
		c := v.commit(l, increment("n"))
		v.must(c, failover.Pending)
		v.want("the commit", c.State, "n", "2")
	})
	story(t, "where the save was not answered, and the store is gone then", func(v *visitor) {
		l := v.load()
		v.must(v.commit(l, increment("n")), failover.Durable)
		v.plan([]instance.Fate{instance.Never}, []instance.Fate{instance.Never})
		c := v.commit(l, increment("n"))
		v.must(c, failover.Pending)
		v.want("the commit", c.State, "n", "2")
	})
	story(t, "in an outage, of what waits for the store", func(v *visitor) {
		l := v.load()
		v.Store.Away(true)
		v.must(v.commit(l, increment("n"), set("a", "1")), failover.Pending)
		c := v.commit(l, increment("n"))
		v.must(c, failover.Pending)
		v.want("the commit", c.State, "n", "2")
		v.want("the commit", c.State, "a", "1")
		v.Store.Away(false)
		time.Sleep(20 * time.Second)
		v.stored("n", "2")
		v.stored("a", "1")
	})
	story(t, "and what the request knows and this process does not is kept", func(v *visitor) {
		l := v.load()
		v.must(v.commit(l, set("a", "1")), failover.Durable)
		v.elsewhere("other", "x")
		newer := v.load()
		v.Store.Away(true)
		c := v.commit(newer, set("b", "1"))
		v.must(c, failover.Pending)
		v.want("the commit", c.State, "other", "x")
		v.want("the commit", c.State, "a", "1")
	})
	story(t, "but of a session that has ended here nothing is written in an outage", func(v *visitor) {
		l := v.load()
		v.Store.Away(true)
		if err := v.Shards.Of(v.id()).AddTombstone(context.Background(), journal.Owed(v.id(), v.Clock.Death(state.Destroyed))); err != nil {
			v.Fatal(err)
		}
		c := v.commit(l, set("a", "1"))
		v.fails(c, failure.ErrEnded)
		if c.Phase != lookup.Dead || c.State.Death.Reason != state.Destroyed {
			v.Errorf("the commit stands on %+v, want the tombstone", c.Loaded)
		}
		v.wantOwed(0, 1)
	})
	story(t, "a made-up token's tombstone ends nobody", func(v *visitor) {
		l := v.load()
		v.Shards.Carried(v.id(), l.State.Entries, v.Clock.Now())
		time.Sleep(time.Minute) // what is kept of the session is forgotten
		if err := v.Shards.Of(v.id()).AddTombstone(context.Background(), journal.Unseen(v.id(), v.Clock.Death(state.Destroyed))); err != nil {
			v.Fatal(err)
		}
		v.must(v.commit(l, set("a", "1")), failover.Durable)
		v.stored("a", "1")
	})
}

// If the store stops answering, a crew knows what each member has read.
func TestACrewKnowsWhatItsMembersHaveRead(t *testing.T) {
	crew := func(v *visitor, second lookup.Loaded) (leader, member *commit.Commit) {
		leader, member = v.commit(v.begun, increment("n")), v.commit(second, increment("n"))
		v.plan(nil, []instance.Fate{tooLarge})
		blocks := v.blocks()
		time.AfterFunc(10*time.Millisecond, func() { v.Store.Away(true) })
		v.together(blocks, leader, member)
		return leader, member
	}
	story(t, "in the store", func(v *visitor) {
		v.elsewhere("n", "10")
		v.elsewhere("other", "x")
		leader, member := crew(v, v.load())
		v.want("the leader", leader.State, "n", "12")
		v.want("the member", member.State, "other", "x")
		v.want("the journal", v.hinted().State, "n", "12")
		if !leader.Pending || !member.Pending {
			v.Error("they do not wait for the store")
		}
	})
	story(t, "in a copy that the store lacks", func(v *visitor) {
		newer := v.begun
		newer.State = newer.State.Write([]state.Change{{Name: "n", Value: []byte("10")}}, v.Clock.Dot(newer.State))
		newer.Source, newer.AwaySince = lookup.FromBackup, time.Now()
		newer.Lack()
		leader, _ := crew(v, newer)
		v.want("the leader", leader.State, "n", "12")
	})
	storyOf(t, "of another program's records nothing but what the store says", true,
		func(i *instance.Instance) { i.Reader.Foreign = true },
		func(v *visitor) {
			v.elsewhere("n", "10")
			leader, _ := crew(v, v.load())
			v.want("the leader", leader.State, "n", "2")
		})
}

// What the store has taken is confirmed as of when it was asked, and stays known here.
func TestWhatASaveConfirms(t *testing.T) {
	story(t, "as of the sending", func(v *visitor) {
		v.slow(40 * time.Millisecond)
		l := v.load()
		l.Supersedes = []state.Superseded{{ID: "before", Predecessor: true}}
		sent := time.Now()
		c := v.commit(l, set("a", "1"))
		v.must(c, failover.Durable)
		st, version := v.Store.Get(v.id())
		if c.Confirmed != sent.UnixMilli() {
			v.Errorf("the copy is confirmed as of %v, want %v", time.UnixMilli(c.Confirmed), sent)
		}
		if c.Version != version || c.Lacking() || c.Saved != st.Entries.Latest() || !c.State.Equal(st) {
			v.Errorf("the commit stands on %+v", c.Loaded)
		}
		if !c.Supersedes[0].Durable {
			v.Error("the session before is not durably dead")
		}
		v.want("what is kept", v.hinted().State, "a", "1")
		if st.LastSeen != sent.UnixMilli() {
			v.Errorf("the session was last seen at %v, want %v", time.UnixMilli(st.LastSeen), sent)
		}
	})
	storyOf(t, "but not where other programs write it", true, func(i *instance.Instance) { i.Reader.Foreign = true }, func(v *visitor) {
		v.must(v.commit(v.load(), set("a", "1")), failover.Durable)
		if _, ok := v.Shards.Of(v.id()).Copy(v.id()); ok {
			v.Error("something is kept")
		}
	})
	storyOf(t, "nor where sessions do not travel", true, func(i *instance.Instance) { i.Writer.Copies = false }, func(v *visitor) {
		v.must(v.commit(v.load(), set("a", "1")), failover.Durable)
		if _, ok := v.Shards.Of(v.id()).Copy(v.id()); ok {
			v.Error("something is kept")
		}
	})
}

// A member whose change is too large for the store spares the others of its save.
func TestATooLargeMemberSparesTheOthers(t *testing.T) {
	tooLong := func(i *instance.Instance) {
		i.Store.Refuses = func(data []byte, _ time.Time) error {
			if len(data) > 1000 {
				return failure.ErrTooLarge
			}
			return nil
		}
	}
	for _, at := range []int{1, 2} { // the leader, a member
		storyOf(t, "member "+strconv.Itoa(at), false, tooLong, func(v *visitor) {
			v.slow(10 * time.Millisecond)
			l := v.load()
			var commits []*commit.Commit
			for n := range 4 {
				if n == at {
					commits = append(commits, v.commit(l, set("big", string(make([]byte, 2000)))))
				} else {
					commits = append(commits, v.commit(l, increment("n")))
				}
			}
			for n, err := range v.together(commits...) {
				if failed := err != nil; failed != (n == at) || failed && !errors.Is(err, failure.ErrTooLarge) {
					v.Errorf("commit %d: %v", n, err)
				}
			}
			v.stored("n", "3")
		})
	}
}
