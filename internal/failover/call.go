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

// Call is one operation on the store, with the tickets of the shard's breakers.
type Call struct {
	all          *Shards
	ID           string
	shard        *Shard // nil: there is no backup
	loads, saves circuit.Ticket
	Budget       time.Duration

	// Quick: the answer took less than half of the budget, not counting the time in which this
	// process did not run.
	Quick   bool
	Patient bool // no visitor waits for it
}

// AllowLoad asks for permission to load from the store. vouched reports whether the
// visitor can do without it. Its error is failure.ErrNotAsked.
func (a *Shards) AllowLoad(ctx context.Context, id string, vouched bool) (Call, error) {
	c := Call{all: a, ID: id, Budget: a.ReadTimeout}
	if a.JournalBytes == 0 {
		return c, nil
	}
	c.shard = a.Of(id)
	c.shard.applyOverride(ctx)
	c.loads = c.shard.breaker.Allow(a.Clock.Now(), vouched)
	if c.loads.Answer == circuit.No {
		return c, failure.ErrNotAsked
	}
	return c, nil
}

// AllowSave asks for permission to save to the store, and to load what a save needs,
// for a visitor that can do without it. Its error is failure.ErrNotAsked.
func (a *Shards) AllowSave(ctx context.Context, id string) (Call, error) {
	c, err := a.AllowLoad(ctx, id, true)
	c.Budget = a.SaveTimeout
	if err != nil || c.shard == nil {
		return c, err
	}
	c.saves = c.shard.saves.Allow(a.Clock.Now(), true)
	if c.saves.Answer == circuit.No {
		return c, failure.ErrNotAsked
	}
	return c, nil
}

// HearLogs makes sure, until ctx ends, that this process has read in the logs which sessions
// of the shard have ended before it uses a load's answer. Otherwise a store that went back in
// time could show a session that has ended, or one whose tombstone it has lost. HearLogs
// waits until the logs were read for the first time, also those of the other shards of a
// store that is a Pinner: the session may have ended there, see layout. If the shard had lost
// its logs by then and has no record of the session (found is false), HearLogs reads the logs
// once more, because other instances write theirs again. It reports whether the answer may be
// used.
func (c *Call) HearLogs(ctx context.Context, found bool) bool {
	if c.shard == nil || c.shard.members.heard.Load() && c.all.layout.heard.Load() {
		return true
	}
	if !c.shard.members.waitForLogs(ctx, c.all.Clock.Now()) || !c.all.hearOtherLogs(ctx) {
		return false
	}
	if !found && c.shard.Quarantined() {
		_, _ = c.shard.look(ctx, false) // what cannot be heard now is heard by the next probe
	}
	return true
}

// TakesSaves reports whether the shard of a session is sent saves: one that answers
// loads may refuse them.
func (a *Shards) TakesSaves(id string) bool {
	return a.JournalBytes == 0 || a.Of(id).takesSaves()
}

func (s *Shard) takesSaves() bool {
	return s.saves.Allow(s.all.Clock.Now(), true).Answer != circuit.No
}

// Writable reports whether the shard takes saves, judged by the saves and probes of this process,
// even if the operator's StoreOnly mode admits all saves. A shard that no probe of this process has
// saved to yet counts as writable until a save fails. While a shard is not writable, no end of a
// session reaches the other instances through it.
func (s *Shard) Writable() bool { return s.writableAt(s.all.Clock.Now()) }

func (s *Shard) writableAt(now time.Time) bool {
	serves := s.saves.State(now).State == circuit.Serving
	failing := s.failedSaves[0].Load()+s.failedSaves[1].Load() > 0
	return serves && (s.tookSaves.Load() > 0 || !failing)
}

// Confirms reports whether a load that the shard is sent now confirms a lease: the shard is
// writable, and this process has seen it save.
func (s *Shard) Confirms(now time.Time) bool { return s.tookSaves.Load() > 0 && s.writableAt(now) }

// UnwritableFor reports whether the shard is not writable, and this process has seen no save
// succeed for a lease. A session without a tombstone in such a shard may have ended all the
// same.
func (s *Shard) UnwritableFor(lease time.Duration) bool {
	return !s.Writable() && s.all.Clock.Now().UnixMilli() >= s.tookSaves.Load()+lease.Milliseconds()
}

// exchanges is how many intervals pass at most between two exchanges that leave nothing unread,
// while all is well: an exchange waits up to ten for missing segments, and longer after a loss.
const exchanges = 20

// EndsHeardUntil returns the time until which this process has heard of each end of a session by
// others: until the last exchange, or, if the shard of the session takes no saves, until it last
// took one, because no instance can tell the others of an end without a save. Another exchange
// follows within the duration that it returns, while all is well. Call it only with a backup.
func (a *Shards) EndsHeardUntil(id string) (heard time.Time, within time.Duration) {
	s := a.Of(id)
	heard = s.members.Heard()
	within = exchanges * s.members.Interval()
	if saved := time.UnixMilli(s.tookSaves.Load()); !s.Writable() && saved.Before(heard) {
		return saved, within
	}
	return heard, within
}

// Writable is Shard.Writable for the shard of a session. Without a backup it reports true.
func (a *Shards) Writable(id string) bool { return a.JournalBytes == 0 || a.Of(id).Writable() }

// Answered notes that the store answered: w is what the store did, or NoWork if it refused.
func (c Call) Answered(ctx context.Context, w Work) {
	if c.shard == nil {
		c.all.answered(ctx, w, c.ID)
		return
	}
	if w == Putting || w == Swapping {
		c.shard.failures(w).Store(0)
	}
	c.report(ctx, w, nil, circuit.Answered)
}

// report counts an operation at the breaker of its kind, because the outcome of a save
// says nothing about loads.
func (c Call) report(ctx context.Context, w Work, err error, o circuit.Outcome) {
	breaker, ticket := c.shard.saves, c.saves
	if w == Loading {
		breaker, ticket = c.shard.breaker, c.loads
	}
	budget := c.Budget
	if c.Quick {
		budget = 0 // then it is not slow, whatever the clock says
	}
	c.shard.onChange(ctx, err)(breaker.Report(ticket, c.all.Clock.Now(), budget, o))
}

// Failed notes that the store failed to do w. The caller must not report an operation
// that ended because its request did, which says nothing about the store.
func (c Call) Failed(ctx context.Context, w Work, err error) {
	if c.shard == nil {
		c.all.away(ctx, w, c.ID, err)
		return
	}
	c.report(ctx, w, err, circuit.Failed)
	if w != Loading && c.saves.Answer != circuit.No {
		c.shard.saveFailed(ctx, w, err)
	}
}

// maxFailedSaves is how many saves of a kind fail in a row until a shard is sent none
// any more.
const maxFailedSaves = 5

// saveFailed notes that a save failed, or a compare-and-set that had to succeed. A
// shard that loads may be unable to save, as a replica or a full one is, or to do
// one kind of save. After maxFailedSaves of one kind, no save of any kind is sent
// to it.
func (s *Shard) saveFailed(ctx context.Context, w Work, err error) {
	if s.failures(w).Add(1) == maxFailedSaves {
		s.onChange(ctx, err)(s.saves.Trip(s.all.Clock.Now(), circuit.SavesFailed))
	}
}

// Refused notes that the store reported a conflict which no other writer can have
// caused: the session's ID is new, or the store had the same version before and after
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

// answered notes that an operation succeeded, if there is no breaker.
func (a *Shards) answered(ctx context.Context, w Work, id string) {
	if w == NoWork || a.health.ailing.Load() == 0 {
		return
	}
	shard := a.Store.Shard(id)
	if since, news := a.health.recover(shard, w); news && a.Hooks.Up != nil {
		a.Hooks.Up(ctx, Outage{Shard: shard, Since: since, Duration: time.Since(since)})
	}
}

// away notes that an operation failed, if there is no breaker, and tells the hooks
// of the third failure in a row and once a minute of an outage that lasts.
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
