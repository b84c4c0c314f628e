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

// Call is one operation on the store, which the shard's breaker has allowed.
type Call struct {
	all    *Shards
	ID     string
	shard  *Shard // nil where there is no backup
	ticket circuit.Ticket
	Budget time.Duration
}

// Call asks for permission to ask the store. vouched says that the visitor can do
// without it. Its error is failure.ErrNotAsked.
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

// Answered notes that the store did what it was asked, or said why not: then w is
// NoWork.
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

// Failed notes that the store failed. The end of a request is no failure.
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

// maxFailedSaves is how many saves of a kind fail in a row until a shard is away.
const maxFailedSaves = 5

// saveFailed notes that a save failed, or a compare-and-set that had to succeed. A
// shard that loads may be unable to save, as a replica or a full one is, or to
// do one kind of save: it goes away then.
func (s *Shard) saveFailed(ctx context.Context, w Work, err error) {
	if s.failures(w).Add(1) == maxFailedSaves {
		s.onChange(ctx, err)(s.breaker.Trip(s.all.Clock.Now(), circuit.SavesFailed))
	}
}

// Refused notes that the store answered a save with a conflict where nobody else
// can have written: under an ID that nobody knows yet, or over the version that
// stood there before and after. It returns an error that says so.
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

// answered notes that an operation worked, where there is no breaker.
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

// CountFailure counts an operation that the store failed, and tells the hooks.
func (a *Shards) CountFailure(ctx context.Context, operation Operation, id string, err error) {
	a.Failures.Add(1)
	if a.Hooks.Failed != nil {
		a.Hooks.Failed(ctx, a.Store.Shard(id), operation, id, err)
	}
}
