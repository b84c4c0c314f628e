package verdict

import "time"

// Rules set how long the store has to be down before an order is given, and how long the
// order stands.
type Rules struct {
	DownAfter time.Duration // how long a majority has to say so

	// Hold is how long an order stands at least. Each order that comes within Memory of
	// the one before doubles it, up to MaxHold: a store that flaps is left alone for
	// longer and longer.
	Hold, MaxHold, Memory time.Duration

	Order time.Duration // how long an order is good for that nobody renews
}

// Defaults are the Rules of a monitor.
var Defaults = Rules{
	DownAfter: 5 * time.Second,
	Hold:      30 * time.Second,
	MaxHold:   10 * time.Minute,
	Memory:    10 * time.Minute,
	Order:     time.Minute,
}

// State is the common decision of a fleet's monitors. They share it at the
// coordinator, by compare-and-set: the first monitor to write decides for all, and a
// monitor that starts knows the earlier decisions.
type State struct {
	Down  bool      `json:"down"`
	Since time.Time `json:"since,omitzero"`  // of Down
	Flaps int       `json:"flaps,omitempty"` // orders before this one, each within Memory of the next
}

// Next returns the state after now, by what the board of one monitor says. The time for
// which a majority has said so is not part of the state: a monitor that could not read for
// a while does not know whether the majority has said so all the time.
func (r Rules) Next(s State, says Reading, now time.Time) State {
	switch {
	case !says.Ready:
	case s.Since.Sub(now) > MostSkew:
		// A monitor whose clock was ahead has written the state, which would stand until
		// then.
		s.Since = now
	case s.Down && !says.Down && now.Sub(s.Since) >= r.hold(s.Flaps):
		return State{Since: now, Flaps: s.Flaps}
	case !s.Down && says.Down && says.For >= r.DownAfter:
		flaps := 0
		if recent := !s.Since.IsZero() && now.Sub(s.Since) < r.Memory; recent {
			flaps = s.Flaps + 1
		}
		return State{Down: true, Since: now, Flaps: flaps}
	}
	return s
}

// hold is how long the order stands at least that comes after so many others.
func (r Rules) hold(flaps int) time.Duration {
	d := r.Hold
	for range flaps {
		if d = min(2*d, r.MaxHold); d == r.MaxHold {
			break
		}
	}
	return d
}
