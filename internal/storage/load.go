package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/session/internal/deadline"
	"github.com/holdfast-go/session/internal/failover"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/flight"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/state"
)

// Load asks the store for a session, within the read budget. Its error is
// failure.ErrNotFound where the store has no record of the session or an expired
// one, which out then has: a copy of a later use may go on from it. Every other
// error wraps failure.ErrUnavailable and the cause. Where this process has not heard yet
// which sessions have ended, it is a failure.Away, and out has the record all the same:
// what it holds is known, and not whether the session lives. vouched reports whether a
// copy can stand in for the store.
//
// Concurrent loads of one session are coalesced. A caller never joins a load that
// was already in flight, because its result may predate a write the caller has
// observed; it waits for that load and shares the next one. Where the store is
// slow, and past a cache, each caller loads alone.
//
// A load is on the stack of each request that waits for the store, so that frames
// are kept small from here down: out is the caller's.
func (s *Storage) Load(ctx context.Context, id string, vouched, fresh bool, out *record.Session) error {
	if failure.RequestOver(ctx) {
		return requestOver(ctx)
	}
	c, err := s.Shards.AllowLoad(ctx, id, vouched)
	if err != nil {
		return err
	}
	budget := s.reading.Within(ctx, time.Now(), s.ReadTimeout)
	if fresh && s.Store.Caches() {
		return s.loadAlone(ctx, budget, &c, true, out)
	}
	turn, asks := s.flights.Enter(id)
	if !asks {
		return s.loadTogether(ctx, turn, vouched, out)
	}
	defer turn.Leave()
	return s.loadAlone(ctx, budget, &c, false, out)
}

// requestOver is the error of a load whose request has ended.
//
//go:noinline
func requestOver(ctx context.Context) error {
	return fmt.Errorf("%w: %w", failure.ErrUnavailable, failure.OfRequest(ctx))
}

func (s *Storage) loadAlone(ctx, budget context.Context, c *failover.Call, fresh bool, out *record.Session) error {
	s.Loads.Add(1)
	err := s.readWithin(ctx, budget, c, fresh, true, out)
	absent := errors.Is(err, failure.ErrNotFound)
	if usable := err == nil && !out.State.Dead() || absent; !usable || c.HearLogs(budget, !absent) {
		return err
	}
	if failure.RequestOver(ctx) {
		*out = record.Session{}
		return requestOver(ctx)
	}
	return &failure.Away{Cause: errLogsUnread}
}

// errLogsUnread says why an answer of the store does not count.
var errLogsUnread = errors.New("session: it is not known yet which sessions have ended: the revocation logs were not read")

// loadAnswer is the result of a load, for all callers that share it.
type loadAnswer struct {
	record.Session
	err error
}

// patience is which part of ReadTimeout a load may wait for others. It is not
// taken from the load's own time: a store that had less than a whole
// ReadTimeout to answer has not failed.
const patience = 4

// loadTogether waits for the turn to load, or for the answer of a caller that has
// loaded since.
func (s *Storage) loadTogether(ctx context.Context, turn flight.Turn[string, loadAnswer], vouched bool, out *record.Session) error {
	id, wait := turn.Key, s.waiting.Within(ctx, time.Now(), s.ReadTimeout/patience)
	for asks := false; !asks; {
		o, slow := turn.Wait(wait)
		asks = o.Asks
		switch {
		case o.Answered:
			*out = o.Answer.Session
			return o.Answer.err
		case slow != nil:
			return s.loadNow(ctx, id, vouched, out)
		case !asks:
			turn, asks = s.flights.Enter(id)
		}
	}
	defer turn.Leave()
	err := s.loadNow(ctx, id, vouched, out)
	// The end of the request, and a shard that was not asked because a copy
	// vouches, are results of this caller only.
	own := failure.RequestOver(ctx) || errors.Is(err, failure.ErrNotAsked)
	isForAll := err == nil || errors.Is(err, failure.ErrNotFound) || !own
	if turn.Shared() && isForAll {
		turn.Answer(loadAnswer{*out, err})
	}
	return err
}

// loadNow is loadAlone after a wait: the shard may have gone away meanwhile, and
// the request may have ended.
func (s *Storage) loadNow(ctx context.Context, id string, vouched bool, out *record.Session) error {
	if failure.RequestOver(ctx) {
		return requestOver(ctx)
	}
	c, err := s.Shards.AllowLoad(ctx, id, vouched)
	if err != nil {
		return err
	}
	budget := s.reading.Within(ctx, time.Now(), s.ReadTimeout)
	return s.loadAlone(ctx, budget, &c, false, out)
}

// counts reports whether a record of the store is a session: its lifetime is not over, and its
// shard has not gone back in time further than the processes remember which sessions have
// ended.
//
// It does not ask whether the session is idle. The store knows that, because it keeps a record
// no longer than that (decision 86). By a clock that is an hour ahead of those of other
// instances, or was just put forward, all sessions in use would be idle. See use.
func (s *Storage) counts(id string, st *state.State, now time.Time) bool {
	if s.foreign() || st.Dead() {
		return true
	}
	return now.UnixMilli() < st.End && !s.Shards.Undone(id, *st)
}

// use counts the last use of a session that a visitor uses now, and that is idle by this
// process's clock, as a Refresh ago. To what the journal delivers it adds no time. A caller that
// only looks at the session takes what is noted.
func (s *Storage) use(out *record.Session, now time.Time) {
	if st := &out.State; !s.foreign() && !st.Dead() && s.Expired(*st, now) {
		out.Noted = st.LastSeen
		*st = s.Used(*st, now)
	}
}

// Used returns a session whose last use counts as a Refresh ago.
func (s *Storage) Used(st state.State, now time.Time) state.State {
	st.LastSeen = now.Add(-s.RefreshOf(&st)).UnixMilli()
	return st
}

// Read is Load past all caches, for a caller that may ask the shard. It is not
// coalesced.
func (s *Storage) Read(ctx context.Context, c failover.Call) (r record.Session, err error) {
	err = s.readWithin(ctx, s.budget(ctx, &c), &c, true, false, &r)
	return r, err
}

// budget returns the context of one load for a call.
func (s *Storage) budget(ctx context.Context, c *failover.Call) *deadline.Context {
	if c.Patient {
		return s.delivering.After(ctx, c.Budget)
	}
	return s.reading.Within(ctx, time.Now(), c.Budget)
}

// stalled reports whether budget ended a good while ago, although a load honors
// it: this process stood still, throttled or suspended, and the answer may have
// been waiting all along. The caller then asks once more, and the second answer
// counts, however late.
func stalled(budget context.Context) bool {
	at, _ := budget.Deadline()
	return time.Since(at) > longPause
}

// isQuick reports whether less than half of a budget is over.
func isQuick(budget context.Context) bool {
	d, ok := budget.(*deadline.Context)
	return ok && !d.Hurried()
}

// longPause is more than a busy scheduler makes of a timer.
const longPause = 20 * time.Millisecond

// readWithin asks the store. It fails with failure.ErrNotFound, with a failure.Away
// where the store failed, or with failure.ErrUnavailable where the store may be well
// and it is still unknown whether there is a session: the request has ended, or this
// program cannot read the record. visited says that a visitor uses the session now.
func (s *Storage) readWithin(ctx, budget context.Context, c *failover.Call, fresh, visited bool, out *record.Session) error {
	r, err := s.Store.Load(budget, c.ID, fresh)
	if err != nil && stalled(budget) && !failure.RequestOver(ctx) {
		r, err = s.Store.Load(s.budget(ctx, c), c.ID, fresh)
	}
	return s.take(ctx, budget, c, visited, &r, err, out)
}

// take makes out of what the store answered to a load. Its variables are not on the stack of a
// request that waits for the store.
//
//go:noinline
func (s *Storage) take(ctx, budget context.Context, c *failover.Call, visited bool, r *record.Record, err error, out *record.Session) error {
	absent := errors.Is(err, failure.ErrNotFound)
	switch {
	case r.Cached: // a cached answer says nothing about the store
	case err == nil, absent:
		c.Quick = isQuick(budget)
		c.Answered(ctx, failover.Loading)
	case !failure.RequestOver(ctx):
		c.Failed(ctx, failover.Loading, err)
		s.Shards.CountFailure(ctx, failover.Load, c.ID, err)
		return &failure.Away{Cause: err}
	}
	now := s.Clock.Now()
	if err == nil {
		if out.State, err = s.decode(r.Data, now); err != nil {
			s.Shards.CountFailure(ctx, failover.Load, c.ID, err)
			out.Unreadable = r.Version
		}
	}
	switch {
	case err == nil && s.counts(c.ID, &out.State, now):
		if visited {
			s.use(out, now)
		}
		out.Version, out.Cached = r.Version, r.Cached
		return nil
	case err == nil:
		out.Version = r.Version
		return failure.ErrNotFound
	case absent:
		return failure.ErrNotFound
	}
	return fmt.Errorf("%w: %w", failure.ErrUnavailable, err)
}
