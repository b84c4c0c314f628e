package journal

import "github.com/holdfast-go/session/internal/state"

// Undelivered is what the store lacks of a session: a hint, or a tombstone that is
// pending. A session has at most one of them.
type Undelivered struct {
	Hint      *state.Copy // nil: it is a tombstone
	Anonymous bool        // the hint is of an anonymous session, see Add
	Tombstone Tombstone
}

// Undelivered returns what the store lacks of a session, and reports whether it
// lacks anything.
func (j *Journal) Undelivered(id string) (u Undelivered, ok bool) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if n := j.hints[id]; n != nil {
		c := n.value.Copy
		return Undelivered{Hint: &c, Anonymous: n.value.anonymous}, true
	}
	n := j.tombstones[id]
	if n == nil {
		return Undelivered{}, false
	}
	u.Tombstone = n.value
	u.Tombstone.tries = 0
	return u, true
}

// UndeliveredIDs lists the sessions of which the store lacks something, in no
// order.
func (j *Journal) UndeliveredIDs() []string {
	j.mu.RLock()
	defer j.mu.RUnlock()
	var ids []string
	for _, p := range j.parts {
		for n := range p.pending.all(byShard) {
			ids = append(ids, n.value.ID)
		}
		for n := range p.hints.all(byShard) {
			ids = append(ids, n.value.ID)
		}
	}
	return ids
}

// OwesAny reports whether any shard lacks anything.
func (j *Journal) OwesAny() bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	for _, p := range j.parts {
		if p.pending.n+p.hints.n > 0 {
			return true
		}
	}
	return false
}

// changedLocked calls Changed, if it is set.
func (j *Journal) changedLocked(id string, lacks bool) {
	if j.Changed != nil {
		j.Changed(id, lacks)
	}
}
