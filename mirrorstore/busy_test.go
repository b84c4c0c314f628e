package mirrorstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/mirrorstore"
)

// patient is the context of a process that is short of processor: it ends later than it says.
type patient struct {
	context.Context
	end time.Time
}

func (p patient) Deadline() (time.Time, bool) { return p.end, true }

func patientFor(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(cancel)
	return patient{ctx, time.Now().Add(d)}
}

// punctualStore refuses calls after their deadline unsent, as clients of real servers do.
type punctualStore struct{ session.Store }

func (s punctualStore) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
		return session.Record{}, context.DeadlineExceeded
	}
	return s.Store.Load(ctx, id)
}

func (s punctualStore) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
		return session.Absent, context.DeadlineExceeded
	}
	return s.Store.Save(ctx, id, r, over)
}

// On a busy machine the last calls of an operation begin after the moment that its context names.
// They are sent nevertheless, for as long as the context lasts.
func TestACallThatBeginsLateIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		p.first.Delay(20 * time.Millisecond)
		p.second.Delay(20 * time.Millisecond)
		s := mirrorstore.New(punctualStore{p.first}, punctualStore{p.second}, nil)
		v, err := s.Save(patientFor(t, 30*time.Millisecond), alice, encoded(begun()), session.Absent)
		if err != nil {
			t.Fatalf("a save of three calls, each of 20 ms, in 30 ms that last longer: %v", err)
		}
		st := begun()
		for n := range 10 {
			st = set(st, fmt.Sprint(n), 1, 1)
			if v, err = s.Save(patientFor(t, 30*time.Millisecond), alice, encoded(st), v); err != nil {
				t.Fatalf("the stores answer, and save %d fails: %v", n, err)
			}
		}
		if _, err = s.Load(patientFor(t, -time.Millisecond), alice); err != nil {
			t.Errorf("a load that begins when its time should be over, and is not: %v", err)
		}
	})
}

// A client that gives a call up by a timeout of its own has not been refused: its store is out
// after a second, and not after 0.3.
func TestATimeoutOfTheClientIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		st, v := loaded(t, s)
		p.first.Before(func(string, session.ID) error {
			time.Sleep(150 * time.Millisecond)
			return errDied
		})
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		// Were it out, v would be a conflict: that of a store that is not asked.
		if _, err := s.Save(ctx, alice, encoded(set(st, "cart", 1, 1)), v); !errors.Is(err, errDied) {
			t.Errorf("a save after 0.9 s: %v, want the error of the store that is not out yet", err)
		}
		p.first.Before(nil)
		mustLoad(t, s, alice)
	})
}

// Records that this process saved to one store alone are repaired beside the probe, whose
// time is for the probe itself.
func TestAProbeDoesNotWaitForRepairs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		p.first.Fail(errDied)
		notice(t, s)
		ids := make([]session.ID, 100)
		for n := range ids {
			ids[n] = session.ID(fmt.Sprintf("%032x", n))
			mustSave(t, s, ids[n], encoded(begun()), session.Absent)
		}
		p.first.Heal()
		p.first.Delay(50 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		began := time.Now()
		if _, err := s.Probe(ctx, s.Shard(alice)); err != nil {
			t.Error(err)
		}
		took := time.Since(began)
		cancel()
		if took > 250*time.Millisecond {
			t.Errorf("a probe took %v of 400 ms", took)
		}
		if n := mirrorstore.Owed(s); n == 0 {
			t.Error("all was repaired within the probe: there is nothing to see here")
		}
		time.Sleep(time.Second)
		if n := mirrorstore.Owed(s); n > 0 {
			t.Errorf("%d records are not repaired a second later", n)
		}
		for _, id := range ids {
			mustLoad(t, p.first, id)
		}
	})
}

// Callers that need the number which says what store decides share one read of it, however long
// that takes, and load their records meanwhile.
func TestCallersShareAReadOfTheNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		probe(t, s)
		time.Sleep(time.Minute)
		var reads atomic.Int32
		p.second.Before(func(op string, id session.ID) error {
			if op == "load" && strings.HasPrefix(string(id), "~mirror-") {
				reads.Add(1)
			}
			return nil
		})
		p.first.Delay(700 * time.Millisecond)
		p.second.Delay(700 * time.Millisecond)
		began := time.Now()
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() { mustSave(t, s, session.ID(fmt.Sprintf("%032x", n)), encoded(begun()), session.Absent) })
		}
		all.Wait()
		if got := reads.Load(); got != 1 {
			t.Errorf("20 saves read the number %d times", got)
		}
		if took := time.Since(began); took != 2100*time.Millisecond {
			t.Errorf("20 saves at once took %v, want the time of three calls of 700 ms", took)
		}
	})
}

// A process may save to one store alone only by a number that it has read a second ago at most.
func TestAnOldNumberDecidesNothingAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		p.first.Fail(errDied)
		notice(t, s)
		st, v := loaded(t, s)
		p.second.Before(func(op string, id session.ID) error {
			if op == "load" && strings.HasPrefix(string(id), "~mirror-") {
				time.Sleep(1200 * time.Millisecond) // others may have changed it meanwhile
			}
			return nil
		})
		if _, err := s.Save(t.Context(), alice, encoded(set(st, "cart", 1, 1)), v); err == nil || errors.Is(err, session.ErrConflict) {
			t.Errorf("got %v, want an error: what the process knows is 1.2 s old", err)
		}
		p.second.Before(nil)
		time.Sleep(time.Second)
		mustSave(t, s, alice, encoded(set(st, "cart", 1, 1)), v)
	})
}

// A caller that has just created a record saves over it, though the first store, whose Version
// it has, has lost it meanwhile.
func TestTheFirstStoreLosesWhatWasJustSaved(t *testing.T) {
	p := newPlace()
	s := p.mirror()
	v := mustSave(t, s, alice, encoded(begun()), session.Absent)
	p.first.Replace(silentStore{memstore.New(nil)})
	next := set(begun(), "cart", 1, 1)
	v = mustSave(t, s, alice, encoded(next), v)
	check(t, p.first, "begun", "cart")
	check(t, p.second, "begun", "cart")

	// Not where another has saved since.
	p.first.Replace(silentStore{memstore.New(nil)})
	st, other := loaded(t, p.second)
	mustSave(t, p.second, alice, encoded(set(st, "order", 1, 2)), other)
	if _, err := s.Save(t.Context(), alice, encoded(set(next, "name", 1, 1)), v); !errors.Is(err, session.ErrConflict) {
		t.Errorf("got %v, want a conflict", err)
	}
}
