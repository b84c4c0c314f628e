package journal

import (
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

// at is the clock value of so many milliseconds.
func at(ms uint64) uint64 { return ms << state.CounterBits }

func TestOldest(t *testing.T) {
	change := func(id string, ms uint64) state.Copy { return copyOf(id, at(ms), "v") }
	end := func(id string, ms uint64) Tombstone { return Owed(id, death(at(ms), 1, state.Destroyed)) }
	tests := []struct {
		name string
		do   func(j *Journal)
		want time.Time
	}{
		{"nothing is owed", func(j *Journal) {}, time.Time{}},
		{"a change", func(j *Journal) { j.add("A", change("x", 7)) }, unix(7)},
		{"an end", func(j *Journal) { j.enter(end("x", 7)) }, unix(7)},
		{"the older one, a change", func(j *Journal) {
			j.add("A", change("x", 7))
			j.enter(end("y", 9))
		}, unix(7)},
		{"the older one, an end", func(j *Journal) {
			j.enter(end("y", 7))
			j.add("A", change("x", 9))
		}, unix(7)},
		{"a session that was used after its last change", func(j *Journal) {
			c := change("x", 7)
			c.State.LastSeen = 8
			j.add("A", c)
		}, unix(8)},
		{"a session that changes again still owes the first change", func(j *Journal) {
			j.add("A", change("x", 7))
			j.add("A", change("y", 8))
			j.add("A", change("x", 9))
		}, unix(7)},
		{"likewise, in the middle", func(j *Journal) {
			j.add("A", change("w", 6))
			j.add("A", change("x", 7))
			j.add("A", change("y", 8))
			j.add("A", change("x", 9))
			j.deliver("A", "w", unix(10))
		}, unix(7)},
		{"a session that ended again still owes the first end", func(j *Journal) {
			j.enter(end("x", 7))
			j.enter(end("y", 8))
			j.enter(end("x", 9))
		}, unix(7)},
		{"the next one, when it was delivered", func(j *Journal) {
			j.add("B", change("x", 7))
			j.add("A", change("y", 8))
			j.deliver("B", "x", unix(9))
		}, unix(8)},
		{"a change made while the one before it was delivered", func(j *Journal) {
			j.add("A", change("x", 7))
			j.add("A", change("y", 8))
			sent := j.Hints("A")[0]
			j.add("A", change("x", 9))
			j.Remove(sent, true, unix(10))
		}, unix(8)},
		{"likewise, and the rest was delivered", func(j *Journal) {
			j.add("A", change("x", 7))
			sent := j.Hints("A")[0]
			j.add("A", change("x", 9))
			j.Remove(sent, true, unix(10))
		}, unix(9)},
		{"nothing, when all was delivered", func(j *Journal) {
			j.add("A", change("x", 7))
			j.deliver("A", "x", unix(9))
			j.enter(end("y", 8))
			j.Arrived(end("y", 8), end("y", 8).Death, unix(9))
		}, time.Time{}},
		{"nothing of what the store had and has lost", func(j *Journal) {
			g := end("x", 7)
			g.Again = true
			j.enter(g)
		}, time.Time{}},
		{"on the shard that it has moved to", func(j *Journal) {
			j.add("A", change("x", 7))
			j.Move("A", func(string) string { return "B" }, nothing2)
		}, unix(7)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := New(plenty, plenty)
			tt.do(j)
			if got := j.Oldest(); !got.Equal(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			checkChains(t, j)
		})
	}
}
