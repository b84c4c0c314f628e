package orders_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/orders"
	"github.com/holdfast-go/session/internal/test/records"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

func TestManyWritersLoseNothing(t *testing.T) {
	c := orders.New(memstore.New(nil))
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			name := "votes/" + string(rune('a'+n))
			if done, err := c.Set(t.Context(), name, []byte(name), 0); !done || err != nil {
				t.Errorf("%s: %v, %v", name, done, err)
			}
		})
	}
	all.Wait()
	found, err := c.List(t.Context(), "votes/")
	if err != nil || len(found) != 20 || string(found["t"].Value) != "votes/t" {
		t.Errorf("found %v, %v", found, err)
	}
}

func TestAChangeWhoseConditionsDoNotHold(t *testing.T) {
	c := orders.New(memstore.New(nil))
	must := func(want bool) func(bool, error) {
		return func(done bool, err error) {
			t.Helper()
			if done != want || err != nil {
				t.Fatalf("got %v, %v, want %v", done, err, want)
			}
		}
	}
	must(true)(c.Set(t.Context(), "a", []byte("1"), 0))
	e, err := c.Get(t.Context(), "a")
	if err != nil || string(e.Value) != "1" || e.Revision == 0 {
		t.Fatalf("got %+v, %v", e, err)
	}
	must(false)(c.Set(t.Context(), "a", []byte("2"), 0))
	must(false)(c.Set(t.Context(), "b", []byte("2"), 0, orders.Guard{Name: "a", Revision: e.Revision + 1}))
	must(false)(c.Remove(t.Context(), "a", e.Revision, orders.Guard{Name: "b", Revision: 1}))
	must(true)(c.Set(t.Context(), "b", []byte("2"), 0, orders.Guard{Name: "a", Revision: e.Revision}))
	must(true)(c.Remove(t.Context(), "a", e.Revision, orders.Guard{Name: "c"}))
	must(false)(c.Remove(t.Context(), "a", e.Revision))
}

// A record that the store has lost begins anew, and no revision comes twice.
func TestALostRecordBeginsAnew(t *testing.T) {
	s := storetest.NewFaulty(memstore.New(nil))
	c := orders.New(s)
	if err := c.Put(t.Context(), "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	before, err := c.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	s.Replace(memstore.New(nil))
	time.Sleep(time.Millisecond)
	if err := c.Put(t.Context(), "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if done, err := c.Set(t.Context(), "a", []byte("late"), before.Revision); done || err != nil {
		t.Errorf("an entry of before was changed: %v, %v", done, err)
	}
}

func TestARecordOfAnotherFormatStays(t *testing.T) {
	for _, text := range []string{"nonsense", "{}", `{"holdfast-orders":2}`} {
		s := memstore.New(nil)
		records.MustSave(t, s, "~orders-0", records.New(text), session.Absent)
		c := orders.New(s)
		if err := c.Put(t.Context(), "a", nil); err == nil {
			t.Errorf("%s: it was written over", text)
		}
	}
	c := orders.New(memstore.New(nil))
	if err := c.Put(t.Context(), "a", []byte(strings.Repeat("x", 200<<10))); err == nil {
		t.Error("a value that is too large was written")
	}
}
