package storage

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/mechanism"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
)

// Save writes st over a version.
func (s *Storage) Save(ctx context.Context, id string, st state.State, over record.Version) (record.Version, error) {
	c, err := s.Shards.AllowSave(ctx, id)
	if err != nil {
		return record.Absent, err
	}
	v, err := s.Put(ctx, c, failover.Save, st, over)
	if err == nil {
		s.Saves.Add(1)
	}
	return v, err
}

// Put is Save for a caller that has the breaker's permission. The save has
// SaveTimeout to itself, and goes on when the client leaves: the changes of a
// handler are saved even if no client waits for the answer.
func (s *Storage) Put(ctx context.Context, c failover.Call, operation failover.Operation, st state.State, over record.Version) (record.Version, error) {
	if over == record.Absent && s.Without.Lacks(mechanism.RestoreByCreate) {
		over = record.Any
	}
	data, expires, err := s.Encode(ctx, st)
	if err != nil {
		return record.Absent, err
	}
	if st.Dead() && recordid.IsRevocation(c.ID) {
		expires = st.Death.Dot.Time().Add(s.UserLife)
	}
	budget := s.saving.After(ctx, time.Now(), s.SaveTimeout)
	if c.Patient {
		budget = s.delivering.After(ctx, s.SaveTimeout)
	}
	v, err := s.Store.Save(budget, c.ID, data, expires, over)
	c.Quick = isQuick(budget)
	switch {
	case err == nil:
		c.Answered(ctx, failover.SaveOf(over))
		return v, nil
	case errors.Is(err, failure.ErrConflict):
		c.Answered(ctx, failover.NoWork)
		s.Conflicts.Add(1)
		return record.Absent, err
	case errors.Is(err, failure.ErrTooLarge):
		c.Answered(ctx, failover.NoWork)
		return record.Absent, err
	}
	s.Shards.CountFailure(ctx, operation, c.ID, err)
	c.Failed(ctx, failover.SaveOf(over), err)
	return record.Absent, &failure.Away{Cause: err}
}

// Attempts returns the time at which an operation that meets other writers gives up.
// Each load and save that it makes has a whole budget of its own.
func (s *Storage) Attempts() (end time.Time) { return s.Clock.Now().Add(s.SaveTimeout) }
