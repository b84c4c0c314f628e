package commit_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
	"github.com/holdfast-go/session/internal/token"
)

// nobody is what a request without a session has loaded.
var nobody = lookup.Loaded{Phase: lookup.Nobody}

// The plan of a commit before the store is asked.
func TestWhatACommitComesTo(t *testing.T) {
	unsaved := func(v *visitor) lookup.Loaded {
		l := v.load()
		l.Source = lookup.FromNowhere
		l.ID = "an old session"
		return l
	}
	behind := func(v *visitor) lookup.Loaded {
		l := v.load()
		l.Lack()
		return l
	}
	for _, c := range []struct {
		name  string
		of    func(v *visitor) *commit.Commit
		done  bool
		err   error
		saves int
	}{
		{"no change", func(v *visitor) *commit.Commit { return v.commit(v.load()) }, false, nil, 0},
		{"a change", func(v *visitor) *commit.Commit { return v.commit(v.load(), set("a", "1")) }, true, nil, 1},
		{"a change to what is there", func(v *visitor) *commit.Commit { return v.commit(v.load(), set("n", "0")) }, true, nil, 0},
		{"nobody, and no change", func(v *visitor) *commit.Commit { return v.commit(nobody) }, false, nil, 0},
		{"a new session without a cookie", func(v *visitor) *commit.Commit {
			c := v.commit(nobody, set("a", "1"))
			c.CanSend = false
			return c
		}, false, failure.ErrTooLate, 0},
		{"a change without a cookie", func(v *visitor) *commit.Commit {
			c := v.commit(v.load(), set("a", "1"))
			c.CanSend = false
			return c
		}, true, nil, 1},
		{"a renewal", func(v *visitor) *commit.Commit {
			c := v.commit(v.load())
			c.Renewal = commit.RenewID
			return c
		}, true, nil, 2},
		{"a renewal without a cookie", func(v *visitor) *commit.Commit {
			c := v.commit(v.load())
			c.Renewal, c.CanSend = commit.RenewID, false
			return c
		}, false, failure.ErrTooLate, 0},
		{"a renewal and a change without a cookie", func(v *visitor) *commit.Commit {
			c := v.commit(v.load(), set("a", "1"))
			c.Renewal, c.CanSend = commit.RenewID, false
			return c
		}, false, failure.ErrTooLate, 0},
		{"an old session", func(v *visitor) *commit.Commit {
			c := v.commit(unsaved(v))
			c.Held = token.New()
			return c
		}, true, nil, 1},
		{"an old session that is only read", func(v *visitor) *commit.Commit {
			c := v.commit(unsaved(v))
			c.ReadOnly = true
			return c
		}, false, nil, 0},
		{"an old session without a cookie", func(v *visitor) *commit.Commit {
			c := v.commit(unsaved(v))
			c.CanSend = false
			return c
		}, false, nil, 0},
		{"what the store lacks", func(v *visitor) *commit.Commit { return v.commit(behind(v)) }, true, nil, 1},
		{"what the store lacks, only read", func(v *visitor) *commit.Commit {
			c := v.commit(behind(v))
			c.ReadOnly = true
			return c
		}, false, nil, 0},
		{"what the store lacks, and it did not answer just now", func(v *visitor) *commit.Commit {
			l := behind(v)
			l.AwaySince = time.Now().Add(time.Millisecond - time.Second)
			return v.commit(l)
		}, false, nil, 0},
		{"what the store lacks, and it did not answer a second ago", func(v *visitor) *commit.Commit {
			l := behind(v)
			l.State = l.State.Write([]state.Change{{Name: "a"}}, v.Clock.Dot(l.State))
			l.AwaySince = time.Now().Add(-time.Second)
			return v.commit(l)
		}, true, nil, 1},
		{"a doubt", func(v *visitor) *commit.Commit {
			c := v.commit(v.load())
			c.Doubts = []state.InDoubt{state.NewInDoubt(v.Clock.Dot(c.State), nil)}
			return c
		}, true, nil, 1},
	} {
		story(t, c.name, func(v *visitor) {
			commit := c.of(v)
			v.Store.Calls()
			if done, err := runCommit(commit); done != c.done || err != c.err {
				v.Errorf("it came to %v, %v, want %v, %v", done, err, c.done, c.err)
			}
			v.wantSaves(c.saves)
		})
	}
	story(t, "edits that are saved are done", func(v *visitor) {
		c := v.commit(v.load(), set("a", "1"))
		c.Doubts = []state.InDoubt{{}}
		c.GiveUpEdits()
		if !c.Edits[0].Done || c.Doubts != nil {
			v.Errorf("they are %+v, and %v", c.Edits[0], c.Doubts)
		}
	})
}

// A session begins with a new token, over nothing.
func TestASessionBegins(t *testing.T) {
	story(t, "in the store", func(v *visitor) {
		c := v.commit(nobody, set("a", "1"))
		now := time.Now()
		v.must(c, failover.Durable)
		saves := v.saves()
		if len(saves) != 1 || saves[0].ID != c.Token.ID() || saves[0].Over != record.Absent {
			v.Fatalf("the saves are %+v", saves)
		}
		st, version := v.Store.Get(c.Token.ID())
		v.want("the store", st, "a", "1")
		if st.Created != now.UnixMilli() || st.Authenticated != st.Created || st.LastSeen != st.Created || st.End != now.Add(instance.Lifetime).UnixMilli() {
			v.Errorf("its dates are %+v", st)
		}
		if !c.Begun || c.Phase != lookup.Live || c.Source != lookup.FromStore || c.Version != version || c.ID != c.Token.ID() || c.Lacking() {
			v.Errorf("the commit stands on %+v", c.Loaded)
		}
		if c.Confirmed != st.Created || c.Saved != st.Entries.Latest() || c.NeverStored {
			v.Errorf("the copy is %+v", c.Copy)
		}
	})
	story(t, "as what an old one was, under the token that it was given", func(v *visitor) {
		l := v.load()
		l.Source = lookup.FromNowhere
		c := v.commit(l, set("a", "1"))
		c.Held = token.New()
		v.must(c, failover.Durable)
		st, _ := v.Store.Get(c.Held.ID())
		v.want("the store", st, "n", "0")
		v.want("the store", st, "a", "1")
		if c.Token != c.Held || st.Created != l.State.Created {
			v.Error("it is another session")
		}
	})
	story(t, "in an outage, and is delivered", func(v *visitor) {
		v.Store.Away(true)
		c := v.commit(nobody, set("a", "1"))
		v.must(c, failover.Pending)
		if !c.Begun || !c.NeverStored || !c.Born || c.Saved != 0 || c.Placement != lookup.Missing || !c.Away() || c.Source != lookup.FromBackup {
			v.Errorf("the commit stands on %+v", c.Loaded)
		}
		v.Store.Away(false)
		time.Sleep(20 * time.Second)
		st, _ := v.Store.Get(c.Token.ID())
		v.want("the store", st, "a", "1")
	})
	story(t, "not where it may not wait for the store", func(v *visitor) {
		v.Store.Away(true)
		c := v.commit(nobody, set("a", "1"))
		c.Fresh = true
		v.fails(c, failure.ErrUnavailable)
		secret := set("secret", "x")
		secret.Flags = state.ServerOnly
		v.fails(v.commit(nobody, secret), failure.ErrUnavailable)
		v.wantOwed(0, 0)
		if c.Begun {
			v.Error("it has begun")
		}
	})
	story(t, "not where the store refuses an ID that nobody has", func(v *visitor) {
		v.Store.Plan(func(c instance.Call) instance.Fate { return instance.Fate{Err: failure.ErrConflict} })
		failures := v.Shards.Failures.Load()
		v.fails(v.commit(nobody, set("a", "1")), failure.ErrUnavailable)
		if n := v.Shards.Failures.Load() - failures; n != 1 {
			v.Errorf("%d failures are counted, want 1", n)
		}
	})
	story(t, "not where the record is too large", func(v *visitor) {
		v.Store.Plan(func(c instance.Call) instance.Fate { return instance.Fate{Err: failure.ErrTooLarge} })
		v.fails(v.commit(nobody, set("a", "1")), failure.ErrTooLarge)
		v.wantOwed(0, 0)
	})
	for _, vouched := range []bool{true, false} {
		name := map[bool]string{true: "in the place of one that its visitor had", false: "in the place of a made-up token's"}[vouched]
		story(t, name, func(v *visitor) {
			c := v.commit(nobody, set("a", "1"))
			c.Renewal = commit.NewValues
			c.Replaced = "replaced"
			c.Vouched = vouched
			v.must(c, failover.Durable)
			st, _ := v.Store.Get("replaced")
			if st.Dead() != vouched {
				v.Errorf("the store has %+v under the ID that was replaced", st)
			}
			if len(c.Supersedes) == 0 && vouched || len(c.Supersedes) > 0 && c.Supersedes[0].ID != "replaced" {
				v.Errorf("the session supersedes %+v", c.Supersedes)
			}
		})
		story(t, name+", that is there", func(v *visitor) {
			c := v.commit(nobody, set("a", "1"))
			c.Renewal = commit.NewValues
			c.Replaced = v.id()
			c.Vouched = vouched
			v.must(c, failover.Durable)
			if st, _ := v.Store.Get(v.id()); st.Death.Reason != state.Renewed {
				v.Errorf("the session before is %+v, want dead", st)
			}
			if len(c.Supersedes) != 1 || c.Supersedes[0].ID != v.id() || !c.Supersedes[0].Durable {
				v.Errorf("the session supersedes %+v", c.Supersedes)
			}
		})
	}
}

// For half a minute after a session's own end, a write under its token is refused.
func TestAWriteAfterTheEndIsRefusedForAWhile(t *testing.T) {
	dead := func(v *visitor, why state.Reason, ago time.Duration) *commit.Commit {
		at := time.Now().Add(-ago)
		death := state.Death{Dot: state.Dot{Clock: uint64(at.UnixMilli()) << state.CounterBits, Instance: 7}, Reason: why}
		return v.commit(lookup.Loaded{Phase: lookup.Dead, Copy: state.Copy{ID: v.id(), State: state.State{Death: death}}}, set("a", "1"))
	}
	for _, c := range []struct {
		name    string
		why     state.Reason
		ago     time.Duration
		renewal commit.Renewal
		want    error
	}{
		{"destroyed just now", state.Destroyed, 0, commit.KeepID, failure.ErrEnded},
		{"renewed almost half a minute ago", state.Renewed, 30*time.Second - time.Millisecond, commit.KeepID, failure.ErrEnded},
		{"half a minute ago", state.Destroyed, 30 * time.Second, commit.KeepID, nil},
		{"by an operator", state.Revoked, 0, commit.KeepID, nil},
		{"but a login is not", state.Destroyed, 0, commit.RenewID, nil},
		{"by a clock that is a little ahead", state.Destroyed, -59 * time.Second, commit.KeepID, failure.ErrEnded},
		{"by a clock that is far ahead", state.Destroyed, -time.Minute, commit.KeepID, nil},
	} {
		storyOf(t, c.name, false, nil, func(v *visitor) {
			commit := dead(v, c.why, c.ago)
			commit.Renewal = c.renewal
			if c.want != nil {
				v.fails(commit, c.want)
				v.wantCalls("")
				return
			}
			v.must(commit, failover.Durable)
			if commit.Token.ID() == v.id() {
				v.Error("it is the old token's session")
			}
		})
	}
}

// A stay of its own says when a session ends from the moment that it is set, by the save that
// begins the session or gives it a new ID.
func TestASessionWithAStayOfItsOwnEndsAsThatSays(t *testing.T) {
	const lifetime = 2 * time.Hour
	stays := &state.Edit{Change: state.Stay{Lifetime: lifetime, Idle: time.Hour}.Change()}
	ends := func(v *visitor, what string, c *commit.Commit) {
		v.Helper()
		v.must(c, failover.Durable)
		st, _ := v.Store.Get(c.Token.ID())
		if want := time.Now().Add(lifetime).UnixMilli(); st.End != want || c.State.End != want {
			v.Errorf("%s ends at %d in the store and at %d by the commit, want %d", what, st.End, c.State.End, want)
		}
	}
	story(t, "from the first request on", func(v *visitor) {
		ends(v, "the new session", v.commit(lookup.Loaded{Phase: lookup.Nobody}, stays))
	})
	story(t, "by a Renew", func(v *visitor) {
		l := v.load()
		time.Sleep(time.Minute)
		ends(v, "the renewed session", v.renew(l, stays))
	})
}
