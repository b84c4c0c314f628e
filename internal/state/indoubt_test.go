package state

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func appending(name, mark string) *Edit {
	return &Edit{Change: Change{Name: name}, Step: func(old []byte, _ bool) ([]byte, bool, error) {
		return append(slices.Clone(old), mark...), true, nil
	}}
}

func setting(name, value string) *Edit {
	return &Edit{Change: Change{Name: name, Value: []byte(value)}}
}

func stateWith(d Dot, names ...string) State {
	st := State{}
	for _, name := range names {
		st = st.Write(Changes{{Name: name, Value: []byte("v")}}, d)
	}
	return st
}

func TestResolve(t *testing.T) {
	first := Dot{10, 1}
	second := Dot{20, 1}
	third := Dot{30, 1}
	before, later := Dot{1, 2}, Dot{25, 2} // by another instance
	for _, test := range []struct {
		name    string
		st      State
		want    string // the edits that are done, of a, b and c in one save each
		unknown string
	}{
		{"where no dot stands no save happened", State{}, "", ""},
		{"an older write says nothing", stateWith(before, "a", "b", "c"), "", ""},
		{"a save whose dot stands is done", stateWith(first, "a"), "a", ""},
		{"and all before it", stateWith(second, "b"), "ab", ""},
		{"though others wrote over them", Join(stateWith(third, "c"), stateWith(later, "a", "b")), "abc", ""},
		{"the last dot counts where several stand", Join(stateWith(first, "a"), stateWith(third, "c")), "abc", ""},
		{"the dot stands at any key", stateWith(second, "z"), "ab", ""},
		{"another instance's dot of the same clock is not ours", stateWith(Dot{20, 0}, "b"), "", ""},
		{"a Set that another wrote over is over", stateWith(later, "a"), "a", ""},
		{"an Update that another wrote over is unknown", stateWith(later, "b"), "b", "b"},
		{"a later save is not over by an older write", stateWith(later, "c"), "", ""},
		{"a later save is over by a later write", stateWith(Dot{31, 2}, "c"), "c", "c"},
		{"a deletion is a write too", State{}.Write(Changes{{Name: "b", Flags: Deleted}}, later), "b", "b"},
		{"an older save is unknown beside a newer that is not there", Join(stateWith(first, "a"), stateWith(later, "b")), "ab", "b"},
		{"a dead state settles nothing", State{Death: Death{Dot: third, Reason: Destroyed}, Entries: stateWith(third, "c").Entries}, "", ""},
	} {
		edits := []*Edit{setting("a", "1"), appending("b", "2"), appending("c", "3")}
		var doubts []InDoubt
		for i, d := range []Dot{first, second, third} {
			doubts = append(doubts, NewInDoubt(d, edits[:i+1]))
		}
		unknown := Resolve(doubts, test.st)
		done := ""
		for _, e := range edits {
			if e.Done {
				done += e.Name
			}
		}
		if done != test.want || unknown != test.unknown {
			t.Errorf("%s: done %q and unknown %q, want %q and %q", test.name, done, unknown, test.want, test.unknown)
		}
		left := ""
		for _, e := range Unsaved(edits) {
			left += e.Name
		}
		if len(done)+len(left) != 3 || strings.ContainsAny(left, done) {
			t.Errorf("%s: done are %q and unsaved %q", test.name, done, left)
		}
		if edits[0].Name+edits[1].Name+edits[2].Name != "abc" {
			t.Errorf("%s: the list of edits was altered", test.name)
		}
	}
}

func TestASaveInDoubtHasTheEditsThatNoEarlierOneHas(t *testing.T) {
	edits := []*Edit{setting("a", "1"), setting("b", "2"), setting("c", "3")}
	first := NewInDoubt(Dot{1, 1}, edits[:2])
	second := NewInDoubt(Dot{2, 1}, edits)
	if !slices.Equal(first.edits, edits[:2]) || !slices.Equal(second.edits, edits[2:]) {
		t.Errorf("the first has %d edits and the second %d, want 2 and 1", len(first.edits), len(second.edits))
	}
	if first.dot != (Dot{1, 1}) || second.dot != (Dot{2, 1}) {
		t.Errorf("their dots are %v and %v", first.dot, second.dot)
	}
}

// One request sends its Updates in several saves, each with all before it over
// one version, so that at most one of them happens; another appends too, before
// or after. Then the request resolves, and sends what is left.
func TestAnUpdateInDoubtIsNeverCountedTwice(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 1))
	names := []string{"a", "b", "c"}
	type tally struct{ settled, unknown, happened int }
	var seen tally
	for range 8_000 {
		var edits []*Edit
		var doubts []InDoubt
		st := State{}
		saves := 1 + r.IntN(3)
		happens := r.IntN(saves + 1) // saves: none of them does
		for i := range saves {
			for range 1 + r.IntN(2) {
				edits = append(edits, appending(names[r.IntN(len(names))], fmt.Sprint(len(edits))))
			}
			d := Dot{uint64(10 * (i + 1)), 1}
			if i == happens {
				l, _, _ := Replay(st, edits)
				st = st.Write(l, d)
			}
			doubts = append(doubts, NewInDoubt(d, edits))
		}
		for range r.IntN(3) {
			l, _, _ := Replay(st, []*Edit{appending(names[r.IntN(len(names))], "x")})
			st = st.Write(l, Dot{max(st.Entries.Latest()+1, uint64(r.IntN(40))), 2})
		}

		unknown := Resolve(doubts, st)
		switch {
		case unknown != "":
			seen.unknown++
			if e, ok := st.Entries.Find(unknown); !ok || e.Dot.Instance != 2 {
				t.Fatalf("%q is unknown, though nobody wrote over it: %v", unknown, e)
			}
		case happens < saves:
			seen.happened++
		default:
			seen.settled++
		}
		l, _, err := Replay(st, Unsaved(edits))
		if err != nil {
			t.Fatal(err)
		}
		after := st.Write(l, Dot{1000, 1})
		for i, e := range edits {
			value, _ := Lookup(after, nil, e.Name)
			switch n := strings.Count(string(value), fmt.Sprint(i)); {
			case n > 1:
				t.Fatalf("edit %d is in %q twice", i, value)
			case n == 0 && unknown == "":
				t.Fatalf("edit %d is not in %q, and nobody is told", i, value)
			}
		}
	}
	if min(seen.settled, seen.unknown, seen.happened) < 400 {
		t.Errorf("the test asks too little: %+v", seen)
	}
}

// Where another request has written a key since, it is unknown whether that was built
// on a save that was not answered.
func TestOvertaken(t *testing.T) {
	sent, later := Dot{Clock: 5, Instance: 1}, Dot{Clock: 7, Instance: 2}
	entries := func(d Dot) Entries { return PackChanges(Changes{{Name: "k", Value: []byte("v")}}, d) }
	doubts := []InDoubt{NewInDoubt(sent, []*Edit{{Change: Change{Name: "j"}}, {Change: Change{Name: "k"}}})}
	for _, test := range []struct {
		name   string
		doubts []InDoubt
		st     State
		sent   Dot
		want   string
	}{
		{"another request wrote it", doubts, State{Entries: entries(later)}, sent, "k"},
		{"it stands", doubts, State{Entries: entries(sent)}, sent, ""},
		{"nothing has changed", doubts, State{Entries: entries(Dot{Clock: 3, Instance: 1})}, sent, ""},
		{"of an earlier save", doubts, State{Entries: entries(later)}, Dot{Clock: 6, Instance: 1}, ""},
		{"no doubts", nil, State{Entries: entries(later)}, sent, ""},
		{"it has ended", doubts, State{Death: Death{Dot: later, Reason: Destroyed}}, sent, ""},
	} {
		if got := Overtaken(test.doubts, test.st, test.sent); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
