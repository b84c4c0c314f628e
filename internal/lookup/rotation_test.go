package lookup_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/lookup"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
	"github.com/holdfast-go/session/internal/token"
)

// rotation is the death of the session under a token, and the token that it leads to.
func (w *world) rotation(t token.Token) (state.State, token.Token) {
	random := [state.LinkRandom]byte{1}
	next := t.Successor(string(random[:]))
	death := w.Clock.Death(state.Rotated)
	death.Link = state.NewLink(death.Dot, time.Now(), random, next.ID())
	return state.State{Death: death}, next
}

// rotated writes n rotations from the token on, and returns what they lead to.
func (w *world) rotated(t token.Token, n int) token.Token {
	for range n {
		var dead state.State
		id := t.ID()
		dead, t = w.rotation(t)
		w.Store.Set(id, dead)
	}
	return t
}

func (w *world) arrive(t token.Token, brought lookup.Known) (l lookup.Loaded, held token.Token, arrived bool) {
	w.Helper()
	l = w.Reader.Fetch(context.Background(), t.ID(), brought, true)
	held, _, arrived = w.Reader.Arrive(context.Background(), t, &l, brought, func(string) lookup.Known { return lookup.Known{} })
	return l, held, arrived
}

// A request with a token of before rotations finds the session that lives now.
func TestRotationsLeadToTheSessionThatLives(t *testing.T) {
	story(t, "over two of them, with what the request knows besides", func(w *world) {
		old := token.New()
		brought := w.knownAs(w.write(w.st, "late", "2"), func(b *state.Copy) { b.ID, b.Saved = old.ID(), w.st.Entries.Latest() })
		last := w.rotated(old, 2)
		w.Store.Set(last.ID(), w.st)
		l, held, arrived := w.arrive(old, brought)
		if !arrived || held != last || l.Phase != lookup.Live || l.ID != last.ID() {
			w.Fatalf("it arrives (%v) at %+v", arrived, l)
		}
		if e, ok := l.State.Entries.Find("late"); !ok || string(e.Value) != "2" || !l.Lacking() || l.Saved != brought.Copy().Saved {
			w.Errorf("what the request knows is not joined in: %+v", l)
		}
		if len(l.Supersedes) != 2 || l.Supersedes[0].ID != old.ID() {
			w.Errorf("it supersedes %+v", l.Supersedes)
		}
	})
	story(t, "and the store lacks nothing where the request knows no more", func(w *world) {
		old := token.New()
		last := w.rotated(old, 1)
		w.Store.Set(last.ID(), w.st)
		brought := w.knownAs(w.st, func(b *state.Copy) { b.ID = old.ID() })
		if l, _, arrived := w.arrive(old, brought); !arrived || l.Lacking() {
			w.Errorf("it arrives (%v) at %+v", arrived, l)
		}
	})
	story(t, "and none that has ended", func(w *world) {
		old := token.New()
		last := w.rotated(old, 1)
		w.Store.Set(last.ID(), state.State{Death: w.Clock.Death(state.Destroyed)})
		l, held, arrived := w.arrive(old, lookup.Known{})
		if arrived || held != last || l.Phase != lookup.Dead || l.State.Death.Reason != state.Destroyed {
			w.Errorf("it arrives (%v) at %+v", arrived, l)
		}
	})
	story(t, "and none that is not there", func(w *world) {
		old := token.New()
		w.rotated(old, 1)
		l, held, arrived := w.arrive(old, lookup.Known{})
		if arrived || held != old || l.Phase != lookup.Dead || l.ID != old.ID() {
			w.Errorf("it arrives (%v) at %+v", arrived, l)
		}
	})
	story(t, "and none after the grace", func(w *world) {
		old := token.New()
		last := w.rotated(old, 1)
		w.Store.Set(last.ID(), w.st)
		time.Sleep(state.RotationGrace)
		if l, held, arrived := w.arrive(old, lookup.Known{}); arrived || held != old || l.Phase != lookup.Dead {
			w.Errorf("it arrives (%v) at %+v", arrived, l)
		}
	})
}

// Whether the session still lives is unknown, and a later load begins again at the token
// that the client has.
func TestWhereRotationsLeadMayBeUnknown(t *testing.T) {
	unknown := func(w *world, old token.Token, why error) {
		w.Helper()
		l, held, arrived := w.arrive(old, lookup.Known{})
		if arrived || held != old || l.Phase != lookup.Unknown || l.ID != old.ID() || !errors.Is(l.Err, why) {
			w.Errorf("it arrives (%v) at %+v, want an unknown one because %v", arrived, l, why)
		}
	}
	story(t, "where the store does not answer", func(w *world) {
		old := token.New()
		last := w.rotated(old, 1)
		w.Store.Set(last.ID(), w.st)
		w.Store.PlanFor(instance.CallsFor(last.ID()), instance.Fate{Err: instance.ErrRefused})
		unknown(w, old, failure.ErrUnavailable)
	})
	story(t, "where the session is served from a copy", func(w *world) {
		old := token.New()
		last := w.rotated(old, 1)
		w.Store.PlanFor(instance.CallsFor(last.ID()), instance.Fate{Err: instance.ErrRefused})
		copyOf := w.knownAs(w.st, func(b *state.Copy) { b.ID = last.ID() })
		l := w.Reader.Fetch(context.Background(), old.ID(), lookup.Known{}, true)
		held, _, arrived := w.Reader.Arrive(context.Background(), old, &l, lookup.Known{}, func(string) lookup.Known { return copyOf })
		if arrived || held != old || l.Phase != lookup.Unknown || !errors.Is(l.Err, failure.ErrNotAsked) {
			w.Errorf("it arrives (%v) at %+v", arrived, l)
		}
	})
	story(t, "where there are too many", func(w *world) {
		old := token.New()
		last := w.rotated(old, lookup.MaxRotations+1)
		w.Store.Set(last.ID(), w.st)
		unknown(w, old, lookup.ErrTooManyRotations)
	})
	story(t, "and is not, where there are as many as are followed", func(w *world) {
		old := token.New()
		last := w.rotated(old, lookup.MaxRotations)
		w.Store.Set(last.ID(), w.st)
		if l, held, arrived := w.arrive(old, lookup.Known{}); !arrived || held != last {
			w.Errorf("it arrives (%v) at %+v", arrived, l)
		}
	})
}

// This process knows that a token was rotated, and has not kept what it leads to: it has rotated
// too many, or has the rotation from the file of another process. The store alone can say it.
func TestARotationWhoseLinkIsNotKept(t *testing.T) {
	rotated := func(w *world) (old, next token.Token) {
		w.Helper()
		old = token.New()
		dead, next := w.rotation(old)
		w.Store.Set(next.ID(), w.st)
		w.Store.Set(old.ID(), dead)
		dead.Death.Link = state.BareLink(next.ID())
		w.Shards.Learn(context.Background(), old.ID(), dead.Death)
		return old, next
	}
	story(t, "is followed", func(w *world) {
		old, next := rotated(w)
		if l, held, arrived := w.arrive(old, lookup.Known{}); !arrived || held != next {
			w.Errorf("it arrives (%v) at %+v", arrived, l)
		}
	})
	story(t, "is followed behind a cache that has the record of before", func(w *world) {
		old := token.New()
		w.Store.Set(old.ID(), w.st)
		w.Store.Cache()
		dead, next := w.rotation(old)
		w.Store.Set(next.ID(), w.st)
		w.Store.Set(old.ID(), dead)
		dead.Death.Link = state.BareLink(next.ID())
		w.Shards.Learn(context.Background(), old.ID(), dead.Death)
		l := w.Reader.Fetch(context.Background(), old.ID(), lookup.Known{}, false)
		held, _, arrived := w.Reader.Arrive(context.Background(), old, &l, lookup.Known{}, func(string) lookup.Known { return lookup.Known{} })
		if !arrived || held != next {
			w.Errorf("it arrives (%v) at %+v", arrived, l)
		}
	})
	story(t, "leads nowhere that is known while the store does not answer", func(w *world) {
		old, _ := rotated(w)
		w.Store.Away(true)
		copyOf := w.knownAs(w.st, func(b *state.Copy) { b.ID = old.ID() })
		l, held, arrived := w.arrive(old, copyOf)
		if arrived || held != old || l.Phase != lookup.Unknown || !failure.IsAway(l.Err) {
			w.Errorf("it arrives (%v) at %+v", arrived, l)
		}
		time.Sleep(state.RotationGrace + time.Second)
		if l, _, _ := w.arrive(old, copyOf); l.Phase != lookup.Dead {
			w.Errorf("after the grace it is %+v", l)
		}
	})
	story(t, "leads nowhere where the store was set back", func(w *world) {
		old, _ := rotated(w)
		w.Store.Set(old.ID(), w.st)
		if l, _, arrived := w.arrive(old, lookup.Known{}); arrived || l.Phase != lookup.Dead {
			w.Errorf("it arrives (%v) at %+v", arrived, l)
		}
		time.Sleep(time.Second)
		if st, _ := w.Store.Get(old.ID()); !st.Dead() {
			w.Error("the tombstone is not written again")
		}
	})
}
