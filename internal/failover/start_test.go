package failover_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// starts is an instance that starts beside another one, over a store which has gone back to a
// time when the session that the other one has ended still lived.
type starts struct {
	*world
	other *world
	id    string
	copy  state.Copy // a copy of the session, which vouches
}

// start starts the instance. Loads of segments take so long, or fail.
func (s *starts) start(segment instance.Fate, adjust func(*instance.Instance)) {
	s.Store.PlanFor(func(c instance.Call) bool { return !c.Save && segments(c) }, segment)
	s.world = &world{T: s.T, Instance: instance.Start(s.T, s.Store, true, adjust)}
}

// fetch reads the session, with its copy or without.
func (s *starts) fetch(ctx context.Context, withCopy bool) lookup.Loaded {
	var k lookup.Known
	if withCopy {
		k.Add(&s.copy, time.Now())
	}
	return s.Reader.Fetch(ctx, s.id, k, false)
}

// A process that has just started hears which sessions have ended before it shows one.
func TestAProcessThatStarts(t *testing.T) {
	starting := func(name string, do func(s *starts)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other := &world{T: t, Instance: instance.New(t, new(instance.Store), true, nil)}
				s := &starts{world: other, other: other, id: longID("a")}
				live := other.live("x", "1")
				s.copy = other.copyOf(s.id, live)
				ends(t, other.Instance, s.id)
				time.Sleep(time.Second)
				other.Store.Set(s.id, live)
				do(s)
			})
		})
	}
	refused := func(s *starts, withCopy bool) {
		s.Helper()
		if l := s.fetch(s.Context(), withCopy); l.Phase != lookup.Dead {
			s.Errorf("the session is %v, from %v, want dead", l.Phase, l.Source)
		}
	}
	starting("shows nothing that the store has gone back to", func(s *starts) {
		s.start(instance.Fate{Takes: 20 * time.Millisecond}, nil)
		refused(s, false)
		refused(s, true)
	})
	starting("waits no longer than a read may take", func(s *starts) {
		s.start(instance.Fate{Takes: 200 * time.Millisecond}, nil)
		began := time.Now()
		if l := s.fetch(s.Context(), false); l.Phase != lookup.Unknown || !failure.IsAway(l.Err) {
			s.Errorf("without a copy the session is %v, %v, want unknown as from a store that is away", l.Phase, l.Err)
		}
		if took := time.Since(began); took != instance.ReadTimeout {
			s.Errorf("it took %v, want the read's budget", took)
		}
		if l := s.fetch(s.Context(), true); l.Phase != lookup.Live || l.Source != lookup.FromBackup || !l.Away() {
			s.Errorf("with a copy the session is %v, from %v, away: %v, want live from the copy", l.Phase, l.Source, l.Away())
		}
		time.Sleep(time.Second)
		refused(s, true)
	})
	starting("makes a copy no older than the record that it has loaded", func(s *starts) {
		s.Store.Set(s.id, s.write(s.copy.State, "x", "2", "y", "1"))
		s.copy.State = s.write(s.copy.State, "z", "1")
		s.start(instance.Fate{Takes: 200 * time.Millisecond}, nil)
		l := s.fetch(s.Context(), true)
		if l.Phase != lookup.Live || l.Source != lookup.FromBackup || !l.Away() || l.Confirmed != s.copy.Confirmed {
			s.Errorf("the session is %v, from %v, away: %v, confirmed as of %d, want live from the copy, with its lease", l.Phase, l.Source, l.Away(), l.Confirmed)
		}
		for name, want := range map[string]string{"x": "2", "y": "1", "z": "1"} {
			if got, err := state.Lookup(l.State, nil, name); string(got) != want {
				s.Errorf("%s is %q, %v, want %q", name, got, err, want)
			}
		}
		if l := s.fetch(s.Context(), false); l.Phase != lookup.Unknown || len(l.State.Entries.Present()) != 0 {
			s.Errorf("without a copy the session is %v, want unknown, and nothing of it", l.Phase)
		}
	})
	starting("takes over what another program has removed from the record that it has loaded", func(s *starts) {
		theirs := state.PackChanges([]state.Change{{Name: "gone", Value: []byte("1")}}, state.Dot{Clock: 5})
		s.copy.State.Entries = state.JoinEntries(s.copy.State.Entries, theirs)
		s.start(instance.Fate{Takes: 200 * time.Millisecond}, func(i *instance.Instance) { i.Reader.Foreign = true })
		l := s.fetch(s.Context(), true)
		got, _ := state.Lookup(l.State, nil, "gone")
		if l.Phase != lookup.Live || !l.Away() || got != nil {
			s.Errorf("the session is %v, away: %v, with %q, which was removed", l.Phase, l.Away(), got)
		}
	})
	starting("answers unknown where the request ends meanwhile", func(s *starts) {
		s.start(instance.Fate{Takes: 200 * time.Millisecond}, nil)
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Millisecond)
		defer cancel()
		if l := s.fetch(ctx, true); l.Phase != lookup.Unknown || failure.IsAway(l.Err) {
			s.Errorf("the session is %v, %v, want unknown", l.Phase, l.Err)
		}
	})
	starting("waits for logs that cannot be read for ten seconds", func(s *starts) {
		s.start(instance.Fate{Err: errors.New("corrupt")}, nil)
		time.Sleep(9 * time.Second)
		if l := s.fetch(s.Context(), false); l.Phase != lookup.Unknown {
			s.Errorf("after nine seconds the session is %v, want unknown", l.Phase)
		}
		time.Sleep(2 * time.Second)
		if l := s.fetch(s.Context(), false); l.Phase != lookup.Live {
			s.Errorf("after eleven seconds the session is %v, want live", l.Phase)
		}
	})
	starting("needs no log for a session that the store knows to be dead", func(s *starts) {
		s.Store.Set(s.id, state.State{Death: s.death(state.Destroyed)})
		s.start(instance.Fate{Takes: 200 * time.Millisecond}, nil)
		began := time.Now()
		refused(s, false)
		if took := time.Since(began); took != 0 {
			s.Errorf("it took %v", took)
		}
	})
	starting("hears nothing in the simulation that goes without logs", func(s *starts) {
		s.start(instance.Fate{Takes: 200 * time.Millisecond}, func(i *instance.Instance) { i.Shards.Without = mechanism.Logs })
		if l := s.fetch(s.Context(), false); l.Phase != lookup.Live {
			s.Errorf("the session is %v, want live", l.Phase)
		}
	})
	starting("does not ask a store that the operator does not trust", func(s *starts) {
		s.start(instance.Fate{Takes: 200 * time.Millisecond}, nil)
		s.Order(circuit.BackupOnly)
		began := time.Now()
		if l := s.fetch(s.Context(), true); l.Phase != lookup.Live || time.Since(began) != 0 {
			s.Errorf("the session is %v after %v, want live at once", l.Phase, time.Since(began))
		}
	})
	starting("after the store was emptied hears what others write again", func(s *starts) {
		time.Sleep(490 * time.Millisecond)
		s.Store.Empty()
		s.start(instance.Fate{}, nil)
		s.Store.PlanFor(instance.SavesOf(s.id), instance.Fate{Err: errors.New("out of memory")}) // the log alone says so
		time.Sleep(600 * time.Millisecond)                                                       // the other one has noticed, and the next probe is due in 400 ms
		refused(s, true)
	})
}

// A new store has no log, and a session of it is shown at once.
func TestAProcessThatStartsOnANewStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, Instance: instance.Start(t, new(instance.Store), true, nil)}
		w.Store.Set("a", w.live("x", "1"))
		if l := w.Reader.Fetch(t.Context(), "a", lookup.Known{}, false); l.Phase != lookup.Live {
			t.Errorf("the session is %v, %v, want live", l.Phase, l.Err)
		}
	})
}

// A process that has heard the logs does not ask for them whenever a load finds nothing.
func TestALoadOfNothingAsksForNoLog(t *testing.T) {
	story(t, "of a shard that has lost its memory", func(w *world) {
		fetch := func() lookup.Loaded {
			return w.Reader.Fetch(w.Context(), "a", lookup.Known{}, false)
		}
		fetch()
		w.Store.Empty()
		time.Sleep(1100 * time.Millisecond)
		if !w.Shards.Of("a").Quarantined() {
			w.Fatal("the loss was not noticed")
		}
		var loads atomic.Int64
		w.Store.PlanFor(func(c instance.Call) bool {
			if !c.Save && recordid.Reserved(c.ID) {
				loads.Add(1)
			}
			return false
		}, instance.Fate{})
		for range 10 {
			if l := fetch(); l.Phase != lookup.Unknown {
				w.Errorf("the session is %v, %v, want unknown", l.Phase, l.Err)
			}
		}
		if n := loads.Load(); n > 0 {
			w.Errorf("ten loads of nothing made %d of the logs", n)
		}
	})
}
