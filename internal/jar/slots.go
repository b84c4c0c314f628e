package jar

import (
	"slices"
	"sync"
	"time"
)

// Slots gives out cookies, so that of the answers of one session that are on
// their way at the same time none overwrites or deletes what another set. They
// are on their way, as the browser sees it, from the request until the answer
// has arrived there, which is longer than the request lasts here.
//
// The zero Slots is ready. It may be used concurrently. It forgets a session when no
// request or answer of it is under way.
type Slots struct {
	Cookies int // how many there are; 0: Most. Not to be changed once a request has entered

	mu       sync.Mutex
	sessions map[string]*session
	clock    uint64 // counts events, to order them

	// Visits that have left and whose copies no request has carried back yet, the
	// first to expire first.
	oldest, newest *Visit
}

// session is what the requests of one session hold, by each of its IDs.
type session struct {
	id      string   // empty where it has none yet
	also    []string // its other IDs
	visits  int      // that have not left
	answers []*Visit // that set a copy which no request has shown, oldest first
	held    ledger   // the cookies that they carried or set
	set     ledger   // the cookies that they set
	into    *session // where this one went, if it was the same as another
}

// sessions are those of which nothing is under way. Most are entered and forgotten with
// each request.
var sessions = sync.Pool{New: func() any { return new(session) }}

const (
	// unseen is the time after which an answer that no request has shown counts as
	// arrived.
	unseen = 30 * time.Second

	// mostAnswers bounds the answers that a session remembers, so that no visitor can
	// make it grow. The oldest go first.
	mostAnswers = 16
	mostIDs     = 16
)

// Enter notes that a request begins which may send a copy. It carried these
// cookies, and in them the copies of these names: the answers that set them
// have arrived. An empty id is that of a session which has no ID yet; see Also. The
// caller must call Leave.
func (s *Slots) Enter(id string, carried Mask, names []string, now time.Time) *Visit {
	v := &Visit{slots: s, carried: carried & all}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweepLocked(now)
	j := s.sessions[id]
	if j == nil {
		j = sessions.Get().(*session)
		j.id = id
		if id != "" {
			s.nameLocked(id, j)
		}
	}
	for i := 0; i < len(j.answers); {
		if a := j.answers[i]; slices.Contains(names, a.name) || a.expired(now) {
			a.releaseLocked()
		} else {
			i++
		}
	}
	v.session = j
	v.busy, v.theirs = j.held.now(), j.set.now()
	v.holdLocked()
	j.visits++
	return v
}

func (s *Slots) nameLocked(id string, j *session) {
	if s.sessions == nil {
		s.sessions = make(map[string]*session)
	}
	s.sessions[id] = j
}

// sweepLocked forgets answers that no request has shown to have arrived, more of them in
// one call than one call can add.
func (s *Slots) sweepLocked(now time.Time) {
	for range 2 {
		v := s.oldest
		if v == nil || !v.expired(now) {
			return
		}
		j := v.homeLocked()
		v.releaseLocked()
		s.forgetLocked(j)
	}
}

// forgetLocked drops a session of which no request or answer is under way.
func (s *Slots) forgetLocked(j *session) {
	if j.visits > 0 || len(j.answers) > 0 {
		return
	}
	delete(s.sessions, j.id)
	for _, id := range j.also {
		delete(s.sessions, id)
	}
	*j = session{}
	sessions.Put(j)
}

// queueLocked puts a visit that has left behind all others.
func (s *Slots) queueLocked(v *Visit) {
	v.before = s.newest
	if s.newest == nil {
		s.oldest = v
	} else {
		s.newest.after = v
	}
	s.newest = v
	v.queued = true
}

func (s *Slots) unqueueLocked(v *Visit) {
	if v.before == nil {
		s.oldest = v.after
	} else {
		v.before.after = v.after
	}
	if v.after == nil {
		s.newest = v.before
	} else {
		v.after.before = v.before
	}
	v.before, v.after = nil, nil
	v.queued = false
}

// alsoLocked gives j another ID. The session that was known by it is the same one.
func (s *Slots) alsoLocked(j *session, id string) {
	other := s.sessions[id]
	if other == j {
		return
	}
	ids := []string{id}
	if other != nil {
		ids = append(other.also, other.id)
		s.clock++
		j.held.join(&other.held, s.clock)
		j.set.join(&other.set, s.clock)
		j.visits += other.visits
		j.answers = append(j.answers, other.answers...)
		other.into, other.answers = j, nil
	}
	for _, id := range ids {
		s.nameLocked(id, j)
		if j.id == "" {
			j.id = id
		} else {
			j.also = append(j.also, id)
		}
	}
	j.bound()
	for len(j.also) > mostIDs {
		delete(s.sessions, j.also[0])
		j.also = slices.Delete(j.also, 0, 1)
	}
}

// bound drops the oldest answers beyond mostAnswers.
func (j *session) bound() {
	for len(j.answers) > mostAnswers {
		j.answers[0].releaseLocked()
	}
}

// Len is the number of IDs of sessions of which a request or an answer is under way.
func (s *Slots) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}
