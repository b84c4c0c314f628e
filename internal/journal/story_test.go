package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/revoked"
	"github.com/holdfast-go/session/internal/state"
)

func TestAFullJournalKeepsTheYoungestOfAllShards(t *testing.T) {
	j := New(20_000, plenty)
	r := rand.New(rand.NewPCG(1, 1))
	var order, dropped []string
	written := map[string]int{}
	for i := range 120 {
		// Two of three writes are to shard A: a fair part is by age, not by half.
		shard := []string{"A", "A", "B"}[r.IntN(3)]
		id := fmt.Sprint(shard, i)
		order = append(order, id)
		written[shard]++
		o, err := j.Add(shard, copyOf(id, 5, strings.Repeat("y", 300)), false)
		if err != nil {
			t.Fatal(err)
		}
		dropped = append(dropped, o.Dropped.Hints...)
	}
	if len(dropped) < 80 || !slices.Equal(dropped, order[:len(dropped)]) {
		t.Errorf("%d were dropped, and not the oldest in their order:\n%v", len(dropped), dropped)
	}
	for shard, n := range written {
		s := j.Stats(shard)
		if s.States == 0 || int(s.Lost) == 0 || s.States+int(s.Lost) != n {
			t.Errorf("shard %s wrote %d and has %+v", shard, n, s)
		}
	}
}

// realVisitors have written and logged out while the store is away, and come back
// to both after what strangers did.
type realVisitors struct{ j *Journal }

func meetRealVisitors(t *testing.T, j *Journal) realVisitors {
	t.Helper()
	j.add("A", copyOf("writer", 5, "precious"))
	j.add("B", copyOf("leaver", 5, "v"))
	j.enterAt("B", Owed("leaver", death(9, 1, state.Destroyed)))
	j.add("B", begun("guest"))
	return realVisitors{j}
}

func (v realVisitors) check(t *testing.T) {
	t.Helper()
	for _, id := range []string{"writer", "guest"} {
		if h, ok := v.j.Copy(id); !ok || !h.Owed {
			t.Errorf("what %s wrote is gone", id)
		}
	}
	if g, ok := v.j.Tombstone("leaver"); !ok || !g.Pending {
		t.Errorf("a real visitor's logout is gone: %+v, %v", g, ok)
	}
	for i := range 50 {
		if _, err := v.j.AddTombstone("A", Owed(fmt.Sprint("real", i), death(9, 1, state.Destroyed)), now, nothing, loses); err != nil {
			t.Fatalf("a real visitor cannot log out: %v", err)
		}
	}
	if _, err := v.j.AddTombstone("B", Owed("writer", death(9, 1, state.Destroyed)), now, nothing, loses); err != nil {
		t.Errorf("a real visitor cannot log out: %v", err)
	}
	checkChains(t, v.j)
}

func TestStrangersDisplaceEachOther(t *testing.T) {
	crowd := 200_000
	if testing.Short() || raceEnabled {
		crowd = 20_000
	}
	shard := func(i int) string { return []string{"A", "B"}[i%2] }
	logout := func(t *testing.T, j *Journal, i int, g Tombstone) Added {
		t.Helper()
		a, err := j.AddTombstone(shard(i), g, now, nothing, keepsAll)
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		if a.Dropped.Hints != nil {
			t.Fatalf("after %d, a stranger's logout drops %+v", i, a.Dropped)
		}
		return a
	}
	for name, stranger := range map[string]func(t *testing.T, j *Journal, i int, id string){
		"sessions that begin and end": func(t *testing.T, j *Journal, i int, id string) {
			logout(t, j, i, Owed(id, death(6, 1, state.Destroyed)))
		},
		"and that end twice, at once": func(t *testing.T, j *Journal, i int, id string) {
			logout(t, j, i, Owed(id, death(6, 1, state.Destroyed)))
			logout(t, j, i, Owed(id, death(7, 1, state.Destroyed)))
		},
		"that renew, and log out with the old token": func(t *testing.T, j *Journal, i int, id string) {
			if _, err := j.Add(shard(i), begun(id+"b"), true); err != nil {
				t.Fatal(err)
			}
			logout(t, j, i, Moved(id, death(6, 1, state.Renewed), id+"b"))
			for _, also := range logout(t, j, i, Owed(id, death(7, 2, state.Destroyed))).AlsoEnd {
				logout(t, j, i, Owed(also, death(8, 1, state.Revoked)))
			}
		},
		"beside made-up tokens": func(t *testing.T, j *Journal, i int, id string) {
			logout(t, j, i, Owed(id, death(6, 1, state.Destroyed)))
			unseen := Unseen(id+"u", death(6, 1, state.Destroyed))
			unseen.Pending = i%3 > 0
			logout(t, j, i, unseen)
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := New(1<<20, plenty)
			v := meetRealVisitors(t, j)
			for i := range crowd {
				id := fmt.Sprintf("%032x", i)
				o, err := j.Add(shard(i), begun(id), true)
				if err != nil {
					t.Fatalf("after %d: %v", i, err)
				}
				if o.Dropped.Hints != nil {
					t.Fatalf("after %d, a stranger's write drops %+v", i, o.Dropped)
				}
				stranger(t, j, i, id)
			}
			v.check(t)
		})
	}
}

func TestLogoutsOfRealVisitorsFillTheJournalAndThenFail(t *testing.T) {
	const limit = 100 * tombstoneSize
	j := New(limit, plenty)
	j.add("A", copyOf("writer", 5, "v"))
	n, err := 0, error(nil)
	for ; err == nil; n++ {
		_, err = j.AddTombstone("A", Owed(fmt.Sprint(n), death(6, 1, state.Destroyed)), now, nothing, loses)
	}
	if n-1 != 100 || !errors.Is(err, ErrFull) {
		t.Errorf("%d find room, then %v; want 100, ErrFull", n-1, err)
	}
	if got := len(j.PendingTombstones("A")); got != 100 {
		t.Errorf("%d of them are still there", got)
	}
	g := j.PendingTombstones("A")[0]
	j.Arrived(g, g.Death, now)
	if _, err := j.AddTombstone("A", Owed("next", death(6, 1, state.Destroyed)), now, nothing, loses); err != nil {
		t.Errorf("the store has taken one, and there is no room: %v", err)
	}
}

func TestBetweenDeliveryAndReturnNothingGoesBackwards(t *testing.T) {
	j := New(plenty, plenty)
	j.add("A", copyOf("a", 5, "first"))
	// The journal delivers while the visitor writes again: that one stays owed.
	listed := j.Hints("A")
	j.add("A", copyOf("a", 6, "second"))
	j.Remove(listed[0], true, unix(100))
	if h, _ := j.Copy("a"); value(h.Copy) != "second" || !h.Owed {
		t.Fatalf("the journal knows %q, owed %v", value(h.Copy), h.Owed)
	}
	j.deliver("A", "a", unix(200))
	// The shard does not serve yet: the visitor's other tab comes with the first copy.
	if h, _ := j.Copy("a"); value(h.Copy) != "second" || h.Owed {
		t.Fatalf("the journal knows %q, owed %v", value(h.Copy), h.Owed)
	}
	// It serves, while a request runs that began before.
	j.Forget("A", unix(150))
	if h, _ := j.Copy("a"); value(h.Copy) != "second" {
		t.Fatalf("the journal knows %q while a request needs it", value(h.Copy))
	}
	j.Forget("A", unix(201))
	if _, ok := j.Copy("a"); ok {
		t.Error("it is readable for ever")
	}
}

// TestManyGoroutines uses everything at once: the race detector looks on.
func TestManyGoroutines(t *testing.T) {
	j := New(60_000, plenty)
	rounds := 3000
	if testing.Short() {
		rounds = 500
	}
	var wg sync.WaitGroup
	for seed := range uint64(8) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, 3))
			for i := range rounds {
				useAll(j, r, int64(i))
			}
		})
	}
	wg.Wait()
	checkChains(t, j)
	if got := j.Total(); got.Bytes > 60_000 || got.Delivered == 0 || got.Lost == 0 {
		t.Errorf("the journal has %+v", got)
	}
	for shard := range j.parts {
		s := j.Stats(shard)
		if len(j.Hints(shard)) != s.States || len(j.PendingTombstones(shard)) != s.Tombstones+s.Again {
			t.Errorf("shard %s lists other than %+v", shard, s)
		}
	}
	owed := j.Move("A", func(string) string { return "B" }, nothing2)
	if len(owed) > 1 {
		t.Errorf("given to %v", owed)
	}
}

// useAll does one of each operation on some session.
func useAll(j *Journal, r *rand.Rand, now int64) {
	id, shard := fmt.Sprint(r.IntN(400)), shards[r.IntN(2)]
	g := Owed(id, death(uint64(now), 1, state.Destroyed))
	g.Pending, g.Unverified = r.IntN(2) == 0, r.IntN(2) == 0
	_, _ = j.Add(shard, begun(id), r.IntN(2) == 0)
	_, _ = j.Copy(id)
	for _, h := range j.Hints(shard) {
		if r.IntN(20) == 0 {
			j.Remove(h, r.IntN(2) == 0, unix(now))
		}
	}
	if r.IntN(3) == 0 {
		_, _ = j.AddTombstone(shard, g, unix(now), nothing, loses)
	}
	_, _ = j.Tombstone(id)
	for _, g := range j.PendingTombstones(shard) {
		switch r.IntN(20) {
		case 0:
			j.Arrived(g, g.Death, unix(now))
		case 1:
			j.NothingToEnd(g.ID, unix(now))
		case 2:
			j.Refused(g.ID)
		}
	}
	_, _ = j.Keep(shard, copyOf(id, uint64(now), "v"), unix(now+20))
	j.Carried(id, copyOf(id, uint64(now), "v").State.Entries, evermore)
	j.Waiting(shard, 3, nothing)
	j.Forget(shard, unix(now-10))
	j.Expire(unix(now-10), unix(now-10), unix(now))
	j.Page(revoked.Cursor{}, 10)
	_ = j.Stats(shard)
	_ = j.Total()
	if j.Owes(shard) && r.IntN(50) == 0 {
		j.LostData(shard)
		j.Move(shard, func(id string) string { return shards[len(id)%2] }, nothing2)
	}
}

func BenchmarkAFullJournal(b *testing.B) {
	j := New(64<<20, plenty)
	i := 0
	logout := func() {
		id := fmt.Sprintf("%032x", i)
		if _, err := j.Add("A", begun(id), true); err != nil {
			b.Fatal(err)
		}
		if _, err := j.AddTombstone("A", Owed(id, death(6, 1, state.Destroyed)), now, nothing, keepsAll); err != nil {
			b.Fatal(err)
		}
		i++
	}
	for j.Total().Bytes < 63<<20 {
		logout()
	}
	b.Run("a session begins and ends", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			logout()
		}
	})
	b.Run("a lookup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j.Copy("nobody")
			j.Tombstone("nobody")
		}
	})
	b.Run("what is due", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j.Expire(time.UnixMilli(1), time.UnixMilli(1), time.UnixMilli(1))
			j.Forget("A", time.UnixMilli(1))
			j.Waiting("A", 20, nothing)
		}
	})
}
