package failover

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/streak"
)

// Call is one operation on the store, with the ticket of the shard's breaker.
type Call struct {
	all    *Shards
	ID     string
	shard  *Shard // nil where there is no backup
	ticket circuit.Ticket
	Budget time.Duration
}

// Call returns a call for one operation on a session, if the shard's breaker admits
// it. vouched reports whether a copy can serve the session instead. Call fails with
// failure.ErrNotAsked where the breaker refuses.
func (a *Shards) Call(ctx context.Context, id string, vouched bool, budget time.Duration) (Call, error) {
	c := Call{all: a, ID: id, Budget: budget}
	if a.JournalBytes == 0 {
		return c, nil
	}
	c.shard = a.Of(id)
	c.shard.applyOverride(ctx)
	c.ticket = c.shard.breaker.Allow(a.Clock.Now(), vouched)
	if c.ticket.Answer == circuit.No {
		return c, failure.ErrNotAsked
	}
	return c, nil
}

// Answered notes that the store answered. w is the work that it did, or NoWork where
// the store gave a reason for not doing it.
func (c Call) Answered(ctx context.Context, w Work) {
	if c.shard == nil {
		c.all.answered(ctx, w, c.ID)
		return
	}
	if w == Putting || w == Swapping {
		c.shard.failures(w).Store(0)
	}
	c.shard.onChange(ctx, nil)(c.shard.breaker.Report(c.ticket, c.all.Clock.Now(), c.Budget, circuit.Answered))
}

// Failed notes that the store failed to do w. A caller does not report an operation
// that its own request cut short, which says nothing about the store.
func (c Call) Failed(ctx context.Context, w Work, err error) {
	if c.shard == nil {
		c.all.away(ctx, w, c.ID, err)
		return
	}
	s := c.shard
	s.onChange(ctx, err)(s.breaker.Report(c.ticket, c.all.Clock.Now(), c.Budget, circuit.Failed))
	if w != Loading && c.ticket.Answer != circuit.No {
		s.saveFailed(ctx, w, err)
	}
}

// maxFailedSaves is the number of failures in a row of one kind of save after which
// a shard counts as away.
const maxFailedSaves = 5

// saveFailed notes that a save failed, or a compare-and-set that no other writer can
// have kept from succeeding. A shard that answers loads may be unable to save, as a
// replica or a full server is, or unable to do one kind of save. Such a shard counts
// as away too.
func (s *Shard) saveFailed(ctx context.Context, w Work, err error) {
	if s.failures(w).Add(1) == maxFailedSaves {
		s.onChange(ctx, err)(s.breaker.Trip(s.all.Clock.Now(), circuit.SavesFailed))
	}
}

// Refused notes that the store reported a conflict which no other writer can have
// caused: the session's ID is new, or the same version stood there before and after
// the save. Refused counts this as a failed save and returns the error for the
// caller.
func (a *Shards) Refused(ctx context.Context, id string, over record.Version) error {
	err := fmt.Errorf("%w: the store refuses a save over what stands there", failure.ErrUnavailable)
	a.CountFailure(ctx, Save, id, err)
	if a.JournalBytes == 0 {
		a.away(ctx, SaveOf(over), id, err)
	} else {
		a.Of(id).saveFailed(ctx, SaveOf(over), err)
	}
	return err
}

// answered notes that an operation succeeded, where there is no breaker.
func (a *Shards) answered(ctx context.Context, w Work, id string) {
	if w == NoWork || a.health.ailing.Load() == 0 {
		return
	}
	shard := a.Store.Shard(id)
	if since, news := a.health.recover(shard, w); news && a.Hooks.Up != nil {
		a.Hooks.Up(ctx, Outage{Shard: shard, Since: since, Duration: time.Since(since)})
	}
}

// away notes that an operation failed, where there is no breaker.
func (a *Shards) away(ctx context.Context, w Work, id string, err error) {
	shard := a.Store.Shard(id)
	switch since, news := a.health.fail(shard, w); {
	case news == streak.Began && a.Hooks.Down != nil:
		a.Hooks.Down(ctx, shard, err)
	case news == streak.Lasts && a.Hooks.StillDown != nil:
		a.Hooks.StillDown(ctx, Outage{Shard: shard, Since: since, Duration: time.Since(since), Err: err})
	}
}

// CountFailure counts an operation that the store failed, and calls the Failed hook.
func (a *Shards) CountFailure(ctx context.Context, operation Operation, id string, err error) {
	a.Failures.Add(1)
	if a.Hooks.Failed != nil {
		a.Hooks.Failed(ctx, a.Store.Shard(id), operation, id, err)
	}
}
