package session

import "slices"

// doubt is a save that was not answered. Should its dot be in the record, its
// edits are done, and applying them again would count twice.
type doubt struct {
	dot   dot
	edits []*edit
}

// resolve marks the edits that turn out to be in st.
func resolve(doubts []doubt, st state) {
	for _, d := range doubts {
		if st.entries.has(d.dot) {
			for _, e := range d.edits {
				e.done = true
			}
		}
	}
}

func pending(edits []*edit) []*edit {
	return slices.DeleteFunc(slices.Clone(edits), func(e *edit) bool { return e.done })
}
