package mirrorstore_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
)

// order notes which store takes saves of a session first.
func (p place) order(t *testing.T, s session.Store, instance uint32) (order []string) {
	t.Helper()
	mustLoad(t, s, alice) // and repairs
	note := func(name string) func(string, session.ID) error {
		return func(op string, id session.ID) error {
			if op == "save" && id == alice {
				order = append(order, name)
			}
			return nil
		}
	}
	p.first.Before(note("first"))
	p.second.Before(note("second"))
	change(t, s, "order", instance)
	p.first.Before(nil)
	p.second.Before(nil)
	return order
}

// The second store decides until it goes out, and from then on the first does, at every instance,
// also at one that did not see it and one that begins later, whatever one store forgets.
func TestWhichStoreDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		one, two := p.mirror(), p.mirror()
		mustSave(t, one, alice, encoded(begun()), session.Absent)
		want := func(first string, s session.Store, instance uint32) {
			t.Helper()
			if got := p.order(t, s, instance); len(got) != 2 || got[0] != first {
				t.Errorf("saved in the order %q, want the %s store first", got, first)
			}
		}
		want("second", one, 1)
		want("second", two, 2)
		p.second.Fail(errDied)
		notice(t, one)
		p.second.Heal()
		notice(t, one)
		want("first", one, 1)
		want("first", two, 2)
		want("first", p.mirror(), 3)

		p.first.Replace(memstore.New(nil))
		time.Sleep(time.Second)
		want("first", p.mirror(), 3)
		time.Sleep(time.Second)
		p.second.Replace(memstore.New(nil))
		want("first", p.mirror(), 4)
	})
}

// Nothing is saved to one store alone before every instance knows that it decides. A tombstone is.
func TestNoStoreDecidesForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		p.second.Fail(errDied)
		for range 2 {
			probe(t, s)
			probe(t, s)
			time.Sleep(time.Second)
		}
		probe(t, s)
		st, v := loaded(t, s)
		if _, err := s.Save(t.Context(), alice, encoded(set(st, "cart", 1, 1)), v); err == nil || errors.Is(err, session.ErrConflict) {
			t.Errorf("got %v, want an error: other instances may save to the second store alone", err)
		}
		const bob = session.ID("1123456789abcdef0123456789abcdef")
		mustSave(t, s, bob, encoded(ended(begun())), session.Any)
		time.Sleep(2 * time.Second)
		mustSave(t, s, alice, encoded(set(st, "cart", 1, 1)), v)
		p.second.Heal()
		notice(t, s)
		check(t, p.second, "begun", "cart")
		mustLoad(t, p.second, bob)
	})
}

// An instance that has not seen the first store fail does not save by an order that has changed
// since.
func TestASaveReadsWhichStoreDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		others := place{p.first, p.second}
		one, two := p.mirror(), others.mirror()
		mustSave(t, two, alice, encoded(begun()), session.Absent)
		p.second.Fail(errDied)
		notice(t, one)
		change(t, one, "cart", 1)
		p.second.Heal()
		st, v := loaded(t, p.mirror())
		_ = st
		if _, err := two.Save(t.Context(), alice, encoded(begun()), v); err != nil && !errors.Is(err, session.ErrConflict) {
			t.Error(err)
		}
		if got := p.order(t, two, 2); len(got) != 2 || got[0] != "first" {
			t.Errorf("saved in the order %q, want the first store first", got)
		}
	})
}

// The instance that finds the deciding store out, by a logout, does not refuse it.
func TestATombstoneDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace()
		s := p.mirror()
		mustSave(t, s, alice, encoded(begun()), session.Absent)
		p.second.Fail(errDied)
		if _, err := s.LoadFresh(t.Context(), alice); err != nil { // which waits until it is out
			t.Fatal(err)
		}
		mustSave(t, s, alice, encoded(ended(begun())), session.Any)
		check(t, s, "ended")
		p.second.Heal()
		notice(t, s)
		check(t, p.second, "ended")
	})
}
