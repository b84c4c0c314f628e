package session

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

// edit is one operation of a handler on one key. It is kept until it is
// saved, because a conflict makes it run again on what the other one wrote.
type edit struct {
	change
	step func(old []byte, ok bool) ([]byte, error) // Update's; nil: the change as it is
	done bool                                      // saved, or given up
}

// change is what an edit came to: an entry that has no dot yet.
type change struct {
	name  string
	flags flags
	value []byte
}

// changes are what a handler has changed, one for each key. They are never
// altered in place.
type changes []change

func (l changes) find(name string) (change, bool) {
	for _, c := range l {
		if c.name == name {
			return c, true
		}
	}
	return change{}, false
}

func (l changes) with(c change) changes {
	out := make(changes, 0, len(l)+1)
	for _, old := range l {
		if old.name != c.name {
			out = append(out, old)
		}
	}
	return append(out, c)
}

// against leaves out what st holds already: setting a value to what it is
// changes nothing.
func (l changes) against(st state) changes {
	return slices.DeleteFunc(slices.Clone(l), func(c change) bool {
		e, ok := st.entries.find(c.name)
		if c.flags.kind() == deleted {
			return !ok || e.flags.kind() == deleted
		}
		return ok && e.flags == c.flags && bytes.Equal(e.value, c.value)
	})
}

func packChanges(l changes, d dot) entries {
	l = slices.SortedFunc(slices.Values(l), func(a, b change) int { return strings.Compare(a.name, b.name) })
	var out []byte
	for _, c := range l {
		out = entry{dot: d, flags: c.flags, name: []byte(c.name), value: c.value}.append(out)
	}
	return out
}

// lookup returns the value of name as a handler sees it: what it changed, or
// else what st holds.
func lookup(st state, l changes, name string) ([]byte, error) {
	if c, ok := l.find(name); ok {
		if c.flags.kind() == deleted {
			return nil, ErrNoValue
		}
		return c.value, nil
	}
	e, ok := st.entries.find(name)
	switch {
	case !ok || e.flags.kind() == deleted:
		return nil, ErrNoValue
	case e.flags.kind() == withheld:
		return nil, ErrLost
	}
	return e.value, nil
}

// apply runs e on what st and l hold.
func (e *edit) apply(st state, l changes) (changes, error) {
	c := e.change
	if e.step != nil {
		old, err := lookup(st, l, e.name)
		if err != nil && !errors.Is(err, ErrNoValue) {
			return l, err
		}
		if c.value, err = e.step(old, err == nil); err != nil {
			return l, err
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
type stepError struct{ error }

// ofStep returns the handler's own error, if err is one.
func ofStep(err error) (own error, ok bool) {
	var step stepError
	ok = errors.As(err, &step)
	return step.error, ok
}
