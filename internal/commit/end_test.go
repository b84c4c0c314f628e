package commit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// An end takes a turn among the session's commits of this process.
func TestAnEndTakesATurn(t *testing.T) {
	ends := func(v *visitor, after time.Duration, over record.Version) (*failover.Durability, *error) {
		d, err := new(failover.Durability), new(error)
		time.AfterFunc(after, func() {
			at := journal.Tombstone{ID: v.id(), Death: v.Clock.Death(state.Destroyed)}
			*d, _, *err = v.Writer.End(context.Background(), &at, over)
		})
		return d, err
	}
	story(t, "behind the save that is under way, over what it wrote", func(v *visitor) {
		l := v.load()
		v.Store.Calls()
		v.slow(20 * time.Millisecond)
		d, err := ends(v, 10*time.Millisecond, l.Version)
		v.must(v.commit(l, set("a", "1")), failover.Durable)
		time.Sleep(time.Second)
		synctest.Wait()
		if *d != failover.Durable || *err != nil {
			v.Errorf("the end came to %v, %v", *d, *err)
		}
		v.wantCalls("ss")
		if st, _ := v.Store.Get(v.id()); st.Death.Reason != state.Destroyed {
			v.Errorf("the session is %+v", st)
		}
	})
	story(t, "over whatever stands there, where the save before it was not answered", func(v *visitor) {
		l := v.load()
		v.plan([]instance.Fate{refused}, []instance.Fate{silent})
		d, err := ends(v, 10*time.Millisecond, l.Version)
		v.must(v.commit(l, set("a", "1")), failover.Pending)
		v.Store.Calls()
		time.Sleep(time.Second)
		synctest.Wait()
		if *d != failover.Durable || *err != nil {
			v.Errorf("the end came to %v, %v", *d, *err)
		}
		v.wantSaves(1) // the journal may have loaded the session too, for the copy that waited
		for _, c := range v.saves() {
			if c.State.Dead() && c.Over == l.Version {
				v.Errorf("it was tried over the version that the copy has, %+v", c)
			}
		}
	})
	story(t, "and what waits for it finds the session dead, and asks nobody", func(v *visitor) {
		l := v.load()
		v.slow(20 * time.Millisecond)
		_, _ = ends(v, 0, record.Any)
		time.Sleep(10 * time.Millisecond)
		c := v.commit(l, set("a", "1"))
		v.Store.Calls()
		v.fails(c, failure.ErrEnded)
		if c.State.Death.Reason != state.Destroyed || c.ID != v.id() {
			v.Errorf("it stands on %+v", c.Loaded)
		}
		v.wantSaves(0)
	})
	storyOf(t, "and where it has failed the session lives on", false, nil, func(v *visitor) {
		l := v.load()
		v.plan(nil, []instance.Fate{{Takes: 20 * time.Millisecond, Err: instance.ErrRefused}})
		_, err := ends(v, 0, l.Version)
		time.Sleep(10 * time.Millisecond)
		v.must(v.commit(l, set("a", "1")), failover.Durable)
		synctest.Wait()
		if !errors.Is(*err, failure.ErrUnavailable) {
			v.Errorf("the end came to %v", *err)
		}
		v.stored("a", "1")
	})
	story(t, "and goes ahead where its turn does not come within two saves", func(v *visitor) {
		l := v.load()
		v.plan(nil, []instance.Fate{{Takes: 10 * time.Second, Deaf: true}})
		go func() { _, _ = v.run(v.commit(l, set("a", "1"))) }()
		time.Sleep(time.Millisecond)
		began := time.Now()
		at := journal.Tombstone{ID: v.id(), Death: v.Clock.Death(state.Destroyed)}
		d, ended, err := v.Writer.End(context.Background(), &at, l.Version)
		if d != failover.Durable || err != nil || len(ended) != 1 {
			v.Errorf("the end came to %v, %+v, %v", d, ended, err)
		}
		if took, wait := time.Since(began), 2*instance.SaveTimeout; took > wait || took < wait*31/32 {
			v.Errorf("it waited %v, want %v", took, wait)
		}
		time.Sleep(time.Minute)
		if st, _ := v.Store.Get(v.id()); st.Death.Reason != state.Destroyed {
			v.Errorf("the session is %+v", st)
		}
	})
	story(t, "and a token that nobody had ends nobody", func(v *visitor) {
		at := journal.Unseen("made-up", v.Clock.Death(state.Destroyed))
		if _, _, err := v.Writer.End(context.Background(), &at, record.Any); err != nil {
			v.Error(err)
		}
		v.wantSaves(0)
	})
}

// A visitor logs out with the token of before a rotation, and the request could not load the
// session. The store was set back to before the rotation: its record leads nowhere, and this
// process knows where the rotation led.
func TestAnEndFollowsARotationThatTheStoreHasForgotten(t *testing.T) {
	for what, forgets := range map[string]bool{"with its link": false, "without it": true} {
		story(t, what, func(v *visitor) {
			l := v.load()
			if forgets {
				v.forgetLinks()
			}
			setBack := v.Store.Snapshot()
			first := v.rotate(l)
			v.must(first, failover.Durable)
			setBack()
			at := journal.IfLive(v.id(), v.Clock.Death(state.Destroyed))
			d, ended, err := v.Writer.End(v.Context(), &at, record.Any)
			if d != failover.Durable || err != nil || len(ended) != 2 {
				v.Errorf("the end came to %v, %v, and ended %+v", d, err, ended)
			}
			if l := v.Reader.Fetch(v.Context(), first.Token.ID(), carried(first.Loaded), true); l.Phase != lookup.Dead {
				v.Errorf("after the logout the session is %+v", l)
			}
		})
	}
	story(t, "and ends at a Renew", func(v *visitor) {
		setBack := v.Store.Snapshot()
		first := v.rotate(v.load())
		v.must(first, failover.Durable)
		login := v.renew(first.Loaded)
		login.Held = first.Token
		v.must(login, failover.Durable)
		setBack()
		at := journal.IfLive(v.id(), v.Clock.Death(state.Destroyed))
		if _, _, err := v.Writer.End(v.Context(), &at, record.Any); err != nil {
			v.Error(err)
		}
		time.Sleep(20 * time.Second)
		if l := v.Reader.Fetch(v.Context(), login.Token.ID(), carried(login.Loaded), true); l.Phase != lookup.Live {
			v.Errorf("the session of the login is %+v", l)
		}
	})
}
