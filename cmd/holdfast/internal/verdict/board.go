package verdict

import "time"

// Ballot is what an observer writes for the others: its votes by shard. Seq is another
// number each time, so that a reader sees that the observer lives without comparing
// clocks.
type Ballot struct {
	Seq   uint64          `json:"seq"`
	Votes map[string]Vote `json:"votes"`
}

// Board counts the ballots that one monitor reads. The zero Board is not usable: set
// Observers and Fresh first.
type Board struct {
	Observers int           // that are configured, whether they live or not
	Fresh     time.Duration // how long a ballot counts that does not change

	began time.Time // of reading without a gap
	since time.Time // when the count became down; zero: it is not
	last  time.Time
	seen  map[string]sight
}

type sight struct {
	seq uint64
	at  time.Time // when this monitor saw it first
	new bool      // it was seen to change
}

// Reading is what a Board says at one moment.
type Reading struct {
	// Down reports whether the store is down: for more than half of its shards, a
	// majority of the configured observers says so. For is how long it has said so
	// without a gap.
	Down bool
	For  time.Duration

	// Ready is false where this monitor has not read for long enough to know which
	// ballots are fresh. Such a reading decides nothing.
	Ready bool
}

// Count takes all ballots that stand at now, by observer.
func (b *Board) Count(now time.Time, ballots map[string]Ballot) Reading {
	if b.last.IsZero() || now.Sub(b.last) > b.Fresh/2 {
		b.began = now
		b.seen = map[string]sight{} // no ballot is fresh, so the count is not down
	}
	b.last = now
	votes := map[string]int{} // for down, by shard
	for name, ballot := range ballots {
		s, known := b.seen[name]
		if !known || s.seq != ballot.Seq {
			s = sight{ballot.Seq, now, known}
			b.seen[name] = s
		}
		fresh := s.new && now.Sub(s.at) <= b.Fresh
		for shard, vote := range ballot.Votes {
			votes[shard] += one(fresh && vote == Down)
		}
	}
	failed := 0
	for _, n := range votes {
		failed += one(2*n > b.Observers)
	}
	r := Reading{Down: 2*failed > len(votes), Ready: now.Sub(b.began) >= b.Fresh}
	switch {
	case !r.Down:
		b.since = time.Time{}
	case b.since.IsZero():
		b.since = now
	default:
		r.For = now.Sub(b.since)
	}
	return r
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
