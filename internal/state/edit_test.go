package state

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

var (
	errOwn   = errors.New("the handler's own error")
	errPlain = errors.New("the value does not decode")
)

// edit makes an edit, and what it does to the model of what a handler sees.
func (s *source) edit(number int) (e *Edit, do func(model) error) {
	name := modelNames[s.below(4)]
	flags := Flags(s.below(2))*ServerOnly | Flags(s.below(2))<<RankShift
	e = &Edit{Change: Change{Name: name, Flags: flags}}
	mark := []byte{byte('0' + number)}
	set := func(m model, value []byte) { m[name] = Entry{Flags: flags, Name: []byte(name), Value: value} }
	withValue := func(then func(m model, old []byte) error) func(model) error {
		return func(m model) error {
			if m[name].Flags.Kind() == Withheld {
				return ErrWithheld
			}
			return then(m, m[name].Value)
		}
	}
	switch s.below(10) {
	case 0, 1: // Set
		e.Value = s.value()
		return e, func(m model) error { set(m, e.Value); return nil }
	case 2: // Delete
		e.Flags |= Deleted
		return e, func(m model) error { set(m, nil); delete(m, name); return nil }
	case 3: // Take
		e.Step = func(old []byte, _ bool) ([]byte, bool, error) { return old, false, nil }
		return e, withValue(func(m model, _ []byte) error { delete(m, name); return nil })
	case 4:
		e.Step = func([]byte, bool) ([]byte, bool, error) { return mark, true, StepError{errOwn} }
		if s.below(2) == 0 {
			return e, withValue(func(model, []byte) error { return errOwn })
		}
		e.Step = func([]byte, bool) ([]byte, bool, error) { return mark, true, errPlain }
		return e, withValue(func(model, []byte) error { return errPlain })
	default: // Update
		e.Step = func(old []byte, ok bool) ([]byte, bool, error) {
			if !ok {
				old = []byte("new")
			}
			return slices.Concat(old, mark), true, nil
		}
		return e, withValue(func(m model, old []byte) error {
			if _, ok := m[name]; !ok {
				old = []byte("new")
			}
			set(m, slices.Concat(old, mark))
			return nil
		})
	}
}

// checkReplay replays edits on a state, and does the same on a map.
func checkReplay(t *testing.T, s *source) {
	before := s.model()
	st := State{Created: 1, Authenticated: 2, LastSeen: 3, End: 4, Entries: before.encode()}
	whole := slices.Clone(st.Entries)
	seen := before.keep(func(e Entry) bool { return e.Flags.Kind() != Deleted })

	var edits []*Edit
	var failing *Edit
	var wantErr error
	for i := range s.below(8) {
		e, do := s.edit(i)
		edits = append(edits, e)
		if wantErr == nil {
			if wantErr = do(seen); wantErr != nil {
				failing = e
			}
		}
	}
	changes, failed, err := Replay(st, edits) // with exactly the handler's error, not one that wraps it
	if failed != failing || err != wantErr {
		t.Fatalf("replay failed with %v, want %v", err, wantErr)
	}
	if err != nil {
		if changes != nil {
			t.Fatalf("replay failed and returned %v", changes)
		}
		return
	}
	for _, name := range slices.Concat(modelNames, otherNames) {
		want, ok := seen[name]
		got, err := Lookup(st, changes, name)
		switch {
		case !ok && !errors.Is(err, ErrNoValue),
			ok && want.Flags.Kind() == Withheld && !errors.Is(err, ErrWithheld),
			ok && want.Flags.Kind() == Present && (err != nil || !bytes.Equal(got, want.Value)):
			t.Fatalf("lookup of %q = %q, %v, want %v, %v", name, got, err, want, ok)
		}
	}
	for i, c := range changes {
		if i > 0 && changes[i-1].Name >= c.Name {
			t.Fatalf("changes are out of order: %v", changes)
		}
		if c.Flags.Kind() == Deleted && c.Value != nil {
			t.Fatalf("a deletion has the value %q", c.Value)
		}
		for _, e := range slices.Backward(edits) {
			if e.Name == c.Name { // the last edit of a key says what its entry is like
				if c.Flags|Deleted != e.Flags|Deleted {
					t.Fatalf("the change of %q has the flags %08b, its key has %08b", c.Name, c.Flags, e.Flags)
				}
				break
			}
		}
	}

	// Written, a state shows the same, and only what is another has the new dot.
	now := Dot{100, 1}
	names := namesOf(changes)
	against := changes.Against(st)
	if !slices.Equal(namesOf(changes), names) {
		t.Fatalf("what is no change was taken out of the changes of %q in place: %v", names, changes)
	}
	after := st.Write(against, now)
	if err := after.Entries.Check(); err != nil {
		t.Fatal(err)
	}
	got := modelOf(after.Entries)
	for name, e := range got {
		want, ok := seen[name]
		if ok != (e.Flags.Kind() != Deleted) || ok && (e.Flags != want.Flags || !bytes.Equal(e.Value, want.Value)) {
			t.Fatalf("%q was written as %v, want %v, %v", name, e, want, ok)
		}
		old, had := before[name]
		same := had && old.Flags == e.Flags && bytes.Equal(old.Value, e.Value)
		bothDeleted := had && old.Flags.Kind() == Deleted && e.Flags.Kind() == Deleted
		if changed := !same && !bothDeleted; changed != (e.Dot == now) {
			t.Fatalf("%q was %v and is %v: changed %v", name, old, e, changed)
		}
	}
	for _, name := range slices.Collect(maps.Keys(seen)) {
		if _, ok := got[name]; !ok {
			t.Fatalf("%q was not written", name)
		}
	}
	if len(changes.Against(after)) != 0 || !after.Entries.Covers(st.Entries) {
		t.Fatalf("after %v was written it is still to be written: %v", changes, changes.Against(after))
	}
	if !bytes.Equal(st.Entries, whole) {
		t.Fatal("the replay altered the state")
	}
}

func namesOf(l Changes) (names []string) {
	for _, c := range l {
		names = append(names, c.Name)
	}
	return names
}

func TestReplayIsThatOfAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 1))
	for range 6_000 {
		checkReplay(t, randomSource(r))
	}
}

func FuzzReplay(f *testing.F) {
	r := rand.New(rand.NewPCG(13, 2))
	for range 20 {
		f.Add(randomSource(r).rest)
	}
	f.Fuzz(func(t *testing.T, choices []byte) { checkReplay(t, &source{choices}) })
}

func TestChangesAreNotAlteredInPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 3))
	for range 2_000 {
		l := make(Changes, 0, 16) // room that an append could write into
		want := map[string]byte{}
		for i := range 12 {
			before, copied := l, slices.Clone(l)
			c := Change{Name: modelNames[r.IntN(len(modelNames))], Value: []byte{byte(i)}}
			l = l.With(c)
			want[c.Name] = byte(i)
			for j := range before {
				if before[j].Name != copied[j].Name || before[j].Value[0] != copied[j].Value[0] {
					t.Fatalf("with %v altered the changes %v to %v", c, copied, before)
				}
			}
		}
		if len(l) != len(want) {
			t.Fatalf("%d changes of %d keys", len(l), len(want))
		}
		for name, v := range want {
			if c, ok := l.find(name); !ok || c.Value[0] != v {
				t.Fatalf("the change of %q is %v, want %d", name, c, v)
			}
		}
	}
	if c, ok := (Changes{{Name: "a"}, {Name: "c"}}).find("b"); ok || c.Name != "" {
		t.Errorf("found %v, which is not there", c)
	}
}

func TestApplyKeepsTheChangesWhereItFails(t *testing.T) {
	l := Changes{{Name: "a", Value: []byte("1")}}
	failing := &Edit{Change: Change{Name: "a"}, Step: func([]byte, bool) ([]byte, bool, error) { return nil, true, StepError{errOwn} }}
	got, err := failing.Apply(State{}, l)
	if own, ok := StepErrorOf(err); !ok || own != errOwn {
		t.Errorf("apply = %v, which is the step's own: %v", err, ok)
	}
	if !errors.Is(err, errOwn) || err.Error() != errOwn.Error() {
		t.Errorf("a step's error reads %q and hides its cause", err)
	}
	if len(got) != 1 || string(got[0].Value) != "1" {
		t.Errorf("after an error the changes are %v", got)
	}
	if own, ok := StepErrorOf(errPlain); ok || own != nil {
		t.Errorf("an error that no handler made is taken for %v", own)
	}
}
