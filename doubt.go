package session

import "slices"

// doubt is a save that was not answered. It may have happened, and may still
// happen. Decision 15.
type doubt struct {
	dot   dot
	edits []*edit // those that no earlier doubt has: it wrote them too
}

func newDoubt(d dot, edits []*edit) doubt {
	var news []*edit
	for _, e := range edits {
		if !e.doubted {
			e.doubted = true
			news = append(news, e)
		}
	}
	return doubt{d, news}
}

// resolve marks the edits that are done according to st, a state that was
// loaded after the doubts arose. Where the dot of a doubt stands, it happened,
// and all before it is in it. Where another request has written the key since,
// a Set or Delete of before is over, whether it happened or not; whether an
// Update is in the value nobody can tell: it is given up, rather than counted twice or
// not at all, and its name is returned.
func resolve(doubts []doubt, st state) (unknown string) {
	if st.dead() {
		return ""
	}
	for i, d := range slices.Backward(doubts) {
		if st.entries.has(d.dot) {
			for _, d := range doubts[:i+1] {
				for _, e := range d.edits {
					e.done = true
				}
			}
			break
		}
	}
	for _, d := range doubts {
		for _, e := range d.edits {
			over, ok := st.entries.find(e.name)
			if e.done || !ok || over.dot.compare(d.dot) <= 0 {
				continue
			}
			if e.done = true; e.step != nil {
				unknown = e.name
			}
		}
	}
	return unknown
}

func pending(edits []*edit) []*edit {
	return slices.DeleteFunc(slices.Clone(edits), func(e *edit) bool { return e.done })
}
