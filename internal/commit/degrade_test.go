package commit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
	"github.com/holdfast-go/session/internal/token"
)

// A change that the store cannot take goes into the journal and the copy, if it may.
func TestAChangeWithoutTheStore(t *testing.T) {
	awayStory(t, "waits in the journal, and keeps its lease", func(v *visitor, l lookup.Loaded) {
		c := v.commit(l, increment("n"))
		v.must(c, failover.Pending)
		v.wantCalls("")
		if c.Confirmed != l.Confirmed || c.Saved != l.Saved {
			v.Errorf("the copy is confirmed as of %d with all up to %d, want %d and %d", c.Confirmed, c.Saved, l.Confirmed, l.Saved)
		}
		if !c.Away() || !c.Lacking() || c.Source != lookup.FromBackup || c.AwaySince != time.Now() {
			v.Errorf("the commit stands on %+v", c.Loaded)
		}
		v.wantOwed(1, 0)
		v.want("the journal", v.hinted().State, "n", "1")
		if seen := v.hinted().State.LastSeen; seen != time.Now().UnixMilli() {
			v.Errorf("it was last seen at %v", time.UnixMilli(seen))
		}
		v.Store.Away(false)
		time.Sleep(20 * time.Second)
		v.stored("n", "1")
	})
	awayStory(t, "that is none leaves the session as it was", func(v *visitor, l lookup.Loaded) {
		v.must(v.commit(l, set("a", "1")), failover.Pending)
		c := v.commit(l, set("a", "1"))
		v.must(c, failover.Pending) // what it set waits still
		v.want("the commit", c.State, "a", "1")
	})
	story(t, "is made on what the journal is given while the store is asked once more", func(v *visitor) {
		l := v.load()
		v.refuseSaves()
		other := l.Copy
		other.State = l.State.Write(state.Changes{{Name: "n", Value: []byte("5")}}, v.Clock.Dot(l.State))
		v.Store.Plan(func(c instance.Call) instance.Fate {
			if c.Save {
				return refused
			}
			if c.ID == v.id() {
				v.Shards.Of(c.ID).AddHint(context.Background(), other)
			}
			return instance.Fate{}
		})
		c := v.commit(l, increment("n"))
		v.must(c, failover.Pending)
		v.want("the commit", c.State, "n", "6")
		v.want("the journal", v.hinted().State, "n", "6")
	})
	story(t, "is refused where the journal has the end that the store lacks yet", func(v *visitor) {
		l := v.load()
		if err := v.Shards.Of(v.id()).AddTombstone(context.Background(), journal.Owed(v.id(), v.Clock.Death(state.Destroyed))); err != nil {
			v.Fatal(err)
		}
		v.fails(v.commit(l, set("a", "1")), failure.ErrEnded)
		v.stored("a", "")
	})
	awayStory(t, "of a session that this process has ended meanwhile is refused, once more", func(v *visitor, l lookup.Loaded) {
		if err := v.Shards.Of(v.id()).AddTombstone(context.Background(), journal.Owed(v.id(), v.Clock.Death(state.Destroyed))); err != nil {
			v.Fatal(err)
		}
		v.fails(v.commit(l, increment("n")), failure.ErrEnded)
		v.fails(v.commit(l, set("a", "1")), failure.ErrEnded)
		v.wantOwed(0, 1)
	})
	awayStory(t, "is refused where no copy vouches", func(v *visitor, l lookup.Loaded) {
		time.Sleep(instance.Lease)
		v.fails(v.commit(l, increment("n")), failure.ErrUnavailable)
		v.wantOwed(0, 0)
	})
	awayStory(t, "is refused by RequireStore", func(v *visitor, l lookup.Loaded) {
		c := v.commit(l, increment("n"))
		c.Fresh = true
		v.fails(c, failure.ErrUnavailable)
		v.wantOwed(0, 0)
		if len(c.Doubts) != 0 {
			v.Error("it is in doubt, although it was never sent")
		}
	})
	awayStory(t, "is refused where the operator trusts no copy", func(v *visitor, l lookup.Loaded) {
		v.Order(circuit.StoreOnly)
		v.fails(v.commit(l, increment("n")), failure.ErrUnavailable)
		v.wantOwed(0, 0)
	})
	awayStory(t, "of a value that is the server's is refused, and the others of its save are not", func(v *visitor, l lookup.Loaded) {
		secret := set("secret", "x")
		secret.Flags = state.ServerOnly
		c := v.commit(l, secret)
		err := v.fails(c, failure.ErrUnavailable)
		if err != nil && !strings.Contains(err.Error(), "secret") {
			v.Errorf("the error does not name the key: %v", err)
		}
		v.wantOwed(0, 0)
		gone := remove("n")
		gone.Flags |= state.ServerOnly
		v.must(v.commit(l, gone), failover.Pending)
	})
	awayStory(t, "is refused where cookies have no room for it", func(v *visitor, l lookup.Loaded) {
		full := errors.New("no room")
		var asked state.Copy
		v.Room = func(c state.Copy) error { asked = c; return full }
		v.fails(v.commit(l, set("a", "1")), full)
		v.want("the copy that cookies were asked to take", asked.State, "a", "1")
		v.wantOwed(0, 0)
		stream := v.commit(l, set("a", "1"))
		stream.CanSend = false
		v.fails(stream, failure.ErrPending) // it sends no cookie
		v.wantOwed(1, 0)
	})
	story(t, "where the journal is full too", func(v *visitor) {
		l := v.load()
		v.Store.Away(true)
		time.Sleep(10 * time.Second)
		shard := v.Shards.Of(v.id())
		for n := 0; ; n++ {
			if err := shard.AddTombstone(context.Background(), journal.Owed("gone-"+string(rune(n)), v.Clock.Death(state.Destroyed))); err != nil {
				break
			}
		}
		c := v.commit(l, set("a", "1"))
		v.must(c, failover.Pending)
		v.want("the copy", c.State, "a", "1")
		stream := v.commit(l, set("a", "2"))
		stream.CanSend = false
		err := v.fails(stream, failure.ErrUnavailable)
		if errors.Is(err, failure.ErrPending) {
			v.Error("a change that is nowhere is pending")
		}
	})
	story(t, "that was not sent is not looked up", func(v *visitor) {
		l := v.load()
		v.Order(circuit.BackupOnly)
		v.Store.Calls()
		v.must(v.commit(l, increment("n")), failover.Pending)
		v.wantCalls("")
	})
	storyOf(t, "is refused where sessions do not travel", true, func(i *instance.Instance) { i.Writer.Copies = false }, func(v *visitor) {
		l := v.load()
		v.Store.Away(true)
		v.fails(v.commit(l, increment("n")), failure.ErrUnavailable)
		v.wantOwed(0, 0)
	})
}

// A session whose store did not answer does without it for a second, however many
// commits follow each other, and then asks again.
func TestTheStoreIsAskedAgainAfterASecond(t *testing.T) {
	story(t, "commits that follow each other", func(v *visitor) {
		l := v.load()
		v.plan([]instance.Fate{refused, refused}, []instance.Fate{refused})
		c := v.commit(l, increment("n"))
		v.must(c, failover.Pending)
		began := time.Now()
		v.Store.Plan(func(c instance.Call) instance.Fate { return instance.Fate{Err: instance.ErrRefused} })
		v.Store.Calls()
		for time.Since(began) < time.Second {
			c = v.commit(c.Loaded, increment("n"))
			v.must(c, failover.Pending)
			time.Sleep(250 * time.Millisecond)
		}
		v.Store.Plan(nil)
		v.Store.Calls()
		v.must(v.commit(c.Loaded, increment("n")), failover.Durable)
		v.stored("n", "6")
	})
	story(t, "and ask nobody before", func(v *visitor) {
		l := v.load()
		l.AwaySince, l.Source = time.Now(), lookup.FromBackup
		v.Store.PlanFor(func(c instance.Call) bool { return c.Fresh }, instance.Never) // the delivery waits
		v.Store.Calls()
		v.must(v.commit(l, increment("n")), failover.Pending)
		for _, c := range v.Store.Calls() {
			if c.ID == v.id() && !c.Fresh {
				v.Errorf("the store was asked: %+v", c)
			}
		}
	})
}

// What the store has lost is put back, if all that it supersedes is dead.
func TestASessionThatTheStoreLostIsPutBack(t *testing.T) {
	lost := func(v *visitor, supersedes ...state.Superseded) lookup.Loaded {
		l := v.load()
		v.Store.Remove(v.id())
		l.Supersedes = supersedes
		return v.loadWith(carried(l))
	}
	story(t, "with its change", func(v *visitor) {
		l := lost(v)
		if l.Placement != lookup.Missing {
			v.Fatalf("the session is %+v, want missing", l)
		}
		v.Store.Calls()
		v.must(v.commit(l, set("a", "1")), failover.Durable)
		if saves := v.saves(); len(saves) != 1 || saves[0].Over != record.Absent {
			v.Errorf("the saves are %+v, want one over nothing", saves)
		}
		v.stored("a", "1")
		v.stored("n", "0")
	})
	story(t, "without one", func(v *visitor) {
		c := v.commit(lost(v))
		v.must(c, failover.Durable)
		v.stored("n", "0")
		if c.Lacking() {
			v.Error("the store lacks it still")
		}
	})
	story(t, "with what its predecessor holds, which is dead then", func(v *visitor) {
		old := state.State{Created: v.begun.State.Created, End: v.begun.State.End, LastSeen: time.Now().UnixMilli()}
		v.Store.Set("before", old.Write([]state.Change{{Name: "late", Value: []byte("x")}}, v.Clock.Dot(old)))
		l := v.load()
		v.Store.Remove(v.id())
		l.Placement, l.Version = lookup.Missing, record.Absent
		l.Supersedes = []state.Superseded{{ID: "before", Dot: v.Clock.Death(state.Renewed).Dot, Predecessor: true}}
		c := v.commit(l, set("a", "1"))
		v.must(c, failover.Durable)
		v.stored("late", "x")
		if st, _ := v.Store.Get("before"); !st.Dead() {
			v.Error("its predecessor lives")
		}
	})
	story(t, "unless another writer has ended its predecessor", func(v *visitor) {
		l := v.load()
		v.Store.Remove(v.id())
		v.Store.Set("before", state.State{Death: v.Clock.Death(state.Revoked)})
		l.Placement, l.Version = lookup.Missing, record.Absent
		l.Supersedes = []state.Superseded{{ID: "before", Dot: v.Clock.Death(state.Renewed).Dot, Predecessor: true}}
		v.fails(v.commit(l, set("a", "1")), failure.ErrEnded)
		if st, _ := v.Store.Get(v.id()); !st.Dead() {
			v.Errorf("the store has %+v, want a tombstone", st)
		}
	})
	story(t, "as fast as is allowed", func(v *visitor) {
		l := lost(v)
		v.Shards.RestoreRate = 1
		for v.Shards.AllowRestore() {
			continue
		}
		c := v.commit(l, set("a", "1"))
		v.must(c, failover.Pending)
		if !c.Away() {
			v.Error("the store does not count as away")
		}
	})
	story(t, "later, where the shard has just lost its memory", func(v *visitor) {
		l := v.load()
		v.Store.Empty()
		l.Placement, l.Version = lookup.Missing, record.Absent
		v.must(v.commit(l, set("a", "1")), failover.Pending)
		time.Sleep(10 * time.Second)
		v.stored("a", "1")
	})
	story(t, "not at all, where the logs have just said that a Renew has ended it, and what that made lives on", func(v *visitor) {
		other, next := instance.New(v.T, v.Store, true, nil), token.New().ID()
		l := v.load()
		death := other.Clock.Death(state.Renewed).Follow(next)
		v.Store.Set(next, l.State)
		other.Shards.Wrote(context.Background(), token.New().ID(), death)
		time.Sleep(2500 * time.Millisecond) // its log is named
		other.Shards.Wrote(context.Background(), v.id(), death)
		v.Store.Remove(v.id())
		time.Sleep(10 * time.Millisecond) // no probe is due, so only the restore hears it
		l.Placement, l.Version = lookup.Missing, record.Absent
		c := v.commit(l, set("a", "1"))
		v.fails(c, failure.ErrEnded)
		if c.State.Death != death {
			v.Errorf("it has ended by %+v, want %+v", c.State.Death, death)
		}
		time.Sleep(5 * time.Second)
		if st, _ := v.Store.Get(next); st.Dead() {
			v.Error("what the Renew made is dead")
		}
		if st, _ := v.Store.Get(v.id()); st.Death != death {
			v.Errorf("the store has %+v, want the tombstone again", st)
		}
	})
	story(t, "not at all, where the logs have just said that its user was revoked", func(v *visitor) {
		login := state.Login{User: "ann", Clock: v.Clock.Login(0), At: time.Now().UnixMilli()}
		v.must(v.commit(v.load(), &state.Edit{Change: login.Change()}), failover.Durable)
		l := v.load()
		other := instance.New(v.T, v.Store, true, nil)
		death := other.Clock.Death(state.Revoked)
		other.Shards.Wrote(context.Background(), token.New().ID(), death)
		time.Sleep(2500 * time.Millisecond) // its log is named
		v.Store.Remove(v.id())
		other.Shards.Wrote(context.Background(), revoked.UserID("ann"), death)
		time.Sleep(10 * time.Millisecond) // no probe is due, so only the restore hears it
		l.Placement, l.Version = lookup.Missing, record.Absent
		v.Store.Calls()
		c := v.commit(l, set("a", "1"))
		v.fails(c, failure.ErrEnded)
		if c.State.Death != death {
			v.Errorf("it has ended by %+v, want the revocation of its user, %+v", c.State.Death, death)
		}
		v.wantSaves(0) // whoever meets the session knows the revocation
	})
	story(t, "not at all, where it is contested who ended its predecessor", func(v *visitor) {
		l := v.load()
		l.Placement, l.Version = lookup.Missing, record.Absent
		l.Supersedes = []state.Superseded{{ID: "before", Dot: v.Clock.Death(state.Renewed).Dot, Predecessor: true}}
		old := state.State{Created: l.State.Created, End: l.State.End, LastSeen: l.State.LastSeen}
		v.Store.Set("before", old)
		v.Store.PlanFor(instance.SavesOf("before"), instance.Fate{Takes: 40 * time.Millisecond, Err: failure.ErrConflict})
		err := v.fails(v.commit(l, set("a", "1")), failure.ErrUnavailable)
		if failure.IsAway(err) {
			v.Errorf("%v is an outage", err)
		}
		v.wantOwed(0, 0)
	})
}

// A repair that fails is not told, and changes nothing.
func TestARepairThatFailsIsNotTold(t *testing.T) {
	story(t, "the store refuses it", func(v *visitor) {
		l := v.load()
		l.Lack()
		c := v.commit(l)
		v.plan(nil, []instance.Fate{{Err: failure.ErrTooLarge}})
		if done, err := runCommit(c); !done || err != nil {
			v.Errorf("it came to %v, %v", done, err)
		}
		if c.Version != l.Version || c.Away() || c.Pending {
			v.Errorf("the commit stands on %+v", c.Loaded)
		}
	})
	story(t, "the store is away", func(v *visitor) {
		l := v.load()
		l.Lack()
		c := v.commit(l)
		v.Store.Away(true)
		if _, err := runCommit(c); err != nil || c.Pending || c.Away() {
			v.Errorf("it came to %v, and stands on %+v", err, c.Loaded)
		}
	})
	story(t, "but that the session has ended", func(v *visitor) {
		l := v.load()
		l.Lack()
		c := v.commit(l)
		v.endElsewhere(state.Destroyed)
		_, _ = runCommit(c)
		if c.Phase != lookup.Dead {
			v.Errorf("the session is %+v, want dead", c.Loaded)
		}
	})
}
