package circuit

import (
	"fmt"
	"strings"
	"time"
)

// State says which requests are sent to a shard.
type State uint8

// A breaker goes from Serving to Away, and back over Returning.
const (
	Serving   State = iota
	Away            // no visitor's request is sent
	Returning       // the last probe was good; requests without a copy are sent
)

func (s State) String() string { return [...]string{"serving", "away", "returning"}[s] }

// Cause is why a shard counts as away.
type Cause uint8

// While Returning, a probe that is not good makes a shard Away again, and the
// cause remains what it was.
const (
	Nothing Cause = iota
	FailuresInARow
	HalfFailed
	Forced
	SavesFailed
)

func (c Cause) String() string {
	return [...]string{
		"", "5 failures in a row", "half of the last second's operations failed or were slow", "by order of the operator",
		"it loads and does not save",
	}[c]
}

// Change is a change of state. The zero Change is none.
type Change struct {
	From, To State
	Cause    Cause         // of being away, which begins, goes on or ended
	After    time.Duration // how long it had been From
}

// String puts the change in words, for a log.
func (c Change) String() string {
	words := fmt.Sprintf("%v after %v %v", c.To, c.After.Round(time.Millisecond), c.From)
	if c.To == Away {
		words += ": " + c.Cause.String()
	}
	return words
}

// Status is a breaker at one moment.
type Status struct {
	State State
	Mode  Mode
	Since time.Time // when State became what it is
	Cause Cause     // of being away, now or the last time

	Operations, Bad int           // of the last second, since the last change
	GoodProbes      int           // in a row, while not Serving
	Owed            bool          // tombstones, while not Serving
	Quarantine      time.Duration // how long "nothing" still counts as no answer
}

// State returns the status.
func (b *Breaker) State(now time.Time) Status {
	at := now.Sub(b.origin)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = max(b.latest, at)
	b.window.forget(b.latest)
	return Status{
		State: b.state, Mode: b.mode, Since: b.origin.Add(b.since), Cause: b.cause,
		Operations: b.window.sum.operations, Bad: b.window.sum.bad,
		GoodProbes: b.good, Owed: b.owed && b.state != Serving,
		Quarantine: max(0, b.until-at),
	}
}

// String puts the status in words, for people.
func (s Status) String() string {
	var words strings.Builder
	words.WriteString(s.State.String())
	switch s.State {
	case Serving: // there is no more to say
	case Away:
		fmt.Fprintf(&words, ": %v", s.Cause)
	case Returning:
		fmt.Fprintf(&words, ": %d of %d good probes", min(s.GoodProbes, goodProbes), goodProbes)
		if s.Owed {
			words.WriteString(", tombstones not delivered")
		}
	}
	if s.Mode != Auto {
		fmt.Fprintf(&words, "; forced: %v", s.Mode)
	}
	if s.Quarantine > 0 {
		fmt.Fprintf(&words, "; lost its memory, nothing counts as no answer for %v", s.Quarantine.Round(time.Millisecond))
	}
	return words.String()
}
