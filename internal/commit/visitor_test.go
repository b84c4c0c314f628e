package commit_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/commit"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
	"github.com/holdfast-go/session/internal/token"
)

// visitor has a session at an instance, with the value 0 under "n".
type visitor struct {
	*testing.T
	*instance.Instance
	token token.Token
	begun lookup.Loaded
}

// story runs a test in virtual time, with a visitor of an instance with a backup.
func story(t *testing.T, name string, do func(v *visitor)) {
	t.Helper()
	storyOf(t, name, true, nil, do)
}

func storyOf(t *testing.T, name string, backup bool, adjust func(*instance.Instance), do func(v *visitor)) {
	t.Helper()
	instance.Test(t, name, backup, adjust, func(t *testing.T, i *instance.Instance) {
		v := &visitor{T: t, Instance: i}
		c := v.commit(lookup.Loaded{Phase: lookup.Nobody}, set("n", "0"))
		if d, err := v.run(c); err != nil || d != failover.Durable {
			t.Fatalf("the session did not begin: %v, %v", d, err)
		}
		v.token = c.Token
		v.begun = c.Loaded
		v.Store.Calls()
		do(v)
	})
}

// awayStory is a story of a visitor whose request has loaded the session before the
// store went away, ten seconds ago.
func awayStory(t *testing.T, name string, do func(v *visitor, l lookup.Loaded)) {
	t.Helper()
	story(t, name, func(v *visitor) {
		l := v.load()
		v.Store.Away(true)
		time.Sleep(10 * time.Second) // the breaker has tripped
		v.Store.Calls()
		do(v, l)
	})
}

func (v *visitor) id() string { return v.token.ID() }

// set is an edit that sets a value.
func set(name, value string) *state.Edit {
	return &state.Edit{Change: state.Change{Name: name, Value: []byte(value)}}
}

// remove is an edit that deletes a value.
func remove(name string) *state.Edit {
	return &state.Edit{Change: state.Change{Name: name, Flags: state.Deleted}}
}

// increment is an Update that adds one.
func increment(name string) *state.Edit {
	return update(name, func(n int) (int, error) { return n + 1, nil })
}

func update(name string, fn func(int) (int, error)) *state.Edit {
	return &state.Edit{Change: state.Change{Name: name}, Step: func(old []byte, _ bool) ([]byte, bool, error) {
		n, _ := strconv.Atoi(string(old))
		n, err := fn(n)
		return []byte(strconv.Itoa(n)), true, err
	}}
}

// load reads the session as a request does that has carried no copy.
func (v *visitor) load() lookup.Loaded { return v.loadWith(lookup.Known{}) }

// loadWith reads the session as a request does that has carried a copy.
func (v *visitor) loadWith(known lookup.Known) lookup.Loaded {
	return v.Reader.Fetch(context.Background(), v.id(), known, false)
}

// carried is the copy that the answer of a commit had.
func carried(l lookup.Loaded) lookup.Known { return lookup.KnownAs(&l.Copy, true) }

// commit returns a commit of edits that were made on what a request has loaded.
func (v *visitor) commit(l lookup.Loaded, edits ...*state.Edit) *commit.Commit {
	v.Helper()
	changes, _, err := state.Replay(l.State, edits)
	if err != nil {
		v.Fatalf("an edit failed: %v", err)
	}
	return &commit.Commit{Writer: &v.Writer, Loaded: l, Held: v.token, Edits: edits, Changes: changes, CanSend: true}
}

// moving is a commit that gives the session a new ID in the way that to says.
func (v *visitor) moving(to commit.Renewal, l lookup.Loaded, edits ...*state.Edit) *commit.Commit {
	v.Helper()
	c := v.commit(l, edits...)
	c.Asked = to
	c.Renewal = to
	return c
}

// renew is a commit that gives the session a new ID.
func (v *visitor) renew(l lookup.Loaded, edits ...*state.Edit) *commit.Commit {
	v.Helper()
	return v.moving(commit.RenewID, l, edits...)
}

// rotate is a commit that exchanges the token of the session.
func (v *visitor) rotate(l lookup.Loaded, edits ...*state.Edit) *commit.Commit {
	v.Helper()
	return v.moving(commit.RotateID, l, edits...)
}

// run runs a commit and returns what its caller is told.
func (v *visitor) run(c *commit.Commit) (failover.Durability, error) {
	if _, err := runCommit(c); err != nil {
		return c.Outcome(err)
	}
	return c.Outcome(nil)
}

// must runs a commit and wants an outcome without an error.
func (v *visitor) must(c *commit.Commit, want failover.Durability) {
	v.Helper()
	if d, err := v.run(c); err != nil || d != want {
		v.Errorf("the commit came to %v, %v, want %v", d, err, want)
	}
}

// fails runs a commit and wants an error.
func (v *visitor) fails(c *commit.Commit, want error) error {
	v.Helper()
	_, err := v.run(c)
	if !errors.Is(err, want) {
		v.Errorf("the commit came to %v, want %v", err, want)
	}
	return err
}

// want compares a value of a state.
func (v *visitor) want(where string, st state.State, name, want string) {
	v.Helper()
	if got, err := state.Lookup(st, nil, name); string(got) != want {
		v.Errorf("%s: %s is %q, %v, want %q", where, name, got, err, want)
	}
}

// stored compares a value that the store has.
func (v *visitor) stored(name, want string) {
	v.Helper()
	st, _ := v.Store.Get(v.id())
	v.want("the store", st, name, want)
}

// hinted returns what this process knows of the session besides the store.
func (v *visitor) hinted() state.Copy {
	c, _ := v.Shards.Of(v.id()).Copy(v.id())
	return c
}

// owed is how many states and tombstones the store lacks.
func (v *visitor) owed() (states, tombstones int) {
	j := v.Shards.Stats().Journal
	return j.States, j.Tombstones
}

func (v *visitor) wantOwed(states, tombstones int) {
	v.Helper()
	synctest.Wait() // a delivery that is under way may owe more for a moment
	if s, t := v.owed(); s != states || t != tombstones {
		v.Errorf("the store lacks %d states and %d tombstones, want %d and %d", s, t, states, tombstones)
	}
}

// elsewhere writes to the session's record as another instance does.
func (v *visitor) elsewhere(name, value string) {
	v.Helper()
	st, _ := v.Store.Get(v.id())
	at := time.Now().Add(time.Second)
	dot := state.Dot{Clock: uint64(at.UnixMilli()) << state.CounterBits, Instance: v.Clock.Instance + 1}
	v.Store.Set(v.id(), st.Write([]state.Change{{Name: name, Value: []byte(value)}}, dot))
}

// endElsewhere ends the session as another instance does.
func (v *visitor) endElsewhere(why state.Reason) state.Death {
	d := v.Clock.Death(why)
	d.Dot.Instance++
	v.Store.Set(v.id(), state.State{Death: d})
	return d
}

// saves are the saves among the calls for the session since it was asked last.
func (v *visitor) saves() (saves []instance.Call) {
	for _, c := range v.Store.Calls() {
		if c.Save {
			saves = append(saves, c)
		}
	}
	return saves
}

func (v *visitor) wantSaves(want int) {
	v.Helper()
	if got := v.saves(); len(got) != want {
		v.Errorf("the store was asked for %d saves, want %d: %+v", len(got), want, got)
	}
}

// wantCalls compares the calls for sessions since they were asked last: l is a load,
// s a save.
func (v *visitor) wantCalls(want string) {
	v.Helper()
	got := ""
	for _, c := range v.Store.Calls() {
		if c.Save {
			got += "s"
		} else {
			got += "l"
		}
	}
	if got != want {
		v.Errorf("the store was asked %q, want %q", got, want)
	}
}

// runCommit prepares and runs a commit. done reports whether it had anything to do.
func runCommit(c *commit.Commit) (done bool, err error) {
	if done, err = c.Prepare(); !done || err != nil {
		return false, err
	}
	return true, c.Run(context.Background())
}
