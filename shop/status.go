package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/chain"
)

// status is the state of the sessions, for operators and their programs. It does not
// ask the store, so it is answered when the store is away.
type status struct {
	sessions *session.Manager
	store    string
	failures failures
	lever    operatorSwitch
}

func (s status) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	stats := s.sessions.Stats()
	word := "well"
	if stats.Failing {
		word = "failing"
	}
	type counts struct {
		Loads     uint64 `json:"loads"`
		Saves     uint64 `json:"saves"`
		Refreshes uint64 `json:"refreshes"`
		Conflicts uint64 `json:"conflicts"`
		Failures  uint64 `json:"failures"`
		Degraded  uint64 `json:"degraded"`
		Restores  uint64 `json:"restores"`
	}
	type owed struct {
		Sessions int `json:"sessions"`
		Ended    int `json:"ended"`
		Again    int `json:"endedAgain"`   // the store was told of them, and has lost its memory since
		Refused  int `json:"endedRefused"` // those among them that the store refuses
		Bytes    int `json:"bytes"`

		Oldest time.Time `json:"oldest,omitzero"` // when the change or the logout was made that has waited longest
	}
	reply(w, http.StatusOK, struct {
		State      string                       `json:"state"`
		Since      time.Time                    `json:"since"`
		Store      string                       `json:"store"`
		Shards     []shardStatus                `json:"shards"`
		Counts     counts                       `json:"counts"`
		Failures   map[session.Operation]uint64 `json:"failures"`
		Owed       owed                         `json:"owed"` // to the store
		Tombstones int                          `json:"tombstones"`
		Early      int                          `json:"tombstonesForgottenEarly"`
		Switch     *switchStatus                `json:"switch,omitempty"`
	}{
		word, stats.Since, s.store, newShardStatus(stats.Shards),
		counts{stats.Loads, stats.Saves, stats.Refreshes, stats.Conflicts, stats.Failures, stats.Degraded, stats.Restores},
		s.failures.read(),
		owed{stats.Journal.States, stats.Journal.Tombstones, stats.Journal.Again, stats.Journal.Refused, stats.Journal.Bytes, stats.Journal.Oldest},
		stats.Journal.Known, stats.Journal.Early,
		newSwitchStatus(s.lever),
	})
}

// shardStatus is how one part of the store is.
type shardStatus struct {
	Name       string             `json:"name,omitempty"`
	State      session.ShardState `json:"state"`
	Since      time.Time          `json:"since"`
	Cause      session.Cause      `json:"cause,omitempty"`
	Mode       session.Mode       `json:"mode"`
	Quarantine string             `json:"quarantine,omitempty"`

	// When the shop last knew what all other instances had ended, and they could know what
	// it has.
	Heard     time.Time `json:"heard,omitzero"`
	Told      time.Time `json:"told,omitzero"`
	Evictions uint64    `json:"evictions"`
}

func newShardStatus(shards []session.ShardStats) []shardStatus {
	all := []shardStatus{} // [] in JSON, also where there is no backup
	for _, s := range shards {
		shown := shardStatus{
			Name: s.Name, State: s.State, Since: s.Since, Cause: s.Cause, Mode: s.Mode,
			Heard: s.Heard, Told: s.Told, Evictions: s.Evictions,
		}
		if s.Quarantine > 0 {
			shown.Quarantine = s.Quarantine.Round(time.Millisecond).String()
		}
		all = append(all, shown)
	}
	return all
}

// failures counts what the store failed, by operation. Each operation counts from
// zero, so that an alarm can be set on one before it has ever failed.
type failures map[session.Operation]*atomic.Uint64

func newFailures() failures {
	return failures{
		session.OperationLoad:    {},
		session.OperationSave:    {},
		session.OperationRefresh: {},
		session.OperationDeliver: {},
		session.OperationAdopt:   {},
	}
}

// hooks returns h with f counting too.
func (f failures) hooks(h session.Hooks) session.Hooks {
	return chain.Hooks(h, session.Hooks{
		Failed: func(_ context.Context, operation session.Operation, _ session.ID, _ error) { f[operation].Add(1) },
	})
}

func (f failures) read() map[session.Operation]uint64 {
	now := make(map[session.Operation]uint64, len(f))
	for operation, n := range f {
		now[operation] = n.Load()
	}
	return now
}
