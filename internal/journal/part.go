package journal

import (
	"slices"
	"time"
)

// part is what a journal holds of one shard. It stays when it is empty, for its
// figures: a store has few shards.
type part struct {
	pending        chain[Tombstone]
	hints, reading chain[heldCopy]

	again    int                  // pending tombstones that the shard had before it lost its data
	waiting  [2][maxTries + 1]int // pending tombstones by whether they are blind, and by tries
	earliest time.Time            // no copy was delivered before; zero: none was delivered

	bytes           int64
	delivered, lost uint64
}

// maxTries is the highest count of attempts that failed.
const maxTries = 255

// partLocked returns the part of a shard.
func (j *Journal) partLocked(shard string) *part {
	p := j.parts[shard]
	if p == nil {
		p = new(part)
		j.parts[shard] = p
	}
	return p
}

// count counts a tombstone, or takes it out of the count with n = -1.
func (p *part) count(t *Tombstone, n int) {
	blind := 0
	if t.blind() {
		blind = 1
	}
	p.waiting[blind][t.tries] += n
	if t.Again {
		p.again += n
	}
}

// waits reports whether a pending tombstone has fewer than most tries, of those
// that are blind or of the others.
func (p *part) waits(blind, most int) bool {
	for _, n := range p.waiting[blind][:min(most, maxTries+1)] {
		if n > 0 {
			return true
		}
	}
	return false
}

// sees lowers the time of the earliest delivery to that of a copy that was delivered then;
// zero: it was not delivered.
func (p *part) sees(delivered time.Time) {
	switch {
	case delivered.IsZero():
	case p.earliest.IsZero(), delivered.Before(p.earliest):
		p.earliest = delivered
	}
}

// Stats are what a journal holds, and what has left it for good.
type Stats struct {
	States, Tombstones int // states that the store lacks, and tombstones that it never had
	Again              int // tombstones that it had, and lost
	Known              int // all tombstones, of all shards: those that the store has are of no shard
	Early              int // tombstones that left the revocation set before their time, because it was full
	SetBytes           int // what the revocation set takes up
	Reading            int // copies kept for reading
	Bytes              int64
	Delivered, Lost    uint64 // ever: what the store has taken, and what was dropped although it lacks it
}

func (p *part) stats() Stats {
	return Stats{
		States: p.hints.n, Tombstones: p.pending.n - p.again, Again: p.again,
		Reading: p.reading.n, Bytes: p.bytes, Delivered: p.delivered, Lost: p.lost,
	}
}

// Stats returns the figures of a shard as they are now. Delivered and Lost never
// decrease, whatever becomes of the store's layout.
func (j *Journal) Stats(shard string) Stats {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if p := j.parts[shard]; p != nil {
		return p.stats()
	}
	return Stats{}
}

// Total returns the figures of all shards together, as they are now. It takes
// time in proportion to the number of shards.
func (j *Journal) Total() (all Stats) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	for _, p := range j.parts {
		s := p.stats()
		all.States += s.States
		all.Tombstones += s.Tombstones
		all.Again += s.Again
		all.Reading += s.Reading
		all.Bytes += s.Bytes
		all.Delivered += s.Delivered
		all.Lost += s.Lost
	}
	all.Known = len(j.tombstones) + j.settled.set.Len()
	all.Early = j.settled.early()
	all.SetBytes = j.settled.set.Bytes()
	return all
}

// CountLost counts a state that a shard lacks and for which there was no room, or no session.
func (j *Journal) CountLost(shard string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.partLocked(shard).lost++
}

// Early returns how many tombstones have left the revocation set before their time.
func (j *Journal) Early() int {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.settled.early()
}

// Owes reports whether a shard lacks anything.
func (j *Journal) Owes(shard string) bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	p := j.parts[shard]
	return p != nil && p.pending.n+p.hints.n > 0
}

// Move gives the entries of a shard to others, because the layout of the store
// has changed: each to the one that assign names for its session, the same shard
// included. Their order by age stays; attempts to deliver are counted anew. Move
// returns the names, sorted, of the shards that were given something that they
// lack. assign is called with the journal locked, and so is whenPending, for each
// shard that was given a pending tombstone: a breaker that it tells cannot let
// the shard serve before it knows. Move takes time in proportion to what the
// shard has.
func (j *Journal) Move(shard string, assign func(id string) string, whenPending func(shard string)) (owed []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := j.parts[shard]
	if from == nil {
		return nil
	}
	got := make(map[string]bool) // whether a pending tombstone is among it
	for n := range from.pending.all(byShard) {
		to := assign(n.value.ID)
		if to == shard {
			continue
		}
		from.count(&n.value, -1)
		n.value.tries = 0
		moveNodeLocked(j, n, to)
		j.placeTombstoneLocked(n)
		n.part.count(&n.value, +1)
		got[to] = true
	}
	for _, c := range []*chain[heldCopy]{&from.hints, &from.reading} {
		for n := range c.all(byShard) {
			to := assign(n.value.ID)
			if to == shard {
				continue
			}
			moveNodeLocked(j, n, to)
			j.placeCopyLocked(n)
			if _, ok := got[to]; n.value.owed && !ok {
				got[to] = false
			}
		}
	}
	for to, pending := range got {
		owed = append(owed, to)
		if pending {
			whenPending(to)
		}
	}
	slices.Sort(owed)
	return owed
}

// moveNodeLocked makes n an element of another shard. It is still in the old one's chain.
func moveNodeLocked[T any](j *Journal, n *node[T], shard string) {
	j.chargeLocked(n.part, -n.size)
	n.part = j.partLocked(shard)
	j.chargeLocked(n.part, n.size)
}
