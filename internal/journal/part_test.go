package journal

import (
	"reflect"
	"slices"
	"testing"

	"github.com/holdfast-go/session/internal/state"
)

func TestMoveGivesEverythingToOtherShards(t *testing.T) {
	j := New(plenty, plenty)
	for _, id := range []string{"a1", "a2", "b1"} {
		j.enter(Owed(id+"pending", death(5, 1, state.Destroyed)))
		j.Refused(id + "pending")
	}
	j.enter(Stored("c1stored", death(5, 1, state.Destroyed)))
	j.add("A", copyOf("d1read", 5, "v"))
	j.add("A", copyOf("e1hint", 5, "v"))
	j.add("A", copyOf("f1hint", 5, "v"))
	j.add("b", copyOf("b2hint", 5, "v"))
	j.deliver("A", "d1read", unix(10))
	j.enter(Owed("Apending", death(5, 1, state.Destroyed)))
	j.enterAt("b", Owed("b3pending", death(5, 1, state.Destroyed)))
	j.add("A", copyOf("b4hint", 5, "v"))
	before := j.Total()

	told := map[string]int{}
	owed := j.Move("A", func(id string) string { return id[:1] }, func(shard string) {
		if !j.mu.TryRLock() {
			told[shard]++
		}
	})
	if want := []string{"a", "b", "e", "f"}; !slices.Equal(owed, want) {
		t.Errorf("owed something are %v, want %v", owed, want)
	}
	if want := map[string]int{"a": 1, "b": 1}; !reflect.DeepEqual(told, want) {
		t.Errorf("told of tombstones were %v, want %v", told, want)
	}
	if got := j.Total(); got != before {
		t.Errorf("all together are %+v, and were %+v", got, before)
	}
	if got := j.Stats("A"); got != (Stats{Tombstones: 1, Bytes: tombstoneSize, Delivered: 1}) {
		t.Errorf("the shard is left with %+v", got)
	}
	var hints, pending []string
	for _, h := range j.Hints("b") {
		hints = append(hints, h.ID)
	}
	for _, g := range j.PendingTombstones("b") {
		pending = append(pending, g.ID)
	}
	if !slices.Equal(hints, []string{"b2hint", "b4hint"}) || !slices.Equal(pending, []string{"b3pending", "b1pending"}) {
		t.Errorf("hints %v and tombstones %v are not in their order", hints, pending)
	}
	if waiting, _ := j.Waiting("a", 1, nothing); !waiting {
		t.Error("what the old shard refused counts against the new one")
	}
	j.Forget("d", unix(11))
	if _, ok := j.Copy("d1read"); ok {
		t.Error("a delivered copy is not forgotten where it is now")
	}
	if got := j.Move("nowhere", func(string) string { return "a" }, nothing2); got != nil {
		t.Errorf("a shard that has nothing has given something to %v", got)
	}
	checkChains(t, j)
}

func nothing2(string) {}

func TestATombstoneKnowsItsNewShard(t *testing.T) {
	j := New(plenty, plenty)
	j.enter(Owed("a", death(5, 1, state.Destroyed)))
	j.enterAt("B", Owed("a", death(5, 1, state.Destroyed)))
	j.add("A", copyOf("c", 5, "v"))
	j.add("B", copyOf("c", 5, "v"))
	if got, want := j.Stats("B"), (Stats{States: 1, Tombstones: 1, Bytes: j.Total().Bytes}); got != want || j.Owes("A") {
		t.Errorf("the new shard has %+v, want %+v; the old one is owed something: %v", got, want, j.Owes("A"))
	}
}
