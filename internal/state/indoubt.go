package state

import "slices"

// InDoubt is a save that was not answered. It may have happened, and may still
// happen. docs/decisions/0015-saves-without-an-answer.md.
type InDoubt struct {
	dot   Dot
	edits []*Edit // those that no earlier save in doubt has: this one wrote them too
}

// NewInDoubt returns the save in doubt that wrote edits under the dot d. The
// edits are those that NewInDoubt was given for the saves in doubt before, or
// more.
func NewInDoubt(d Dot, edits []*Edit) InDoubt {
	var added []*Edit
	for _, e := range edits {
		if !e.inDoubt {
			e.inDoubt = true
			added = append(added, e)
		}
	}
	return InDoubt{d, added}
}

// Dot returns the dot that the save was sent with.
func (d InDoubt) Dot() Dot { return d.dot }

// Resolve marks the edits of doubts that are done according to st, a state that
// was loaded after the last of the doubts arose. It returns the name of an
// Update of which nobody can report whether it is in the value, or "".
//
// Where the dot of a save stands in st, the save happened, and all saves before
// it are in it. Where another request has written the key since, a Set or a
// Delete is over, whether it happened or not. An Update is given up then, rather
// than counted twice. A dead state settles nothing.
func Resolve(doubts []InDoubt, st State) (unknown string) {
	return resolve(doubts, st, Dot{})
}

// ResolveNow is Resolve where the save under the dot now has just been looked up, by
// the commit that sent it. Where it does not stand, its Sets and Deletes are made
// again over what another request has written meanwhile: both were under way at the
// same time, and this one is answered later.
func ResolveNow(doubts []InDoubt, st State, now Dot) (unknown string) {
	return resolve(doubts, st, now)
}

func resolve(doubts []InDoubt, st State, now Dot) (unknown string) {
	if st.Dead() {
		return ""
	}
	for i, d := range slices.Backward(doubts) {
		if st.Entries.Has(d.dot) {
			for _, d := range doubts[:i+1] {
				d.markDone()
			}
			break
		}
	}
	for _, d := range doubts {
		for _, e := range d.edits {
			again := d.dot == now && e.Step == nil
			if e.Done || again || !st.Entries.writtenAfter(d.dot, e.Name) {
				continue
			}
			e.Done = true
			if e.Step != nil {
				unknown = e.Name
			}
		}
	}
	return unknown
}

func (d InDoubt) markDone() {
	for _, e := range d.edits {
		e.Done = true
	}
}

// Unsaved returns the edits that are not done.
func Unsaved(edits []*Edit) []*Edit {
	return slices.DeleteFunc(slices.Clone(edits), func(e *Edit) bool { return e.Done })
}
