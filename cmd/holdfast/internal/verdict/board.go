package verdict

import "time"

// Ballot is what an observer writes for the others: its votes by shard. Seq is another
// number each time, so that a reader sees that the observer lives without comparing
// clocks.
//
// Observers is how many are configured at this one, and At what its clock showed: monitors
// that differ there must not act. Both are zero in the ballot of an older version.
type Ballot struct {
	Seq       uint64          `json:"seq"`
	Votes     map[string]Vote `json:"votes"`
	Observers int             `json:"observers,omitempty"`
	At        time.Time       `json:"at,omitzero"`
}

// MostSkew is how far the clocks of monitors may differ. A ballot may be seconds old when
// it is read.
const MostSkew = 10 * time.Second

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
	seq  uint64
	at   time.Time // when this monitor saw it first
	new  bool      // it was seen to change
	skew bool      // its observer's clock differed from this monitor's then
}

// Reading is what a Board says at one moment.
type Reading struct {
	// Down reports whether the store is down: for more than half of its shards, a
	// majority of the configured observers says so. For is how long it has said so
	// without a gap.
	Down bool
	For  time.Duration

	// Ready is false where this monitor has not read for long enough to know which
	// ballots are fresh, and where it is Skewed. Such a reading decides nothing.
	Ready bool

	// Skewed reports whether the clocks of half of the living monitors differ from this
	// one's, which gives orders an end by its own.
	Skewed bool

	// Observers is the number that was counted with: the largest that a living monitor is
	// configured with, or how many live where those are more.
	Observers int
}

// Count takes all ballots that stand at now, by observer.
func (b *Board) Count(now time.Time, ballots map[string]Ballot) Reading {
	if b.last.IsZero() || now.Sub(b.last) > b.Fresh/2 {
		b.began = now
		b.seen = map[string]sight{} // no ballot is fresh, so the count is not down
	}
	b.last = now
	type tally struct{ named, down int }
	votes := map[string]tally{} // by shard
	observers := b.Observers
	living := 0
	skewed := 0
	for name, ballot := range ballots {
		s := b.see(now, name, ballot)
		if !s.new || now.Sub(s.at) > b.Fresh {
			continue
		}
		living++
		skewed += one(s.skew)
		observers = max(observers, ballot.Observers)
		for shard, vote := range ballot.Votes {
			v := votes[shard]
			votes[shard] = tally{v.named + 1, v.down + one(vote == Down)}
		}
	}
	observers = max(observers, living)
	known, failed := 0, 0
	for _, v := range votes {
		// A shard that a minority names is of another store, or of before.
		known += one(2*v.named > observers)
		failed += one(2*v.down > observers)
	}
	r := Reading{
		Down:      2*failed > known,
		Skewed:    skewed > 0 && 2*skewed >= living,
		Observers: observers,
	}
	r.Ready = now.Sub(b.began) >= b.Fresh && !r.Skewed
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

// see returns the sight of a ballot that stands at now.
func (b *Board) see(now time.Time, name string, ballot Ballot) sight {
	s, known := b.seen[name]
	if !known || s.seq != ballot.Seq {
		s = sight{seq: ballot.Seq, at: now, new: known}
		s.skew = !ballot.At.IsZero() && now.Sub(ballot.At).Abs() > MostSkew
		b.seen[name] = s
	}
	return s
}

// Gone returns the observers whose ballots have not changed for so long, by the last
// Count.
func (b *Board) Gone(after time.Duration) []string {
	var names []string
	for name, s := range b.seen {
		if b.last.Sub(s.at) > after {
			names = append(names, name)
		}
	}
	return names
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
