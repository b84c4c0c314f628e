package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// Edit is one operation of a handler on one key. It is kept until it is saved,
// because after a conflict it runs again on what the other request wrote.
type Edit struct {
	Change

	// Step, of an Update or a Take, returns the new value, and whether there is
	// one before and after. Where it is nil, the edit is the change as it
	// is. It may run several times.
	Step func(old []byte, ok bool) (value []byte, exists bool, err error)

	Done    bool // saved, or given up
	inDoubt bool // part of a save that was not answered
}

// Steps reports whether one of the edits makes something of the value that stands.
func Steps(l []*Edit) bool {
	return slices.ContainsFunc(l, func(e *Edit) bool { return e.Step != nil && !e.Done })
}

// Change is what an edit came to: an entry that has no dot yet.
type Change struct {
	Name  string
	Flags Flags
	Value []byte
}

// Changes are what a handler has changed, one for each key, in the order of
// the keys' names. They are never altered in place.
type Changes []Change

func (l Changes) find(name string) (Change, bool) {
	i, ok := l.search(name)
	if !ok {
		return Change{}, false
	}
	return l[i], true
}

func (l Changes) search(name string) (int, bool) {
	return slices.BinarySearchFunc(l, name, func(c Change, name string) int { return strings.Compare(c.Name, name) })
}

// With returns l with c in the place of the change of the same name, if there
// is one.
func (l Changes) With(c Change) Changes {
	i, ok := l.search(c.Name)
	out := append(make(Changes, 0, len(l)+1), l[:i]...)
	out = append(out, c)
	if ok {
		i++
	}
	return append(out, l[i:]...)
}

// Sets reports whether l sets a value of a name.
func (l Changes) Sets(name string) bool {
	c, ok := l.find(name)
	return ok && c.Flags.Kind() == Present
}

// Against returns those of l that make st another state.
func (l Changes) Against(st State) Changes {
	rest := st.Entries
	for i, c := range l {
		rest = rest.From(c.Name)
		if !c.Changes(State{Entries: rest}) {
			return append(l[:i:i], l[i+1:].Against(State{Entries: rest})...)
		}
	}
	return l
}

// Changes reports whether c makes st another state. Setting a value to what it
// is does not, and neither does deleting a name that has no entry or a deleted
// one.
func (c Change) Changes(st State) bool {
	e, ok := st.Entries.Find(c.Name)
	if c.Flags.Kind() == Deleted {
		return ok && e.Flags.Kind() != Deleted
	}
	same := ok && e.Flags == c.Flags && bytes.Equal(e.Value, c.Value)
	return !same
}

// PackChanges returns l as entries that all have the dot d.
func PackChanges(l Changes, d Dot) Entries {
	size := 0
	for _, c := range l {
		size += len(c.Name) + len(c.Value) + 1 + DotSize + 2*binary.MaxVarintLen32
	}
	out := make([]byte, 0, size)
	for _, c := range l {
		out = Entry{Dot: d, Flags: c.Flags, Name: []byte(c.Name), Value: c.Value}.Append(out)
	}
	return out
}

var (
	// ErrNoValue is the error of Lookup where a state holds no value of a name.
	ErrNoValue = errors.New("no value")

	// ErrWithheld is the error of Lookup where a state holds the dot of a value
	// without the value.
	ErrWithheld = errors.New("the value is withheld")
)

// Lookup returns the value of name as a handler sees it: the one in l, or else
// the one in st. The error is ErrNoValue or ErrWithheld.
func Lookup(st State, l Changes, name string) ([]byte, error) {
	if c, ok := l.find(name); ok {
		if c.Flags.Kind() == Deleted {
			return nil, ErrNoValue
		}
		return c.Value, nil
	}
	e, ok := st.Entries.Find(name)
	switch {
	case !ok || e.Flags.Kind() == Deleted:
		return nil, ErrNoValue
	case e.Flags.Kind() == Withheld:
		return nil, ErrWithheld
	}
	return e.Value, nil
}

// Apply returns l after e, which runs on what st and l hold. The error is that
// of e's Step, or ErrWithheld where Step needs a value that is withheld; the
// changes are l then.
func (e *Edit) Apply(st State, l Changes) (Changes, error) {
	c := e.Change
	if e.Step != nil {
		old, err := Lookup(st, l, e.Name)
		if err != nil && !errors.Is(err, ErrNoValue) {
			return l, err
		}
		value, exists, err := e.Step(old, err == nil)
		if err != nil {
			return l, err
		}
		if c.Value = value; !exists {
			c.Value, c.Flags = nil, c.Flags|Deleted
		}
	}
	return l.With(c), nil
}

// Replay returns what all edits, in their order, come to on st. Where one of
// them fails, Replay returns it with its error. The error of a handler's own
// function is returned as the function returned it.
func Replay(st State, edits []*Edit) (l Changes, failed *Edit, err error) {
	return ReplayOn(st, nil, edits)
}

// ReplayOn is Replay after the changes of others, which l has.
func ReplayOn(st State, l Changes, edits []*Edit) (_ Changes, failed *Edit, err error) {
	for _, e := range edits {
		if l, err = e.Apply(st, l); err != nil {
			if own, ok := StepErrorOf(err); ok {
				err = own
			}
			return nil, e, err
		}
	}
	return l, nil, nil
}

// StepError marks an error of the function that a handler gave to Update.
type StepError struct{ Err error }

func (e StepError) Error() string { return e.Err.Error() }

func (e StepError) Unwrap() error { return e.Err }

// StepErrorOf returns the error that a StepError in err marks, and reports
// whether there is one.
func StepErrorOf(err error) (own error, ok bool) {
	var step StepError
	ok = errors.As(err, &step)
	return step.Err, ok
}
