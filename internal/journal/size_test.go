package journal

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// TestSizes measures what an element takes up, with its share of the maps, over
// 100,000 elements on a 64-bit machine. When the constants were set it was
//
//	a tombstone with a link     355 bytes
//	a tombstone without one     259 bytes
//	a hint, or a copy to read   419 bytes, and its values
//	a session that it supersedes 72 bytes
//
// The bound is one of memory, so an element that outgrows its constant makes the
// journal larger than the operator allowed.
func TestSizes(t *testing.T) {
	const n = 100_000
	id := func(i int) string { return fmt.Sprintf("%032x", i) }
	link := func(i int) state.Link {
		return state.NewLink(state.Dot{Clock: 1, Instance: 1}, time.UnixMilli(1), [state.LinkRandom]byte{}, id(i))
	}
	ended := func(j *Journal, i int, l state.Link) {
		d := death(1, 1, state.Destroyed)
		d.Link = l
		if _, err := j.AddTombstone("a", Owed(id(i), d), now, nothing, loses); err != nil {
			t.Fatal(err)
		}
	}
	entries := state.PackChanges(state.Changes{{Name: "k", Value: []byte("v")}}, state.Dot{Clock: 1, Instance: 1})
	hint := func(j *Journal, i int, superseded int) {
		c := state.Copy{ID: id(i), State: state.State{End: 1, Entries: entries}}
		for k := range superseded {
			c.Supersedes = append(c.Supersedes, state.Superseded{ID: id(n + 4*i + k)})
		}
		if _, err := j.Add("a", c, true); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		size   int
		charge int64
		add    func(j *Journal, i int)
	}{
		{"a tombstone with a link", tombstoneSize, tombstoneSize, func(j *Journal, i int) { ended(j, i, link(i)) }},
		{"a tombstone without a link", tombstoneSize - 96, tombstoneSize, func(j *Journal, i int) { ended(j, i, "") }},
		{"a hint", copySize, copySize + int64(len(entries)), func(j *Journal, i int) { hint(j, i, 0) }},
		{"a hint that supersedes four", copySize + 4*supersededSize, copySize + 4*supersededSize + int64(len(entries)), func(j *Journal, i int) { hint(j, i, 4) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := New(1<<40, plenty)
			before := heap()
			for i := range n {
				test.add(j, i)
			}
			got := float64(heap()-before) / n
			t.Logf("%.0f bytes, counted as %d", got, test.charge)
			if got < 0.85*float64(test.size) || got > 1.15*float64(test.size) {
				t.Errorf("an element takes up %.0f bytes, want %d and at most 15 %% more or less", got, test.size)
			}
			if bytes := j.Total().Bytes; bytes != n*test.charge {
				t.Errorf("the journal counts %d bytes, want %d", bytes, n*test.charge)
			}
		})
	}
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
