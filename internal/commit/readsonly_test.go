package commit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/inuse"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// refuseSaves makes the store answer loads and refuse saves, until the instance knows.
func (v *visitor) refuseSaves() {
	v.Helper()
	v.Store.PlanFor(instance.Saves, instance.Fate{Err: errors.New("out of memory")})
	time.Sleep(10 * time.Second)
	if v.Shards.TakesSaves(v.id()) {
		v.Fatal("it is sent saves")
	}
}

// An Update needs what others have saved since the request read the session: the store
// tells it as long as it answers loads.
func TestAnUpdateOnWhatWasReadLongAgo(t *testing.T) {
	for name, is := range map[string]struct {
		refuse func(v *visitor)
		want   string // of the error; empty: there is none
	}{
		"is made where the store answers loads": {(*visitor).refuseSaves, ""},
		"fails where it answers nothing": {func(v *visitor) {
			v.Store.Away(true)
			time.Sleep(10 * time.Second)
		}, "read too long ago"},
	} {
		story(t, name, func(v *visitor) {
			l := v.load()
			is.refuse(v)
			time.Sleep(40 * time.Second) // the journal has forgotten it
			if _, known := v.Shards.Of(v.id()).Copy(v.id()); known {
				v.Fatal("the journal knows the session still")
			}
			c := v.commit(l, increment("n"))
			c.ForgottenSince = time.Now().Add(-time.Minute)
			if is.want == "" {
				v.must(c, failover.Pending)
				v.want("the commit", c.State, "n", "1")
				return
			}
			if err := v.fails(c, failure.ErrUnavailable); err != nil && !strings.Contains(err.Error(), is.want) {
				v.Errorf("the error is %v, want that it was %s", err, is.want)
			}
		})
	}
	story(t, "fails where it answers nothing, although it is sent no saves either", func(v *visitor) {
		v.Store.Away(true)
		time.Sleep(50 * time.Second)
		l := v.loadWith(carried(v.begun))
		if !l.Away() {
			v.Fatalf("the session is from the store: %+v", l)
		}
		c := v.commit(l, increment("n"))
		c.ForgottenSince = time.Now().Add(-time.Minute)
		v.fails(c, failure.ErrUnavailable)
	})
}

// An Update is not made on what a request has read, if what others have saved since was
// dropped for lack of room. A Set is: it does not depend on that.
func TestAnUpdateOnWhatTheJournalHasDropped(t *testing.T) {
	for name, is := range map[string]struct {
		lost bool
		edit *state.Edit
		want string // of the error; empty: there is none
	}{
		"fails":                       {true, increment("n"), "the journal is full"},
		"is made where nothing was":   {false, increment("n"), ""},
		"fails not where it is a Set": {true, set("n", "7"), ""},
	} {
		story(t, name, func(v *visitor) {
			l := v.load()
			var use inuse.Use
			v.Reader.InUse.Enter(&use, v.id(), time.Now())
			v.Store.Away(true)
			time.Sleep(10 * time.Second)
			if is.lost {
				v.Reader.InUse.Forget(v.id(), time.Now())
			}
			c := v.commit(l, is.edit)
			c.Use = &use
			if is.want == "" {
				v.must(c, failover.Pending)
				return
			}
			if err := v.fails(c, failure.ErrUnavailable); err != nil && !strings.Contains(err.Error(), is.want) {
				v.Errorf("the error is %v, want that %s", err, is.want)
			}
		})
	}
}

// A restore that was not answered is sent again as any save is, if the store still lacks
// the session.
func TestARestoreThatWasNotAnsweredIsSentAgain(t *testing.T) {
	story(t, "and is made", func(v *visitor) {
		v.Store.Remove(v.id())
		l := v.loadWith(carried(v.begun))
		if !l.Lacking() || l.Away() {
			v.Fatalf("the store has the session: %+v", l)
		}
		c := v.commit(l, increment("n"))
		v.plan(nil, []instance.Fate{instance.Never})
		v.must(c, failover.Durable)
		if saves := v.saves(); len(saves) != 2 || !saves[0].State.Equal(saves[1].State) || saves[0].Over != saves[1].Over {
			v.Errorf("the saves are %+v, want one twice", saves)
		}
		v.stored("n", "1")
	})
}

// What other programs have removed has ended, even if a copy vouches.
func TestAForeignSessionThatIsGoneIsNotKept(t *testing.T) {
	storyOf(t, "after a save without an answer", true, func(i *instance.Instance) { i.Reader.Foreign = true }, func(v *visitor) {
		c := v.commit(v.load(), increment("n"))
		v.plan(nil, []instance.Fate{instance.Never})
		time.AfterFunc(50*time.Millisecond, func() { v.Store.Remove(v.id()) })
		v.fails(c, failure.ErrEnded)
		v.wantOwed(0, 0)
	})
}

// A copy that vouched when the request read the session may not do so any more when the
// request writes.
func TestAWriteAfterTheLeaseHasRunOut(t *testing.T) {
	for name, is := range map[string]struct {
		after   time.Duration // the read
		renewal commit.Renewal
		fails   bool
	}{
		"a change before":  {200 * time.Millisecond, commit.KeepID, false},
		"a change after":   {400 * time.Millisecond, commit.KeepID, true},
		"a renewal before": {200 * time.Millisecond, commit.RenewID, false},
		"a renewal after":  {400 * time.Millisecond, commit.RenewID, true},
	} {
		story(t, name, func(v *visitor) {
			v.Store.Away(true)
			end := time.UnixMilli(v.begun.Confirmed).Add(instance.Lease)
			time.Sleep(time.Until(end) - 300*time.Millisecond)
			l := v.loadWith(carried(v.begun))
			if !l.Away() {
				v.Fatalf("the session is not from the copy: %+v", l)
			}
			time.Sleep(is.after)
			c := v.commit(l, set("a", "1"))
			if c.Renewal = is.renewal; is.fails {
				v.fails(c, failure.ErrUnavailable)
			} else {
				v.must(c, failover.Pending)
			}
		})
	}
}
