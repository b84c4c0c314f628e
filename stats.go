package session

import (
	"fmt"
	"slices"
)

// ShardState is whether a shard of the store is asked.
type ShardState uint8

// A shard goes from Serving to Away, and back over Returning.
const (
	Serving   ShardState = iota
	Away                 // visitors' requests are not sent to it
	Returning            // it answers again, and sessions with a backup are still served from that
)

var shardStates = []string{Serving: "serving", Away: "away", Returning: "returning"}

func (s ShardState) String() string {
	if int(s) >= len(shardStates) {
		return fmt.Sprintf("ShardState(%d)", uint8(s))
	}
	return shardStates[s]
}

// MarshalText returns the word that String has: "serving", "away" or
// "returning".
func (s ShardState) MarshalText() ([]byte, error) {
	if int(s) >= len(shardStates) {
		return nil, fmt.Errorf("session: %v is no state of a shard", s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText takes a word that MarshalText returns, and no other.
func (s *ShardState) UnmarshalText(word []byte) error {
	i := slices.Index(shardStates, string(word))
	if i < 0 {
		return fmt.Errorf("session: %q is no state of a shard", word)
	}
	*s = ShardState(i)
	return nil
}

// Cause is why a shard is away, in words for people. It is empty while the
// shard serves.
type Cause string

// The causes of being away.
const (
	CauseFailures   Cause = "5 failures in a row"
	CauseHalfFailed Cause = "half of the last second's operations failed or were slow"
	CauseOverride   Cause = "by order of the operator" // the Mode is BackupOnly
	CauseSaves      Cause = "it loads and does not save"
)

func (c Cause) String() string { return string(c) }
