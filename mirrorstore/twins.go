package mirrorstore

import (
	"sync"

	"github.com/holdfast-go/session"
)

// mostTwins bounds the Versions that are kept, 64 bytes each. They are needed for as long as a
// request takes.
const mostTwins = 4096

// twins tells which Version of the second store has the same record as one of the first. Callers
// know a record by the latter. Where the first store loses it, a save over it goes on from the
// second's: a caller that has just created a session, and saves it once more, is sure that nobody
// else has. The zero twins is empty; any number of goroutines may use it.
type twins struct {
	mu     sync.Mutex
	second map[session.Version]session.Version // by the first's
	order  [mostTwins]session.Version          // a ring
	next   int
}

func (t *twins) add(first, second session.Version) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.second == nil {
		t.second = make(map[session.Version]session.Version)
	}
	if _, known := t.second[first]; known {
		return
	}
	delete(t.second, t.order[t.next])
	t.second[first] = second
	t.order[t.next] = first
	t.next = (t.next + 1) % mostTwins
}

// of returns the second store's Version, and Absent where it is not known.
func (t *twins) of(first session.Version) session.Version {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.second[first]
}
