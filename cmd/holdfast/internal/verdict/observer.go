// Package verdict decides when a monitor orders a fleet to leave its store alone:
// observer.go makes an observer's vote of its probes, board.go counts the votes,
// verdict.go decides by them, order.go says what has to be written. The package is pure:
// it reads no clock and does no I/O.
package verdict

import "time"

// Vote is what an observer says of a shard.
type Vote string

// The votes. Any other word counts as Abstain.
const (
	Up      Vote = "up"
	Down    Vote = "down"
	Abstain Vote = "abstain" // the observer does not trust itself, or has not probed yet
)

const (
	fall = 2 // failed probes in a row until an observer votes down
	rise = 3 // good probes in a row until it votes up
)

// Probed is what an observer saw of a shard at one moment.
type Probed struct {
	At     time.Time // when the probe was over
	Failed bool

	// Serving of Asked instances report that the shard serves them. Instances that leave
	// the store alone by an order, or do not answer, count for neither.
	Serving, Asked int
}

// Observer makes the vote of one observer on one shard. The zero Observer is not usable:
// set Every first.
type Observer struct {
	Every time.Duration // between two probes

	last   time.Time
	failed int // in a row
	good   int // in a row
	late   int // probes until it trusts itself again
	vote   Vote
}

// See takes the result of a probe and returns the vote.
func (o *Observer) See(p Probed) Vote {
	late := !o.last.IsZero() && p.At.Sub(o.last) > 3*o.Every
	o.last = p.At
	switch {
	case late:
		// The observer's own loop stood still: the failures may be of its own slowness.
		o.failed, o.good = 0, 0
		o.late = rise
	case o.late > 0:
		o.late--
	}
	if p.Failed {
		o.failed++
		o.good = 0
	} else {
		o.good++
		o.failed = 0
	}
	switch {
	case o.failed >= fall:
		o.vote = Down
	case o.good >= rise:
		o.vote = Up
	case o.vote == "":
		o.vote = Abstain
	}
	if o.late > 0 {
		return Abstain
	}
	// Where most instances are served, the observer is the one that is cut off.
	if o.vote == Down && 2*p.Serving > p.Asked {
		return Abstain
	}
	return o.vote
}
