package devices

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/audit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

func loginOf(user string, clock uint64) state.Changes {
	return state.Changes{state.Login{User: user, Clock: clock}.Change()}
}

// A session that is remembered may not be used for longer than others last.
func TestAListLastsAsLongAsItsSessions(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		c := w.session("a", "ann")
		c.State = c.State.Write([]state.Change{state.Stay{Lifetime: instance.MaxLifetime, Idle: instance.MaxLifetime}.Change()}, w.Clock.Dot(c.State))
		c.State.End = time.Now().Add(instance.MaxLifetime).UnixMilli()
		w.index.Moved(state.Copy{}, c, Place{})
		synctest.Wait()
		time.Sleep(12 * time.Hour)
		if w.index.Renewed(w.Context(), "ann").IsZero() {
			w.Error("the list is gone")
		}
	})
}

// The login of a user, in a session of another one, has failed: the place is free again.
func TestALoginOfAnotherUserThatFailsGivesThePlaceBack(t *testing.T) {
	each(t, Limit{Most: 1, Refuse: true}, func(w *world) {
		a := w.began("a", "ann")
		synctest.Wait()
		p, err := w.index.Reserve(w.Context(), a, "", loginOf("bob", 1))
		if p.name == "" || err != nil {
			w.Fatalf("got %+v, %v", p, err)
		}
		w.index.Moved(a, a, p)
		synctest.Wait()
		if _, err := w.index.Reserve(w.Context(), state.Copy{}, "", loginOf("bob", 2)); err != nil {
			w.Errorf("the next login: %v", err)
		}
	})
}

// A store that is away is not asked again for each change of a list.
func TestAListThatTheStoreDoesNotTakeIsAskedForOnce(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		var calls atomic.Int64
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.ID != ID("ann") {
				return instance.Fate{}
			}
			calls.Add(1)
			return instance.Fate{Err: instance.ErrRefused}
		})
		w.began("a", "ann")
		synctest.Wait()
		if n := calls.Load(); n != 1 {
			w.Errorf("it was asked %d times, want once", n)
		}
	})
}

// What an instance whose clock is ahead has written does not hide what comes after it.
func TestAnEndIsRememberedBesideThoseByAClockAhead(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		ahead := &world{T: w.T, Instance: instance.New(w.T, w.Store, true, func(i *instance.Instance) { i.Clock.Skew = 30 * time.Second })}
		ahead.index = New(&ahead.Reader, &ahead.Writer, Limit{})
		for i := range remembered + 1 {
			c := ahead.began(fmt.Sprintf("%02d", i), "ann")
			synctest.Wait()
			ahead.index.Moved(c, state.Copy{}, Place{})
			synctest.Wait()
		}
		c := w.began("a", "ann")
		w.want("ann", "a")
		w.index.Moved(c, state.Copy{}, Place{})
		w.want("ann", "")
		w.index.Moved(state.Copy{}, c, Place{}) // a refresh that was under way
		w.want("ann", "")
	})
}

func TestWhatIsOverLeavesTheStoredList(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		w.began("a", "ann")
		synctest.Wait()
		time.Sleep(instance.Idle)
		w.began("b", "ann")
		synctest.Wait()
		time.Sleep(instance.Idle - time.Minute)
		w.began("c", "ann")
		synctest.Wait()
		var names []string
		st, _ := w.Store.Get(ID("ann"))
		for _, r := range Decode(st).all() {
			names = append(names, r.Session)
		}
		if slices.Sort(names); slices.Contains(names, "a") || !slices.Contains(names, "c") {
			w.Errorf("the record has %q, want c and not a", names)
		}
	})
}

// A client that hangs up while it logs in does not get past the limit.
func TestALoginWhoseClientHasLeftNeedsAPlace(t *testing.T) {
	each(t, Limit{Most: 1, Refuse: true}, func(w *world) {
		w.began("a", "ann")
		synctest.Wait()
		gone, cancel := context.WithCancel(w.Context())
		cancel()
		if p, err := w.index.Reserve(gone, state.Copy{}, "", loginOf("ann", 1)); !errors.Is(err, ErrTooManySessions) {
			w.Errorf("got %+v, %v", p, err)
		}
	})
}

// The clocks of two instances may give two logins of a user one value.
func TestLoginsOfTwoInstancesAtOneTimeHaveTheirOwnPlaces(t *testing.T) {
	each(t, Limit{Most: 1, Refuse: true}, func(w *world) {
		there := instance.New(w.T, w.Store, true, nil)
		other := New(&there.Reader, &there.Writer, Limit{Most: 1, Refuse: true})
		if _, err := w.index.Reserve(w.Context(), state.Copy{}, "", loginOf("ann", 1)); err != nil {
			w.Fatal(err)
		}
		if p, err := other.Reserve(w.Context(), state.Copy{}, "", loginOf("ann", 1)); !errors.Is(err, ErrTooManySessions) {
			w.Errorf("got %+v, %v", p, err)
		}
	})
}

// What has ended already leaves the list, and nothing else does for it.
func TestTheLimitEndsNothingBesideWhatHasEnded(t *testing.T) {
	each(t, Limit{Most: 2}, func(w *world) {
		for _, id := range []string{"a", "b"} {
			w.began(id, "ann")
			synctest.Wait()
			time.Sleep(time.Second)
		}
		w.Store.Set("b", state.State{Death: w.Clock.Death(state.Destroyed)})
		w.began("c", "ann")
		w.want("ann", "c a")
		if st, _ := w.Store.Get("a"); st.Dead() {
			w.Error("a session within the limit has ended")
		}
	})
}

// An audit log hears of what the limit refuses, and of what it ends.
func TestTheLimitIsTold(t *testing.T) {
	for refuse, want := range map[bool]string{true: "refused c of ann", false: "ended a of ann by 4"} {
		each(t, Limit{Most: 2, Refuse: refuse}, func(w *world) {
			var told []string
			w.Reader.Audit = &audit.Log{
				Refused: func(_ context.Context, id, user string) { told = append(told, "refused "+id+" of "+user) },
				Ended: func(_ context.Context, e audit.Ending) {
					told = append(told, fmt.Sprintf("ended %s of %s by %d", e.ID, e.User, e.By))
				},
			}
			for _, id := range []string{"a", "b"} {
				w.began(id, "ann")
				synctest.Wait()
				time.Sleep(time.Second)
			}
			c := w.session("c", "")
			if refuse {
				_, _ = w.index.Reserve(w.Context(), c, "", loginOf("ann", 1))
			} else {
				w.began("c", "ann")
			}
			synctest.Wait()
			if got := strings.Join(told, ", "); got != want {
				w.Errorf("told %q, want %q", got, want)
			}
		})
	}
}

// The session of a request is listed as the store has it, where the store was read.
func TestWith(t *testing.T) {
	of := func(id, user string, seen int64) state.Copy {
		st := state.State{Created: 1, LastSeen: seen}
		login := state.Login{User: user, Clock: 1, At: 1}.Change()
		return state.Copy{ID: id, State: st.Write([]state.Change{login}, state.Dot{Clock: 1, Instance: 1})}
	}
	show := func(found []Found) string {
		var out []string
		for _, f := range found {
			out = append(out, fmt.Sprintf("%s %d %v", f.ID, f.State.LastSeen, f.Read))
		}
		return strings.Join(out, ", ")
	}
	for _, test := range []struct {
		is    string
		known state.Copy
		read  bool
		want  string
	}{
		{"it was read", of("b", "ann", 9), true, "a 3 true, b 2 true"},
		{"it was not read", of("b", "ann", 9), false, "a 3 true, b 9 true"},
		{"the list lacks it", of("c", "ann", 9), true, "c 9 true, a 3 true, b 2 true"},
		{"it is of another user", of("c", "bob", 9), true, "a 3 true, b 2 true"},
		{"there is none", state.Copy{}, true, "a 3 true, b 2 true"},
	} {
		found := []Found{{of("a", "ann", 3), true}, {of("b", "ann", 2), test.read}}
		if got := show(With(test.known, "ann", found)); got != test.want {
			t.Errorf("%s: got %s, want %s", test.is, got, test.want)
		}
	}
}

// A revocation takes the latest of the listed sessions, as the store has the list.
func TestRenewedIsTheLatest(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		if got := w.index.Renewed(w.Context(), "ann"); !got.IsZero() {
			w.Errorf("without a list: %v", got)
		}
		now := time.Now()
		for _, one := range []struct {
			id   string
			at   time.Duration
			seen time.Duration
		}{{"a", 0, 2 * time.Minute}, {"b", time.Minute, 0}, {"c", time.Hour, time.Minute}} {
			if one.id == "c" {
				w.Store.Cache()
			}
			c := w.session(one.id, "ann")
			c.State.Authenticated = now.Add(one.at).UnixMilli()
			c.State.LastSeen = now.Add(one.seen).UnixMilli()
			w.index.Moved(state.Copy{}, c, Place{})
			synctest.Wait()
		}
		if got := w.index.Renewed(w.Context(), "ann"); got.UnixMilli() != now.Add(time.Hour).UnixMilli() {
			w.Errorf("got %v, want an hour after %v", got, now)
		}
	})
}

// Sessions come in the order in which they were used, which the list does not know before a refresh.
func TestSessionsComeInTheOrderOfTheirUse(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		a := w.began("a", "ann")
		synctest.Wait()
		time.Sleep(time.Second)
		w.began("b", "ann")
		synctest.Wait()
		time.Sleep(time.Second)
		w.Store.Set("a", a.State.Seen(time.Now()))
		found, err := w.index.Sessions(w.Context(), "ann")
		if len(found) != 2 || found[0].ID != "a" || err != nil {
			w.Errorf("got %v, %v, want a in front", found, err)
		}
	})
}

// A session whose record cannot be read is shown with what the list has, beside an error of the store.
func TestASessionThatCannotBeReadIsListed(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		w.began("a", "ann")
		synctest.Wait()
		w.Store.SetRaw("a", []byte{99, 1, 2, 3})
		found, err := w.index.Sessions(w.Context(), "ann")
		if len(found) != 1 || found[0].Read || !errors.Is(err, failure.ErrUnavailable) {
			w.Errorf("got %v, %v", found, err)
		}
	})
}
