package journal

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-go/session/internal/state"
)

func TestAHintIsJoinedWithTheOneThatIsThere(t *testing.T) {
	j := New(plenty, plenty)
	first, second := copyOf("a", 5, "old"), copyOf("a", 9, "new")
	first.Born, first.NeverStored = true, true
	j.add("A", first)
	j.add("A", second)
	got, ok := j.Copy("a")
	if !ok || !got.Owed {
		t.Fatalf("found %v, owed %v", ok, got.Owed)
	}
	if value(got.Copy) != "new" {
		t.Errorf("the value is %q, want the later one", value(got.Copy))
	}
	if got.Confirmed != 9 || got.Saved != 5 || !got.Born || got.NeverStored {
		t.Errorf("confirmed %d, saved %d, born %v, never stored %v; want 9, 5, true, false", got.Confirmed, got.Saved, got.Born, got.NeverStored)
	}
	wantStats(t, j, Stats{States: 1})
}

func TestTheStoreMayHaveASessionThatNoAnswerSaid(t *testing.T) {
	for _, found := range []bool{false, true} {
		j := New(plenty, plenty)
		c := copyOf("a", 5, "v")
		c.Born, c.NeverStored = true, true
		if _, err := j.Add("A", c, true); err != nil {
			t.Fatal(err)
		}
		if j.Found("b"); found {
			j.Found("a")
		}
		if got, _ := j.Copy("a"); got.Born == found || got.NeverStored == found || !got.Owed {
			t.Errorf("found: %v, and the journal has %+v", found, got)
		}
		j.enter(Owed("a", death(9, 1, state.Destroyed)))
		if got, _ := j.Tombstone("a"); got.Stranger == found {
			t.Errorf("found: %v, and the tombstone of a stranger: %v", found, got.Stranger)
		}
	}
}

func TestAHintWaitsForNewsSinceItDidFirst(t *testing.T) {
	j := New(plenty, plenty)
	if got := j.Awaits("a", unix(1)); !got.Equal(unix(1)) {
		t.Errorf("what is not there waits since %v", got)
	}
	j.add("A", copyOf("a", 5, "old"))
	j.Awaits("a", unix(2))
	j.add("A", copyOf("a", 9, "new"))
	if got := j.Awaits("a", unix(3)); !got.Equal(unix(2)) {
		t.Errorf("it waits since %v, want %v", got, unix(2))
	}
	j.Remove(j.Hints("A")[0], true, unix(4))
	j.add("A", copyOf("a", 11, "newer"))
	if got := j.Awaits("a", unix(5)); !got.Equal(unix(5)) {
		t.Errorf("one that came after the delivery waits since %v, want %v", got, unix(5))
	}
}

func TestADeadSessionIsOwedNothing(t *testing.T) {
	j := New(plenty, plenty)
	j.enter(Stored("a", death(3, 1, state.Destroyed)))
	if o, err := j.Add("A", copyOf("a", 9, "late"), false); err != nil || !o.Ended || o.Tombstone.Death.Dot.Clock != 3 {
		t.Errorf("Add after the end returned %+v, %v", o, err)
	}
	if o, err := j.Keep("A", copyOf("a", 9, "late"), unix(1)); err != nil || !o.Ended || o.Tombstone.Death.Dot.Clock != 3 {
		t.Errorf("Keep after the end returned %+v, %v", o, err)
	}
	if _, ok := j.Copy("a"); ok {
		t.Error("a copy is kept of a session that has ended")
	}
}

func TestHintsComeOldestFirst(t *testing.T) {
	j := New(plenty, plenty)
	for _, id := range []string{"a", "b", "c", "a"} {
		j.add("A", copyOf(id, 5, "v"))
	}
	j.add("B", copyOf("d", 5, "v"))
	hints := func(shard string) (ids []string) {
		for _, h := range j.Hints(shard) {
			ids = append(ids, h.ID)
		}
		return ids
	}
	wantIDs(t, hints("A"), "b", "c", "a")
	j.Awaits("b", unix(1))
	wantIDs(t, hints("A"), "c", "a", "b")
	wantIDs(t, hints("C"))
}

// wantIDs compares the IDs of what the journal owes a shard, in its order.
func wantIDs(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the shard is owed %v, want %v", got, want)
	}
}

func TestDeliveryOfAHint(t *testing.T) {
	j := New(plenty, plenty)
	j.add("A", begun("a"))
	old := j.Hints("A")[0]
	j.add("A", begun("a"))
	j.Remove(old, false, unix(1))
	if h, _ := j.Copy("a"); !h.Born || !h.NeverStored {
		t.Error("the store had it, although nothing was delivered")
	}
	j.Remove(old, true, unix(1))
	wantStats(t, j, Stats{States: 1})
	if h, _ := j.Copy("a"); !h.Owed || h.Born || h.NeverStored {
		t.Errorf("owed %v, born %v, never stored %v; the store had an older one", h.Owed, h.Born, h.NeverStored)
	}
	j.deliver("A", "a", unix(1))
	wantStats(t, j, Stats{Delivered: 1, Reading: 1})
	j.add("A", copyOf("b", 5, "v"))
	b := j.Hints("A")[0]
	j.Remove(b, false, unix(1))
	j.Remove(b, false, unix(1))
	wantStats(t, j, Stats{Delivered: 1, Lost: 1, Reading: 1})
	if j.Owes("A") || j.Owes("B") {
		t.Error("it still owes something")
	}
}

func TestAHintIsNotMistakenForAnEarlierOne(t *testing.T) {
	j := New(plenty, plenty)
	j.add("A", copyOf("a", 5, "first"))
	first := j.Hints("A")[0]
	j.Remove(first, false, unix(1))
	j.add("A", copyOf("a", 9, "second"))
	j.Remove(first, true, unix(1))
	if h, _ := j.Copy("a"); !h.Owed || value(h.Copy) != "second" {
		t.Errorf("the second hint went with the first: %+v", h)
	}
}

func TestADeliveredCopyStaysReadable(t *testing.T) {
	j := New(plenty, plenty)
	c := begun("a")
	c.Supersedes = []state.Superseded{{ID: "before", Predecessor: true}}
	j.add("A", c)
	j.deliver("A", "a", unix(10))
	h, ok := j.Copy("a")
	if !ok || h.Owed || value(h.Copy) != "v" {
		t.Fatalf("what was delivered is %+v, %v", h, ok)
	}
	if h.Born || h.NeverStored || h.Saved != 5 || !h.Supersedes[0].Durable {
		t.Errorf("the store has it, and the copy says %+v", h.Copy)
	}
	for _, test := range []struct {
		name, shard string
		before      int64
		stays       bool
	}{
		{"a request that began before it is running", "A", 9, true},
		{"a request that began then is running", "A", 10, true},
		{"another shard serves", "B", 50, true},
		{"no request needs it", "A", 11, false},
	} {
		j.Forget(test.shard, unix(test.before))
		if _, ok := j.Copy("a"); ok != test.stays {
			t.Errorf("%s: readable %v, want %v", test.name, ok, test.stays)
		}
	}
}

func TestForgetTakesThoseThatItMay(t *testing.T) {
	j := New(plenty, plenty)
	for i, id := range []string{"b", "a", "c"} {
		j.add("A", copyOf(id, 5, "v"))
		j.deliver("A", id, unix([]int64{20, 10, 30}[i])) // a clock may be late
	}
	for _, before := range []int64{20, 30} {
		j.Forget("A", unix(before))
		for id, at := range map[string]int64{"a": 10, "b": 20, "c": 30} {
			if _, ok := j.Copy(id); ok != (at >= before) {
				t.Errorf("before %d: %s is readable %v", before, id, ok)
			}
		}
	}
	if got := j.parts["A"].earliest; !got.Equal(unix(30)) {
		t.Errorf("the next Forget has to look for those of before %v, want none before 30 ms", got)
	}
	j.Forget("A", unix(31))
	if got := j.parts["A"].earliest; !got.IsZero() {
		t.Errorf("the next Forget has to look for those of before %v, and there are none", got)
	}
}

func TestAWriteAfterADelivery(t *testing.T) {
	j := New(plenty, plenty)
	j.add("A", begun("a"))
	j.deliver("A", "a", unix(10))
	later := begun("a")
	later.State.Entries = state.PackChanges(state.Changes{{Name: "other", Value: []byte("w")}}, state.Dot{Clock: 9, Instance: 1})
	j.add("A", later)
	h, _ := j.Copy("a")
	if _, ok := h.State.Entries.Find("other"); !ok || value(h.Copy) != "v" || !h.Owed {
		t.Errorf("the journal knows %+v, want both joined, and owed", h)
	}
	if h.Born || h.NeverStored {
		t.Error("the store has had the session, and the hint denies it")
	}
	j.deliver("A", "a", unix(20))
	h, _ = j.Copy("a")
	if h.Owed || h.Saved != 9 || value(h.Copy) != "v" {
		t.Errorf("after both deliveries the journal knows %+v", h)
	}
	wantStats(t, j, Stats{Delivered: 2, Reading: 1})
	j.Forget("A", unix(20))
	if _, ok := j.Copy("a"); !ok {
		t.Error("the second delivery is forgotten with the first")
	}
}

func TestKeptUntilCarriedBack(t *testing.T) {
	saved := copyOf("a", 9, "new")
	saved.Born, saved.NeverStored = true, true
	older, newer := copyOf("a", 5, "old").State.Entries, copyOf("a", 10, "newest").State.Entries
	t.Run("a copy that covers it ends that", func(t *testing.T) {
		j := New(plenty, plenty)
		j.keep("A", saved, unix(30_000))
		if h, ok := j.Copy("a"); !ok || h.Owed || value(h.Copy) != "new" || h.Born || h.NeverStored {
			t.Errorf("kept is %+v, %v", h, ok)
		}
		wantStats(t, j, Stats{Reading: 1})
		j.Carried("a", older, evermore)
		j.Carried("x", newer, evermore)
		j.Forget("A", unix(40_000))
		if _, ok := j.Copy("a"); !ok {
			t.Error("it is gone with an older copy")
		}
		j.Carried("a", newer, evermore)
		if _, ok := j.Copy("a"); ok {
			t.Error("it is kept although the visitor has it")
		}
	})
	t.Run("or the time", func(t *testing.T) {
		j := New(plenty, plenty)
		j.keep("A", saved, unix(30_000))
		j.Expire(unix(29_999), unix(29_999), unix(29_999))
		if _, ok := j.Copy("a"); !ok {
			t.Error("it is gone before its time")
		}
		j.Expire(unix(30_000), unix(30_000), unix(30_000))
		if _, ok := j.Copy("a"); ok {
			t.Error("it is kept beyond its time")
		}
	})
	t.Run("but a delivered one stays until Forget", func(t *testing.T) {
		for name, over := range map[string]func(*Journal){
			"carried": func(j *Journal) { j.Carried("a", newer, evermore) },
			"expired": func(j *Journal) { j.Expire(unix(30_000), unix(30_000), unix(30_000)) },
		} {
			j := New(plenty, plenty)
			j.add("A", copyOf("a", 7, "v"))
			j.deliver("A", "a", unix(10))
			j.keep("A", saved, unix(30_000))
			over(j)
			checkChains(t, j)
			if _, ok := j.Copy("a"); !ok {
				t.Errorf("%s: a delivered copy is gone", name)
			}
			j.Carried("a", newer, evermore) // says nothing of one that was delivered
			j.Forget("A", unix(11))
			if _, ok := j.Copy("a"); ok {
				t.Errorf("%s: it stays for ever", name)
			}
		}
	})
	t.Run("and one that Forget would drop stays until then", func(t *testing.T) {
		j := New(plenty, plenty)
		j.add("A", copyOf("a", 7, "v"))
		j.deliver("A", "a", unix(10))
		j.keep("A", saved, unix(30_000))
		j.Forget("A", unix(11))
		if h, _ := j.Copy("a"); value(h.Copy) != "new" {
			t.Errorf("the journal knows %q", value(h.Copy))
		}
		j.Expire(unix(30_000), unix(30_000), unix(30_000))
		if _, ok := j.Copy("a"); ok {
			t.Error("it is kept beyond its time")
		}
	})
}

// evermore is after all that is kept.
var evermore = time.Unix(1<<40, 0)

// What was kept lately stays although a request has carried it, and so does what the
// request carries without its value.
func TestWhatACarriedCopyDoesNotEnd(t *testing.T) {
	now := time.Unix(1000, 0)
	kept := copyOf("a", 5, "v")
	withheld := state.Entry{Name: []byte("k"), Dot: state.Dot{Clock: 5, Instance: 1}, Flags: state.Withheld}.Append(nil)
	for _, test := range []struct {
		name    string
		entries state.Entries
		before  time.Time
		stays   bool
	}{
		{"kept long ago", kept.State.Entries, now.Add(time.Second), false},
		{"kept lately", kept.State.Entries, now, true},
		{"withheld", withheld, now.Add(time.Hour), true},
		{"older", copyOf("a", 4, "v").State.Entries, now.Add(time.Hour), true},
	} {
		j := New(1<<20, plenty)
		if _, err := j.Keep("s", kept, now); err != nil {
			t.Fatal(err)
		}
		j.Carried("a", test.entries, test.before)
		if _, stays := j.Copy("a"); stays != test.stays {
			t.Errorf("%s: the copy stays: %v, want %v", test.name, stays, test.stays)
		}
	}
}

// What a request that runs for long may not know stays, however it is kept.
func TestWhatARequestNeedsStays(t *testing.T) {
	for name, over := range map[string]func(*Journal){
		"its time is over":             func(j *Journal) { j.Expire(unix(100), unix(100), unix(100)) },
		"it was carried back":          func(j *Journal) { j.Carried("a", copyOf("a", 9, "v").State.Entries, unix(100)) },
		"the shard that has it serves": func(j *Journal) { j.Forget("A", unix(100)) },
	} {
		for how, enter := range map[string]func(*Journal){
			"kept":      func(j *Journal) { j.keep("A", copyOf("a", 9, "v"), unix(20)) },
			"delivered": func(j *Journal) { j.add("A", copyOf("a", 9, "v")); j.deliver("A", "a", unix(20)) },
			"both": func(j *Journal) {
				j.add("A", copyOf("a", 8, "u"))
				j.deliver("A", "a", unix(10))
				j.keep("A", copyOf("a", 9, "v"), unix(20))
			},
		} {
			j := New(plenty, plenty)
			read := unix(20)
			j.InUse = func(id string, at time.Time) bool { return id == "a" && !read.After(at) }
			enter(j)
			for range 3 {
				over(j)
				checkChains(t, j)
				if h, _ := j.Copy("a"); value(h.Copy) != "v" {
					t.Errorf("%s, %s: it is gone, and a request that began before runs", how, name)
				}
			}
			read = unix(21)
			over(j)
			j.Forget("A", unix(100))
			j.Expire(unix(100), unix(100), unix(100))
			checkChains(t, j)
			if _, ok := j.Copy("a"); ok {
				t.Errorf("%s, %s: it stays, and all requests that run have read it", how, name)
			}
		}
	}
}

// Nor does one that stays keep others from going.
func TestWhatIsNeededKeepsNothingElse(t *testing.T) {
	j := New(plenty, plenty)
	j.InUse = func(id string, _ time.Time) bool { return id == "a" }
	for i, id := range []string{"a", "b", "c"} {
		j.keep("A", copyOf(id, 9, "v"), unix(int64(10+i)))
	}
	j.Expire(unix(11), unix(11), unix(11))
	for id, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if _, ok := j.Copy(id); ok != want {
			t.Errorf("%s is kept: %v, want %v", id, ok, want)
		}
	}
}

// A copy that was kept and then delivered is needed by a request that read in between.
func TestWhatWasDeliveredLastIsNeededAsOfThen(t *testing.T) {
	j := New(plenty, plenty)
	j.InUse = func(_ string, at time.Time) bool { return !unix(25).After(at) }
	j.keep("A", copyOf("a", 8, "u"), unix(20))
	j.add("A", copyOf("a", 9, "v"))
	j.deliver("A", "a", unix(30))
	j.Forget("A", unix(100))
	j.Expire(unix(100), unix(100), unix(100))
	if h, _ := j.Copy("a"); value(h.Copy) != "v" {
		t.Errorf("the journal knows %q", value(h.Copy))
	}
}
