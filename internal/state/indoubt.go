package state

import "slices"

// doubt is a save that was not answered. It may have happened, and may still
// happen. Decision 15.
type InDoubt struct {
	dot   Dot
	edits []*Edit // those that no earlier doubt has: it wrote them too
}

func NewInDoubt(d Dot, edits []*Edit) InDoubt {
	var news []*Edit
	for _, e := range edits {
		if !e.doubted {
			e.doubted = true
			news = append(news, e)
		}
	}
	return InDoubt{d, news}
}

// resolve marks the edits that are done according to st, a state that was
// loaded after the doubts arose. Where the dot of a doubt stands, it happened,
// and all before it is in it. Where another request has written the key since,
// a Set or Delete of before is over, whether it happened or not; whether an
// Update is in the value nobody can tell: it is given up, rather than counted twice or
// not at all, and its name is returned.
func Resolve(doubts []InDoubt, st State) (unknown string) {
	if st.Dead() {
		return ""
	}
	for i, d := range slices.Backward(doubts) {
		if st.Entries.has(d.dot) {
			for _, d := range doubts[:i+1] {
				for _, e := range d.edits {
					e.Done = true
				}
			}
			break
		}
	}
	for _, d := range doubts {
		for _, e := range d.edits {
			over, ok := st.Entries.Find(e.Name)
			if e.Done || !ok || over.Dot.compare(d.dot) <= 0 {
				continue
			}
			if e.Done = true; e.Step != nil {
				unknown = e.Name
			}
		}
	}
	return unknown
}

func Unsaved(edits []*Edit) []*Edit {
	return slices.DeleteFunc(slices.Clone(edits), func(e *Edit) bool { return e.Done })
}
