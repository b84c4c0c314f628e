package admin

import (
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// Event is one call of a Manager's hooks, in one instance.
type Event struct {
	Number  uint64     `json:"number"` // counts up from 1 since the process started
	At      time.Time  `json:"at"`
	Kind    string     `json:"kind"` // "down", "up", "login", … : the names of session.Hooks in lower case
	Shard   string     `json:"shard,omitempty"`
	Session session.ID `json:"session,omitempty"`
	User    string     `json:"user,omitempty"`
	Detail  string     `json:"detail,omitempty"` // an error, an operation or figures, for people

	// Unseen is how many events of the same kind and shard came in the second before,
	// and are not shown.
	Unseen int `json:"unseen,omitempty"`
}

// Events keeps the last calls of a Manager's hooks: 128 about sessions, such as logins and
// ends, and 128 others, so that a busy hour does not displace the outage. The zero Events is
// ready, and any number of goroutines may use it. Use one for each Manager.
//
// A request of which no hook tells costs nothing.
type Events struct {
	mu     sync.Mutex
	last   uint64
	recent map[frequent]*recently
	wake   chan struct{} // closed by the next event; nil: nobody waits

	sessions ring // what becomes of sessions
	others   ring
}

// frequent names a kind of event in a shard, of which at most one a second is shown.
type frequent struct{ kind, shard string }

type recently struct {
	at     time.Time
	unseen int
}

const kept = 128

// ring holds the last events of some kinds.
type ring struct {
	of   [kept]Event
	next int
	n    int
}

func (r *ring) add(e Event) {
	r.of[r.next] = e
	r.next = (r.next + 1) % kept
	r.n = min(r.n+1, kept)
}

// since returns the events above a number, in order.
func (r *ring) since(number uint64) (found []Event) {
	for i := range r.n {
		if e := r.of[(r.next-r.n+i+kept)%kept]; e.Number > number {
			found = append(found, e)
		}
	}
	return found
}

// add keeps an event.
func (v *Events) add(e Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e.At = time.Now().UTC()
	if !v.dueLocked(&e) {
		return
	}
	v.last++
	e.Number = v.last
	switch e.Kind {
	case "login", "renewed", "rotated", "began", "ended", "refused":
		v.sessions.add(e)
	default:
		v.others.add(e)
	}
	if v.wake != nil {
		close(v.wake)
		v.wake = nil
	}
}

// dueLocked reports whether an event is shown. Failures while a store is away may be thousands
// a second, and so may new sessions.
func (v *Events) dueLocked(e *Event) bool {
	switch e.Kind {
	case "failed", "backup", "dropped", "overflow", "badvalue", "early", "began", "renewed", "rotated":
	default:
		return true
	}
	if v.recent == nil {
		v.recent = map[frequent]*recently{}
	}
	key := frequent{e.Kind, e.Shard}
	last := v.recent[key]
	if last == nil {
		last = &recently{}
		v.recent[key] = last
	}
	if e.At.Sub(last.at) < time.Second {
		last.unseen++
		return false
	}
	e.Unseen = last.unseen
	*last = recently{at: e.At}
	return true
}

// since returns the events above a number, and a channel that the next one closes.
func (v *Events) since(number uint64) ([]Event, <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.wake == nil {
		v.wake = make(chan struct{})
	}
	if number > v.last {
		number = 0 // of an earlier process: all that this one has
	}
	return merge(v.sessions.since(number), v.others.since(number)), v.wake
}

// merge puts two runs of events in order.
func merge(a, b []Event) []Event {
	all := make([]Event, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].Number < b[0].Number {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}
