package journal

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

const plenty = 1 << 30

// now is when tombstones are heard of that do not say when.
var now = time.UnixMilli(1_000_000)

func death(clock uint64, instance uint32, r state.Reason) state.Death {
	return state.Death{Dot: state.Dot{Clock: clock, Instance: instance}, Reason: r}
}

func copyOf(id string, clock uint64, value string) state.Copy {
	return state.Copy{ID: id, Confirmed: int64(clock), Saved: clock, State: state.State{
		Created: 1, End: 1000,
		Entries: state.PackChanges(state.Changes{{Name: "k", Value: []byte(value)}}, state.Dot{Clock: clock, Instance: 1}),
	}}
}

// begun is a copy of a session that began while the store could not be asked.
func begun(id string) state.Copy {
	c := copyOf(id, 5, "v")
	c.Born, c.NeverStored = true, true
	return c
}

func nothing()                             {}
func loses(state.Copy, Tombstone) bool     { return false }
func keepsAll(state.Copy, Tombstone) bool  { return true }
func (j *Journal) enter(t Tombstone) Added { return j.enterAt("A", t) }

func (j *Journal) enterAt(shard string, t Tombstone) Added {
	a, err := j.AddTombstone(shard, t, now, nothing, loses)
	if err != nil {
		panic(err)
	}
	return a
}

func (j *Journal) add(shard string, c state.Copy) {
	if _, err := j.Add(shard, c, false); err != nil {
		panic(err)
	}
}

func (j *Journal) keep(shard string, c state.Copy, at time.Time) {
	if _, err := j.Keep(shard, c, at); err != nil {
		panic(err)
	}
}

func (j *Journal) deliver(shard, id string, at time.Time) {
	for _, h := range j.Hints(shard) {
		if h.ID == id {
			j.Remove(h, true, at)
		}
	}
}

func value(c state.Copy) string {
	e, _ := c.State.Entries.Find("k")
	return string(e.Value)
}

func wantStats(t *testing.T, j *Journal, want Stats) {
	t.Helper()
	got := j.Stats("A")
	got.Bytes = 0
	got.Known = j.Total().Known
	if got != want {
		t.Errorf("the journal has %+v, want %+v", got, want)
	}
}

func unix(ms int64) time.Time { return time.UnixMilli(ms) }

func TestErrFullIsTheErrorOfEach(t *testing.T) {
	j := New(tombstoneSize, plenty)
	j.enter(Owed("a", death(5, 1, state.Destroyed)))
	before := j.Total()
	_, err := j.AddTombstone("A", Owed("b", death(5, 1, state.Destroyed)), now, func() { t.Error("told") }, keepsAll)
	_, addErr := j.Add("A", copyOf("b", 5, "v"), false)
	_, keepErr := j.Keep("A", copyOf("b", 5, "v"), unix(1))
	for _, err := range []error{err, addErr, keepErr} {
		if !errors.Is(err, ErrFull) {
			t.Errorf("the error is %v", err)
		}
	}
	if got := j.Total(); got != before {
		t.Errorf("the journal has %+v, and had %+v", got, before)
	}
}

// checkChains fails the test if a chain is not what its nodes say.
func checkChains(t *testing.T, j *Journal) {
	t.Helper()
	for name, c := range map[string]*chain[Tombstone]{"dispensable": &j.dispensable, "lasting": &j.lasting} {
		checkChain(t, name, byAge, c, name != "lasting")
	}
	checkChain(t, "hints", byAge, &j.hintsByAge, true)
	checkChain(t, "reading", byAge, &j.readingByAge, true)
	checkChain(t, "kept", byExpiry, &j.kept, false)
	checkChain(t, "undelivered hints", bySince, &j.undeliveredHints, false)
	checkChain(t, "undelivered tombstones", bySince, &j.undeliveredTombstones, false)
	owed := 0
	for _, n := range j.tombstones {
		if n.value.neverDelivered() {
			owed++
		}
	}
	if j.undeliveredHints.n != len(j.hints) || j.undeliveredTombstones.n != owed {
		t.Errorf("%d hints and %d tombstones stand in the order bySince, and %d and %d are undelivered", j.undeliveredHints.n, j.undeliveredTombstones.n, len(j.hints), owed)
	}
	for name, p := range j.parts {
		checkChain(t, "pending of "+name, byShard, &p.pending, false)
		checkChain(t, "hints of "+name, byShard, &p.hints, false)
		checkChain(t, "reading of "+name, byShard, &p.reading, false)
	}
	if n := j.dispensable.n + j.lasting.n; n != len(j.tombstones) {
		t.Errorf("%d tombstones stand in the order by age, and there are %d", n, len(j.tombstones))
	}
	kept := 0
	for _, n := range j.reading {
		if !n.value.kept.IsZero() {
			kept++
		}
	}
	if kept != j.kept.n {
		t.Errorf("%d copies stand in the order of expiry, and %d are kept", j.kept.n, kept)
	}
	if j.hintsByAge.n != len(j.hints) || j.readingByAge.n != len(j.reading) {
		t.Errorf("%d and %d copies stand in the order by age, and there are %d and %d", j.hintsByAge.n, j.readingByAge.n, len(j.hints), len(j.reading))
	}
}

func checkChain[T any](t *testing.T, name string, order int, c *chain[T], byAge bool) {
	t.Helper()
	var last *node[T]
	n, bytes := 0, int64(0)
	for e := range c.all(order) {
		if e.chains[order] != c || e.prev[order] != last {
			t.Fatalf("%s: a link leads elsewhere", name)
		}
		if byAge && last != nil && last.age >= e.age {
			t.Fatalf("%s: an older one stands behind", name)
		}
		last = e
		n++
		bytes += e.size
	}
	if c.back != last || c.n != n || c.bytes != bytes {
		t.Fatalf("%s: %d nodes of %d bytes, want %d of %d", name, c.n, c.bytes, n, bytes)
	}
}
