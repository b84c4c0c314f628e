package failover

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
)

// State is whether a shard is asked.
type State uint8

// The states of a shard. Package session has them under the same names.
const (
	Serving   State = iota
	Away            // visitors' requests are not sent to it
	Returning       // sessions without a copy that vouches are let through
	ReadsOnly       // it answers loads, and is sent no saves because it refuses them
)

// ShardStats are what is known of a shard.
type ShardStats struct {
	Name       string
	State      State
	Since      time.Time     // when State became what it is
	Cause      circuit.Cause // why it does not serve; circuit.Nothing: it serves
	Mode       circuit.Mode  // the operator's mode
	Quarantine time.Duration // how long "nothing" still counts as no answer

	Heard     time.Time // when the last exchange began that read all of the other instances' logs; zero: none
	Told      time.Time // when the last one began after which the shard had all of this instance's log; zero: none
	Members   int       // live instances that the members record names, this one included
	Evictions uint64    // records that the shard's server has dropped before their time since this process first asked

	words string // what the breaker that keeps it from serving says
}

// statusOf returns the status of a shard from those of its breakers.
func statusOf(name string, loads, saves circuit.Status) ShardStats {
	st := ShardStats{Name: name, Since: loads.Since, Mode: loads.Mode, Quarantine: loads.Quarantine}
	switch {
	case loads.State == circuit.Away:
		st.State = Away
		st.Cause, st.words = loads.Cause, loads.String()
	case loads.State == circuit.Returning:
		st.State = Returning
		st.Cause, st.words = loads.Cause, loads.String()
	case saves.State != circuit.Serving:
		st.State = ReadsOnly
		st.Cause, st.words = circuit.SavesFailed, saves.String()
		st.Since = later(loads.Since, saves.Since)
	default:
		st.Since = later(loads.Since, saves.Since)
	}
	return st
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// explain returns err or, if nothing failed just now, an error that says why the shard does
// not serve, or that only saves fail.
func (s ShardStats) explain(err error) error {
	switch {
	case err == nil:
		return errors.New("session: " + s.words)
	case s.State == ReadsOnly:
		return fmt.Errorf("session: %v: %w", s.Cause, err)
	}
	return err
}
