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
// Update of which it is unknown whether it is in the value, or "".
//
// Where the dot of a save stands in st, the save happened, and all saves before
// it are in it. Where another request has written the key since, a Set or a
// Delete is over, whether it happened or not. An Update is given up then, rather
// than counted twice. A dead state settles nothing.
func Resolve(doubts []InDoubt, st State) (unknown string) {
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
			if e.Done || !st.Entries.writtenAfter(d.dot, e.Name) {
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

// Overtaken returns the name of an edit of the save that was sent last under the dot
// sent, where another request has written the key since: it is unknown whether that
// request built on the edit or wrote without it. Overtaken returns "" where there is
// none, and where st has the save.
func Overtaken(doubts []InDoubt, st State, sent Dot) (name string) {
	if len(doubts) == 0 || st.Dead() || st.Entries.Has(sent) {
		return ""
	}
	last := doubts[len(doubts)-1]
	for _, e := range last.edits {
		if last.dot == sent && !e.Done && st.Entries.writtenAfter(sent, e.Name) {
			return e.Name
		}
	}
	return ""
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
