package main

import (
	"net/http"
	"time"

	"github.com/holdfast-go/session"
)

// status tells how the sessions are. It does not ask the store, so it answers
// when the store does not.
type status struct {
	sessions *session.Manager
	store    string
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
	}
	reply(w, http.StatusOK, struct {
		State  string    `json:"state"`
		Since  time.Time `json:"since"`
		Store  string    `json:"store"`
		Counts counts    `json:"counts"`
		Owed   owed      `json:"owed"` // to the store
	}{
		word, stats.Since, s.store,
		counts{stats.Loads, stats.Saves, stats.Refreshes, stats.Conflicts, stats.Failures, stats.Degraded, stats.Restores},
		owed{stats.Journal.States, stats.Journal.Tombstones},
	})
}
