package session

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// edit is one operation of a handler on one key. It is kept until it is
// saved, because a conflict makes it run again on what the other one wrote.
type edit struct {
	change
	step    step // Update's and Take's; nil: the change as it is
	doubted bool // in a save that was not answered
	done    bool // saved, or given up
}

// step returns what becomes of a value, and whether there is one before and
// after.
type step func(old []byte, ok bool) (value []byte, exists bool, err error)

// change is what an edit came to: an entry that has no dot yet.
type change struct {
	name  string
	flags flags
	value []byte
}

// changes are what a handler has changed, one for each key, in the order of
// the keys' names. They are never altered in place.
type changes []change

func (l changes) find(name string) (change, bool) {
	i, ok := l.search(name)
	if !ok {
		return change{}, false
	}
	return l[i], true
}

func (l changes) search(name string) (int, bool) {
	return slices.BinarySearchFunc(l, name, func(c change, name string) int { return strings.Compare(c.name, name) })
}

func (l changes) with(c change) changes {
	i, ok := l.search(c.name)
	out := append(make(changes, 0, len(l)+1), l[:i]...)
	out = append(out, c)
	if ok {
		i++
	}
	return append(out, l[i:]...)
}

// against leaves out what st holds already.
func (l changes) against(st state) changes {
	if len(l) == 0 {
		return nil
	}
	out := make(changes, 0, len(l))
	rest := st.entries
	for _, c := range l {
		rest = rest.from(c.name)
		if c.changes(state{entries: rest}) {
			out = append(out, c)
		}
	}
	return out
}

// changes tells whether c makes st another one: setting a value to what it is
// does not, and neither does deleting nothing.
func (c change) changes(st state) bool {
	e, ok := st.entries.find(c.name)
	if c.flags.kind() == deleted {
		return ok && e.flags.kind() != deleted
	}
	return !ok || e.flags != c.flags || !bytes.Equal(e.value, c.value)
}

func packChanges(l changes, d dot) entries {
	size := 0
	for _, c := range l {
		size += len(c.name) + len(c.value) + 1 + dotSize + 2*binary.MaxVarintLen32
	}
	out := make([]byte, 0, size)
	for _, c := range l {
		out = entry{dot: d, flags: c.flags, name: []byte(c.name), value: c.value}.append(out)
	}
	return out
}

var (
	// errNoValue is the answer of lookup where a state holds no value of a name.
	errNoValue = errors.New("no value")

	// errWithheld is the answer of lookup where a state holds no more than the
	// dot of a value.
	errWithheld = errors.New("the value is withheld")
)

// lookup returns the value of name as a handler sees it: what it changed, or
// else what st holds.
func lookup(st state, l changes, name string) ([]byte, error) {
	if c, ok := l.find(name); ok {
		if c.flags.kind() == deleted {
			return nil, errNoValue
		}
		return c.value, nil
	}
	e, ok := st.entries.find(name)
	switch {
	case !ok || e.flags.kind() == deleted:
		return nil, errNoValue
	case e.flags.kind() == withheld:
		return nil, errWithheld
	}
	return e.value, nil
}

// apply runs e on what st and l hold.
func (e *edit) apply(st state, l changes) (changes, error) {
	c := e.change
	if e.step != nil {
		old, err := lookup(st, l, e.name)
		if err != nil && !errors.Is(err, errNoValue) {
			return l, err
		}
		value, exists, err := e.step(old, err == nil)
		if err != nil {
			return l, err
		}
		if c.value = value; !exists {
			c.value, c.flags = nil, c.flags|deleted
		}
	}
	return l.with(c), nil
}

// replay runs all edits on st. On error it also returns the edit that failed.
func replay(st state, edits []*edit) (l changes, failed *edit, err error) {
	for _, e := range edits {
		if l, err = e.apply(st, l); err != nil {
			if own, ok := ofStep(err); ok {
				err = own
			}
			return nil, e, err
		}
	}
	return l, nil, nil
}

// stepError is an error of the function that a handler gave to Update.
type stepError struct{ err error }

func (e stepError) Error() string { return e.err.Error() }

func (e stepError) Unwrap() error { return e.err }

// ofStep returns the handler's own error, if err is one.
func ofStep(err error) (own error, ok bool) {
	var step stepError
	ok = errors.As(err, &step)
	return step.err, ok
}
