package devices

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// world is the lists of one instance.
type world struct {
	*testing.T
	*instance.Instance
	index *Index

	loads, saves atomic.Int64 // of lists
	takes        time.Duration
}

// each runs do in virtual time, on an instance with a backup and on one without.
func each(t *testing.T, limit Limit, do func(w *world)) {
	t.Helper()
	for name, backup := range map[string]bool{"without a backup": false, "with a backup": true} {
		instance.Test(t, name, backup, nil, func(t *testing.T, i *instance.Instance) {
			w := &world{T: t, Instance: i, index: New(&i.Reader, &i.Writer, limit)}
			i.Store.Plan(func(c instance.Call) instance.Fate {
				if !strings.HasPrefix(c.ID, "user-") {
					return instance.Fate{}
				}
				if c.Save {
					w.saves.Add(1)
				} else {
					w.loads.Add(1)
				}
				return instance.Fate{Takes: w.takes}
			})
			do(w)
		})
	}
}

// session puts a session of a user into the store.
func (w *world) session(id, user string) state.Copy {
	st := w.Writer.Begin()
	if user != "" {
		login := state.Login{User: user, Clock: w.Clock.Login(0)}
		st = st.Write([]state.Change{login.Change()}, w.Clock.Dot(st))
	}
	w.Store.Set(id, st)
	return state.Copy{ID: id, State: st}
}

// began has a session of a user begin.
func (w *world) began(id, user string) state.Copy {
	c := w.session(id, user)
	w.index.Moved(state.Copy{}, c, Place{})
	return c
}

// listed returns the IDs in the list of a user as it stands in the store.
func (w *world) listed(user string) string {
	st, _ := w.Store.Get(ID(user))
	return sessions(Decode(st), time.Now().UnixMilli())
}

func (w *world) want(user, want string) {
	w.Helper()
	synctest.Wait()
	if got := w.listed(user); got != want {
		w.Errorf("the list of %s is %q, want %q", user, got, want)
	}
}

// Other instances may come first for longer than one attempt lasts.
func TestAChangeThatIsContestedIsSavedInTheEnd(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		conflicts := 0
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if !c.Save || !strings.HasPrefix(c.ID, "user-") || conflicts == 20 {
				return instance.Fate{}
			}
			conflicts++
			return instance.Fate{Takes: 30 * time.Millisecond, Err: failure.ErrConflict}
		})
		w.began("a", "ann")
		time.Sleep(time.Minute)
		w.want("ann", "a")
	})
}

func TestWhatBecomesOfASessionIsEntered(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		a := w.began("a", "ann")
		w.want("ann", "a")
		time.Sleep(time.Second)
		b := w.session("b", "ann")
		w.index.Moved(a, b, Place{})
		w.want("ann", "b")
		c := w.session("c", "bob")
		w.index.Moved(b, c, Place{})
		w.want("ann", "")
		w.want("bob", "c")
		w.index.Moved(c, state.Copy{}, Place{})
		w.want("bob", "")
		w.saves.Store(0)
		w.index.Moved(state.Copy{}, c, Place{}) // a refresh that was under way
		w.want("bob", "")
		w.index.Moved(state.Copy{}, w.session("d", ""), Place{})
		w.index.Moved(state.Copy{}, state.Copy{}, Place{})
		synctest.Wait()
		if n := w.saves.Load(); n != 0 {
			w.Errorf("a session that has ended, and one without a user, have %d lists saved", n)
		}
	})
}

// A session registers once for each refresh interval in which it is used, counted from its
// last renewal.
func TestASessionRegistersOncePerInterval(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		c := w.began("a", "ann")
		synctest.Wait()
		for _, test := range []struct {
			after time.Duration
			want  int64
		}{{instance.Refresh - time.Millisecond, 0}, {time.Millisecond, 1}, {instance.Refresh - time.Millisecond, 0}, {time.Millisecond, 1}, {3 * instance.Refresh, 1}} {
			w.saves.Store(0)
			time.Sleep(test.after)
			before := c
			c.State = c.State.Seen(time.Now())
			w.index.Moved(before, c, Place{})
			synctest.Wait()
			if n := w.saves.Load(); n != test.want {
				w.Errorf("%v after the use before, it registers %d times, want %d", test.after, n, test.want)
			}
		}
		w.saves.Store(0)
		before := c
		c.State = c.State.Write([]state.Change{state.Login{User: "ann", Clock: w.Clock.Login(0)}.Change()}, w.Clock.Dot(c.State))
		w.index.Moved(before, c, Place{})
		synctest.Wait()
		if n := w.saves.Load(); n != 1 {
			w.Errorf("after a login it registers %d times, want 1", n)
		}
	})
}

// Changes of one list that come while it is being saved are saved together.
func TestChangesOfOneListAreCombined(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		w.takes = 10 * time.Millisecond
		for i := range 50 {
			w.began(fmt.Sprintf("%02d", i), "ann")
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		if n := len(strings.Fields(w.listed("ann"))); n != 50 {
			w.Errorf("%d are listed, want 50", n)
		}
		if n := w.saves.Load(); n > 4 {
			w.Errorf("they took %d saves, want 4 at most", n)
		}
	})
}

// Sessions that begin and end while a list is being saved are in none, and displace no
// other session.
func TestSessionsThatEndAtOnceAreNotListed(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		w.began("stays", "ann")
		synctest.Wait()
		w.takes = 10 * time.Millisecond
		for i := range 2 * MaxRows {
			c := w.began(fmt.Sprintf("%03d", i), "ann")
			w.index.Moved(c, state.Copy{}, Place{})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		w.want("ann", "stays")
	})
}

// Instances that change one list at once lose nothing of each other.
func TestInstancesShareAList(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		w.takes = time.Millisecond
		other := &world{T: w.T, Instance: instance.New(w.T, w.Store, true, nil)}
		other.index = New(&other.Reader, &other.Writer, Limit{})
		for i := range 30 {
			w.began(fmt.Sprintf("a%02d", i), "ann")
			other.began(fmt.Sprintf("b%02d", i), "ann")
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		if n := len(strings.Fields(w.listed("ann"))); n != 60 {
			w.Errorf("%d are listed, want 60", n)
		}
	})
}

// A list from a cache that is behind the store is read again.
func TestACacheThatIsBehindHidesNothing(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		w.began("a", "ann")
		synctest.Wait()
		w.Store.Cache()
		w.began("b", "ann")
		synctest.Wait()
		w.began("c", "ann")
		synctest.Wait()
		if got := strings.Fields(w.listed("ann")); len(got) != 3 {
			w.Errorf("the list is %q", got)
		}
		if found, err := w.index.Sessions(w.Context(), "ann"); len(found) != 3 || err != nil {
			w.Errorf("found %v, %v", found, err)
		}
	})
}

// After Close nothing is entered, and Close waits for what was.
func TestClose(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		w.takes = 20 * time.Millisecond
		w.began("a", "ann")
		soon, cancel := context.WithTimeout(w.Context(), time.Millisecond)
		defer cancel()
		if err := w.index.Close(soon); !errors.Is(err, context.DeadlineExceeded) {
			w.Errorf("Close returned %v before the list was saved", err)
		}
		if err := w.index.Close(w.Context()); err != nil || w.listed("ann") != "a" {
			w.Errorf("Close returned %v, with the list %q", err, w.listed("ann"))
		}
		w.began("b", "ann")
		time.Sleep(time.Second)
		w.want("ann", "a")
	})
}

// The queue for a slow store is bounded.
func TestWhatWaitsIsBounded(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		w.takes = 20 * time.Millisecond
		for i := range maxUsers + 10 {
			w.began(fmt.Sprint(i), fmt.Sprint("user", i))
		}
		a := w.session("a", "ann")
		for range maxWaiting + 10 {
			w.index.Moved(state.Copy{}, a, Place{})
		}
		w.index.mu.Lock()
		lists, waiting := len(w.index.waiting), len(w.index.waiting["ann"])
		w.index.mu.Unlock()
		if lists != maxUsers || waiting != 0 {
			w.Errorf("%d lists wait, want %d, and %d changes of one beyond them", lists, maxUsers, waiting)
		}
		time.Sleep(time.Second)
		w.index.Moved(state.Copy{}, a, Place{})
		synctest.Wait() // the list is being loaded for that one
		for range maxWaiting + 10 {
			w.index.Moved(state.Copy{}, a, Place{})
		}
		w.index.mu.Lock()
		waiting = len(w.index.waiting["ann"])
		w.index.mu.Unlock()
		if waiting != maxWaiting {
			w.Errorf("%d changes wait, want %d", waiting, maxWaiting)
		}
		time.Sleep(time.Second)
		w.want("ann", "a")
	})
}

// A session that the store cannot answer for is an error beside the other sessions.
func TestOneShardIsAway(t *testing.T) {
	shards := func(i *instance.Instance) {
		i.Store.ShardOf = func(id string) string { return map[bool]string{true: "two", false: "one"}[id == "b"] }
	}
	for name, backup := range map[string]bool{"without a backup": false, "with a backup": true} {
		instance.Test(t, name, backup, shards, func(t *testing.T, i *instance.Instance) {
			w := &world{T: t, Instance: i, index: New(&i.Reader, &i.Writer, Limit{})}
			w.began("a", "ann")
			time.Sleep(time.Second)
			b := w.began("b", "ann")
			synctest.Wait()
			w.Store.PlanFor(instance.CallsFor("b"), instance.Fate{Err: instance.ErrRefused})
			found, err := w.index.Sessions(t.Context(), "ann")
			if !errors.Is(err, failure.ErrUnavailable) || len(found) != 2 {
				t.Fatalf("found %+v, %v", found, err)
			}
			listed, _ := found[0].State.Login()
			login, _ := b.State.Login()
			if f := found[0]; f.ID != "b" || f.Read || f.State.LastSeen != b.State.LastSeen || f.State.Created != b.State.Created || listed != login {
				t.Errorf("the one that was not read: %+v", f)
			}
			if f := found[1]; f.ID != "a" || !f.Read {
				t.Errorf("the other: %+v", f)
			}
			w.Store.PlanFor(instance.CallsFor(ID("ann")), instance.Fate{Err: instance.ErrRefused})
			if found, err := w.index.Sessions(t.Context(), "ann"); !errors.Is(err, failure.ErrUnavailable) || found != nil {
				t.Errorf("without the list: %v, %v", found, err)
			}
		})
	}
}

// A store that has just lost its data has no list, which does not mean that the user has no
// sessions.
func TestAQuarantinedStoreHasNoAnswer(t *testing.T) {
	var incarnation atomic.Int64
	adjust := func(i *instance.Instance) {
		i.Store.Incarnation = func(string) (string, error) { return fmt.Sprint(incarnation.Load()), nil }
	}
	instance.Test(t, "", true, adjust, func(t *testing.T, i *instance.Instance) {
		w := &world{T: t, Instance: i, index: New(&i.Reader, &i.Writer, Limit{})}
		w.began("a", "ann")
		synctest.Wait()
		incarnation.Add(1)
		i.Store.Empty()
		time.Sleep(1500 * time.Millisecond)
		if !i.Shards.Of(ID("ann")).Quarantined() {
			t.Fatal("the shard is not in quarantine")
		}
		if found, err := w.index.Sessions(t.Context(), "ann"); !errors.Is(err, failure.ErrUnavailable) {
			t.Errorf("in quarantine: %v, %v", found, err)
		}
		time.Sleep(time.Minute)
		if found, err := w.index.Sessions(t.Context(), "ann"); err != nil || len(found) != 0 {
			t.Errorf("after it: %v, %v", found, err)
		}
	})
}

// A tombstone in the place of a list, which no program writes, is replaced.
func TestATombstoneIsNoList(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		w.Store.Set(ID("ann"), state.State{Death: w.Clock.Death(state.Revoked)})
		if found, err := w.index.Sessions(w.Context(), "ann"); err != nil || len(found) != 0 {
			w.Errorf("found %v, %v", found, err)
		}
		w.began("a", "ann")
		w.want("ann", "a")
	})
}

// A list may be behind what its sessions are: one that has ended is not shown, nor one that
// another user has logged in to since, and both leave the list.
func TestWhatAListIsWrongAboutIsNotShown(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		w.began("a", "ann")
		w.began("b", "ann")
		w.began("c", "ann")
		w.want("ann", "a b c")
		w.Store.Set("a", state.State{Death: w.Clock.Death(state.Revoked)})
		w.session("b", "bob")
		found, err := w.index.Sessions(w.Context(), "ann")
		if len(found) != 1 || found[0].ID != "c" || !found[0].Read || err != nil {
			w.Errorf("found %v, %v, want c", found, err)
		}
		w.want("ann", "c")
	})
}

// Many sessions of a user are read a few at once.
func TestSessionsAreReadAFewAtOnce(t *testing.T) {
	each(t, Limit{}, func(w *world) {
		for i := range 40 {
			w.began(fmt.Sprintf("%02d", i), "ann")
		}
		synctest.Wait()
		var mu sync.Mutex
		now, most := 0, 0
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if len(c.ID) != 2 {
				return instance.Fate{}
			}
			mu.Lock()
			defer mu.Unlock()
			now++
			most = max(most, now)
			time.AfterFunc(10*time.Millisecond, func() {
				mu.Lock()
				defer mu.Unlock()
				now--
			})
			return instance.Fate{Takes: 10 * time.Millisecond}
		})
		found, err := w.index.Sessions(w.Context(), "ann")
		if len(found) != 40 || err != nil {
			w.Errorf("found %d, %v", len(found), err)
		}
		if most < readers || most > 2*readers {
			w.Errorf("%d were read at once, want %d", most, readers)
		}
	})
}

func TestTheOldestSessionsEnd(t *testing.T) {
	each(t, Limit{Most: 2}, func(w *world) {
		for _, id := range []string{"a", "b", "c"} {
			w.began(id, "ann")
			synctest.Wait()
			time.Sleep(time.Second)
		}
		w.want("ann", "c b")
		if st, _ := w.Store.Get("a"); st.Death.Reason != state.Revoked {
			w.Errorf("a is %+v", st)
		}
		// The clock of another instance is behind: what has just logged in stays.
		d := w.session("d", "ann")
		d.State.LastSeen -= time.Minute.Milliseconds()
		w.Store.Set("d", d.State)
		w.index.Moved(state.Copy{}, d, Place{})
		w.want("ann", "c d")
		// A session that cannot be ended stays in the list.
		w.Store.PlanFor(instance.SavesOf("d"), instance.Fate{Err: instance.ErrRefused})
		w.began("e", "ann")
		synctest.Wait()
		if w.Shards.JournalBytes == 0 {
			w.want("ann", "e c d")
		} else {
			w.want("ann", "e c") // the tombstone is pending
		}
	})
}

// The largest limit is the bound of a list. What is beyond it ends before it leaves the list.
func TestTheOldestSessionEndsBeforeItLeavesAFullList(t *testing.T) {
	each(t, Limit{Most: MaxRows}, func(w *world) {
		const more = 3
		for i := range MaxRows + more {
			w.began(fmt.Sprintf("%03d", i), "ann")
			synctest.Wait()
			time.Sleep(time.Second)
		}
		if got := len(strings.Fields(w.listed("ann"))); got != MaxRows {
			w.Errorf("%d sessions are listed, want %d", got, MaxRows)
		}
		for i := range MaxRows + more {
			id := fmt.Sprintf("%03d", i)
			if st, _ := w.Store.Get(id); st.Dead() != (i < more) {
				w.Errorf("session %s has ended: %v", id, st.Dead())
			}
		}
	})
}

func TestAPlaceIsTakenOrRefused(t *testing.T) {
	each(t, Limit{Most: 2, Refuse: true}, func(w *world) {
		clock := uint64(0)
		login := func(user string) state.Changes { // each is another login
			clock++
			return state.Changes{state.Login{User: user, Clock: clock, At: int64(clock)}.Change()}
		}
		a := w.began("a", "ann")
		synctest.Wait()
		p, err := w.index.Reserve(w.Context(), state.Copy{}, "", login("ann"))
		if p.user != "ann" || !isReservation(p.name) || err != nil {
			w.Fatalf("got %+v, %v", p, err)
		}
		if _, err := w.index.Reserve(w.Context(), state.Copy{}, "", login("ann")); !errors.Is(err, ErrTooManySessions) {
			w.Errorf("beyond the limit: %v", err)
		}
		if p, err := w.index.Reserve(w.Context(), state.Copy{}, "", login("bob")); p.name == "" || err != nil {
			w.Errorf("another user: %+v, %v", p, err)
		}
		again, err := w.index.Reserve(w.Context(), a, "", login("ann"))
		if err != nil {
			w.Errorf("a session that logs in again: %v", err)
		}
		w.index.Moved(a, a, again) // the login has failed
		if p, err := w.index.Reserve(w.Context(), state.Copy{}, "", state.Changes{{Name: "x"}}); p != (Place{}) || err != nil {
			w.Errorf("what is no login: %+v, %v", p, err)
		}
		w.index.Moved(state.Copy{}, w.session("b", "ann"), p)
		synctest.Wait()
		st, _ := w.Store.Get(ID("ann"))
		names := []string{}
		for _, r := range Decode(st).all() {
			names = append(names, r.Session)
		}
		if slices.Sort(names); !slices.Equal(names, []string{"a", "b"}) {
			w.Errorf("the list has %q", names)
		}
		l, _ := a.State.Login()
		l.Clock++
		if p, err := w.index.Reserve(w.Context(), a, "", state.Changes{l.Change()}); p != (Place{}) || err != nil {
			w.Errorf("the same login at a later clock value: %+v, %v", p, err)
		}
		if p, err := w.index.Reserve(Alone(w.Context()), state.Copy{}, "", login("ann")); p != (Place{}) || err != nil {
			w.Errorf("a login that ends all others: %+v, %v", p, err)
		}
		w.Store.Away(true)
		if p, err := w.index.Reserve(w.Context(), state.Copy{}, "", login("ann")); p != (Place{}) || err != nil {
			w.Errorf("without the store: %+v, %v", p, err)
		}
	})
}

// A session that logs in again has its place, also where the list does not have the session
// yet, because it is changed in the background, and where the login was tried before.
func TestASessionIsNotInItsOwnWay(t *testing.T) {
	each(t, Limit{Most: 1, Refuse: true}, func(w *world) {
		login := func(clock uint64) state.Changes {
			return state.Changes{state.Login{User: "ann", Clock: clock, At: int64(clock)}.Change()}
		}
		reserve := func(c state.Copy, l state.Changes, want error) {
			t.Helper()
			if _, err := w.index.Reserve(w.Context(), c, "", l); !errors.Is(err, want) {
				w.Errorf("got %v, want %v", err, want)
			}
		}
		reserve(state.Copy{}, login(1), nil)
		reserve(state.Copy{}, login(1), nil) // the save has failed, and runs again
		a := w.session("a", "")
		a.State = a.State.Write(login(1), w.Clock.Dot(a.State))
		reserve(a, login(2), nil)
		reserve(state.Copy{}, login(3), ErrTooManySessions)
		a.State = a.State.Write(login(2), w.Clock.Dot(a.State))
		other := w.session("b", "")
		other.State = other.State.Write(login(1), w.Clock.Dot(other.State))
		reserve(other, login(4), ErrTooManySessions)
		reserve(a, login(5), nil)
	})
}

// A list that others change all the time refuses a login, without saying that the limit was
// reached.
func TestALoginGivesUpOnAContestedList(t *testing.T) {
	each(t, Limit{Most: 2, Refuse: true}, func(w *world) {
		w.Store.Plan(func(c instance.Call) instance.Fate {
			if c.Save && strings.HasPrefix(c.ID, "user-") {
				return instance.Fate{Takes: 10 * time.Millisecond, Err: failure.ErrConflict}
			}
			return instance.Fate{}
		})
		began := time.Now()
		_, err := w.index.Reserve(w.Context(), state.Copy{}, "", state.Changes{state.Login{User: "ann", Clock: 1}.Change()})
		if !errors.Is(err, failure.ErrUnavailable) || errors.Is(err, ErrTooManySessions) {
			w.Errorf("got %v", err)
		}
		if took := time.Since(began); took < instance.SaveTimeout || took > 2*instance.SaveTimeout {
			w.Errorf("it took %v", took)
		}
	})
}

// A limit that refuses ends no session, where there are more than it allows: they logged in
// while the list could not be read, or before the limit was set.
func TestALimitThatRefusesEndsNothing(t *testing.T) {
	each(t, Limit{Most: 1, Refuse: true}, func(w *world) {
		w.began("a", "ann")
		time.Sleep(time.Second)
		w.began("b", "ann")
		w.want("ann", "b a")
		if st, _ := w.Store.Get("a"); st.Dead() {
			w.Error("a session of the list has ended")
		}
	})
}
