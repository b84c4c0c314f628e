package journal_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
)

// observer follows a journal by what Changed tells, and holds what it told last.
type observer struct {
	j      *journal.Journal
	lacks  map[string]bool
	calls  map[string]int    // since check
	entire map[string]string // what Undelivered returned after the last call, by ID
}

func observe(limit int64) *observer {
	o := &observer{j: journal.New(limit, limit), lacks: map[string]bool{}, calls: map[string]int{}, entire: map[string]string{}}
	o.j.Changed = func(id string, lacks bool) {
		o.calls[id]++
		o.lacks[id] = lacks
	}
	return o
}

// check compares what was told with what the journal says, and fails if something
// changed of which nothing was told.
func (o *observer) check(t *testing.T, ids []string) {
	t.Helper()
	owed := map[string]bool{}
	for _, id := range o.j.UndeliveredIDs() {
		owed[id] = true
	}
	for _, id := range ids {
		u, ok := o.j.Undelivered(id)
		if ok != owed[id] {
			t.Fatalf("Undelivered(%s) = %v, UndeliveredIDs says %v", id, ok, owed[id])
		}
		if ok != o.lacks[id] {
			t.Fatalf("the journal lacks %s: %v; Changed was told %v", id, ok, o.lacks[id])
		}
		now := fmt.Sprint(ok, u.Anonymous, u.Tombstone)
		if u.Hint != nil {
			now += fmt.Sprint(*u.Hint)
		}
		if now != o.entire[id] && o.calls[id] == 0 && o.entire[id] != "" {
			t.Fatalf("%s became %s, and Changed was told nothing", id, now)
		}
		o.entire[id] = now
	}
	if o.j.OwesAny() != (len(owed) > 0) {
		t.Fatalf("OwesAny = %v with %d undelivered", o.j.OwesAny(), len(owed))
	}
	clear(o.calls)
}

func TestChangedIsToldOfEachChangeOfWhatTheStoreLacks(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(1, seed))
		o := observe(6000)
		var ids []string
		for n := range 8 {
			ids = append(ids, fmt.Sprint("session", n))
		}
		var listed []journal.Hint
		dot := uint64(1)
		o.check(t, ids)
		for range 60 {
			id := ids[random.IntN(len(ids))]
			dot++
			death := state.Death{Dot: state.Dot{Clock: dot, Instance: 1}, Reason: state.Destroyed}
			none := func() {}
			switch random.IntN(9) {
			case 0, 1, 2:
				st := state.State{Created: 1, Authenticated: 1, End: 9}
				st = st.Write([]state.Change{{Name: "k", Value: []byte(fmt.Sprint(dot))}}, state.Dot{Clock: dot, Instance: 1})
				_, _ = o.j.Add("a", state.Copy{ID: id, State: st, Born: true, NeverStored: true}, true)
			case 3:
				unseen := journal.Unseen(id, death)
				unseen.Pending = random.IntN(2) == 0
				tombstones := []journal.Tombstone{journal.Owed(id, death), journal.Stored(id, death), unseen, journal.Moved(id, death, "next")}
				_, _ = o.j.AddTombstone("a", tombstones[random.IntN(4)], time.Unix(5, 0), none, func(state.Copy, journal.Tombstone) bool { return true })
			case 4:
				for _, h := range listed { // some were written again meanwhile
					o.j.Remove(h, random.IntN(2) == 0, time.Unix(1, 0))
				}
				listed = o.j.Hints("a")
			case 5:
				for _, g := range o.j.PendingTombstones("a") {
					o.j.Arrived(g, g.Death, time.Unix(5, 0))
				}
			case 6:
				o.j.LostData("a")
			case 7:
				o.j.NothingToEnd(id, time.Unix(5, 0))
			case 8:
				o.j.Move("a", func(string) string { return "b" }, func(string) {})
				o.j.Move("b", func(string) string { return "a" }, func(string) {})
			}
			o.check(t, ids)
		}
	}
}

func TestChangedIsNotToldOfAttempts(t *testing.T) {
	o := observe(1 << 20)
	owed := journal.Owed("session", state.Death{Dot: state.Dot{Clock: 1, Instance: 1}, Reason: state.Destroyed})
	if _, err := o.j.AddTombstone("a", owed, time.Unix(5, 0), func() {}, nil); err != nil {
		t.Fatal(err)
	}
	clear(o.calls)
	o.j.Refused("session")
	if n := o.calls["session"]; n != 0 {
		t.Errorf("Refused called Changed %d times, want none", n)
	}
	u, ok := o.j.Undelivered("session")
	if want := owed; !ok || u.Tombstone != want {
		t.Errorf("Undelivered = %+v, %v, want %+v", u.Tombstone, ok, want)
	}
}
