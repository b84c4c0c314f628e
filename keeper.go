package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/state"
)

// What is owed is delivered at once when there is news of it, and then tried
// again after these times, whether or not the breaker has tripped.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second

	stint   = 500 * time.Millisecond // of delivering, until a probe may be due
	porters = 8                      // deliveries at once
)

// keep probes the shard each second, and delivers what it is owed, until ctx
// ends. It is the shard's one goroutine.
func (s *shard) keep(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next time.Time // delivery; zero: nothing is owed
	backoff := firstRetry
	for ctx.Err() == nil { // however much there is to deliver
		s.obey(ctx)
		s.settle(ctx)
		if _, err := s.probes.Canary(); err != nil {
			s.retire(ctx)
			return
		}
		ticket, wait := s.breaker.Probe(s.m.now())
		if wait == 0 {
			if s.probe(ctx, ticket) {
				next, backoff = s.m.now(), firstRetry
			}
			continue
		}
		if !next.IsZero() {
			until := next.Sub(s.m.now())
			if until <= 0 {
				switch more, err := s.deliver(ctx); {
				case err != nil:
					wait := backoff
					if q := s.breaker.State(s.m.now()).Quarantine; q > 0 {
						wait = min(wait, q) // what waits for its end goes out then
					}
					next, backoff = s.m.now().Add(wait), min(2*backoff, lastRetry)
				case more:
					next = s.m.now()
				default:
					next, backoff = time.Time{}, firstRetry
				}
				continue
			}
			wait = min(wait, until)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.wake:
			if next.IsZero() {
				next = s.m.now()
			}
		}
	}
}

// probe asks the shard how it is, and reports whether there may be something to
// deliver.
func (s *shard) probe(ctx context.Context, ticket circuit.Ticket) (deliver bool) {
	read, save := s.m.options.ReadTimeout, s.m.options.SaveTimeout
	limited, cancel := context.WithTimeout(ctx, save)
	err := s.look(limited, true)
	cancel()
	if err == nil {
		err = s.try(ctx)
	}
	budget := read + 2*save // what visitors' operations of these kinds have
	if _, ok := s.m.store.(Prober); ok {
		budget += read
	}
	outcome := circuit.Answered
	switch {
	case ctx.Err() != nil:
		outcome = circuit.Canceled
	case err != nil:
		outcome = circuit.Failed
	}
	s.tell(ctx, err)(s.breaker.Report(ticket, s.m.now(), budget, outcome))
	if ctx.Err() == nil {
		s.remind(ctx, err)
	}
	s.journal.Expire(s.m.now().UnixMilli())
	return outcome == circuit.Answered && (s.journal.Owes() || s.breaker.State(s.m.now()).State != circuit.Serving)
}

// deliver brings the shard what it is owed, tombstones first. It reports
// whether there is more, and an error where it is not the time.
func (s *shard) deliver(ctx context.Context) (more bool, err error) {
	if state := s.breaker.State(s.m.now()); state.State == circuit.Away || state.Mode == circuit.BackupOnly {
		return true, errAway
	}
	return s.handOver(ctx)
}

// handOver is deliver without asking how the shard is.
func (s *shard) handOver(ctx context.Context) (more bool, err error) {
	end := s.m.now().Add(stint)
	err = carry(end, s.m.now, s.journal.PendingTombstones(), func(g journal.Tombstone) error { return s.publish(ctx, g) })
	if waiting, blind := s.delivered(ctx); waiting && blind {
		return true, err
	}
	err = errors.Join(err, carry(end, s.m.now, s.journal.Hints(), func(d journal.Hint) error { return s.pay(ctx, d) }))
	return s.journal.Owes(), err
}

// delivered tells the breaker that the shard has its tombstones, if it has. It
// reports whether it has not, and whether one of those that wait could be
// written without asking anything.
func (s *shard) delivered(ctx context.Context) (waiting, blind bool) {
	var change circuit.Change
	var news bool
	waiting, blind = s.journal.Waiting(hopeless, func() { change, news = s.breaker.Delivered(s.m.now()) })
	s.tell(ctx, nil)(change, news)
	return waiting, blind
}

// hopeless is how often a shard that answers refuses a tombstone before it
// serves nevertheless. The tombstone goes on being tried.
const hopeless = 20

// carry runs do for each of l, some at once, until the time is up. One that
// fails does not keep the others from being done.
func carry[T any](end time.Time, now func() time.Time, l []T, do func(T) error) (err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(porters, len(l)) {
		wg.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for len(l) > 0 && now().Before(end) {
				next := l[0]
				l = l[1:]
				mu.Unlock()
				e := do(next)
				mu.Lock()
				if e != nil {
					err = e
				}
			}
		})
	}
	wg.Wait()
	return err
}

// publish brings the shard a tombstone.
func (s *shard) publish(ctx context.Context, g journal.Tombstone) error {
	ctx = context.WithoutCancel(ctx)
	known := g.Death // to the journal
	if g.Successor == "" {
		if err := s.m.entomb(ctx, s.anyway(ID(g.ID)), &g, Absent); err != nil {
			if errors.Is(err, errForgetful) {
				return err
			}
			s.journal.Refused(g.ID)
			return err
		}
		if g.EndedNothing() {
			s.journal.NothingToEnd(g.ID)
			return nil
		}
		if err := s.m.endNext(ctx, g, known.Reason); err != nil {
			return err
		}
	} else {
		_, err := s.m.execute(ctx, s.anyway(ID(g.ID)), g)
		if errors.Is(err, ErrEnded) {
			err = s.m.shardOf(ID(g.Successor)).bury(ctx, journal.Owed(g.Successor, s.m.tombstone(state.Revoked).Death))
		}
		if err != nil {
			if !errors.Is(err, errForgetful) {
				s.journal.Refused(g.ID)
			}
			return err
		}
	}
	s.journal.Arrived(g, known)
	return nil
}

// pay brings the shard a state: joined into what stands there, or created where
// nothing does and the state's lease still holds.
func (s *shard) pay(ctx context.Context, d journal.Hint) error {
	ctx = context.WithoutCancel(ctx)
	delivered := true
	err := s.m.settleDebt(ctx, d.Copy)
	switch {
	case errors.Is(err, ErrConflict), errors.Is(err, ErrUnavailable):
		return err
	case err != nil:
		delivered = false
		if s.m.hooks.Dropped != nil {
			s.m.hooks.Dropped(ctx, ID(d.ID), err)
		}
	}
	s.journal.Remove(d, delivered)
	return nil
}

// settleDebt fails with ErrUnavailable or ErrConflict where it is worth trying
// again.
func (m *Manager) settleDebt(ctx context.Context, b state.Copy) error {
	c := m.shardOf(ID(b.ID)).anyway(ID(b.ID))
	for end := m.attempts(); ; {
		r, err := m.read(ctx, c, true)
		st := r.state
		switch {
		case errors.Is(err, ErrNotFound):
			if m.foreign() && !b.Born || !m.vouches(witness{Copy: b, found: true}) {
				return fmt.Errorf("%w: %w", ErrLost, errStale)
			}
			if !m.restores.Allow(m.now(), m.backup.Restores) {
				return fmt.Errorf("%w: too many restores at once", ErrUnavailable)
			}
			var more state.Entries
			more, err = m.mayRestore(ctx, b, false)
			st = revive(r, b.State)
			st.Entries = state.JoinEntries(st.Entries, more)
		case err == nil && st.Dead():
			return m.settleLater(ctx, b, st.Death)
		case err == nil:
			joined := state.Join(st, b.State)
			if joined.Equal(st) {
				return nil
			}
			st = joined
		}
		if err != nil {
			return err
		}
		if _, err = m.put(ctx, c, OperationDeliver, st, r.version); !errors.Is(err, ErrConflict) || !m.now().Before(end) {
			return err
		}
	}
}

// anyway is a call that is not asked for: of the journal, whose deliveries say
// nothing about the shard that its breaker does not know.
func (s *shard) anyway(id ID) call {
	return call{m: s.m, id: id, shard: s, budget: s.m.options.SaveTimeout}
}

// retire is for a shard that has no sessions any more, because the store's
// layout has changed: what it was owed belongs to others now.
func (s *shard) retire(ctx context.Context) {
	s.m.shards.byName.CompareAndDelete(s.name, s)
	graves, debts := s.journal.Drain()
	for _, g := range graves {
		_ = s.m.shardOf(ID(g.ID)).bury(ctx, g) // it was in the journal: there is room
	}
	for _, b := range debts {
		s.m.shardOf(ID(b.ID)).owe(ctx, b)
	}
	if s.breaker.State(s.m.now()).State != circuit.Serving {
		s.m.health.mu.Lock()
		s.m.health.count(-1)
		s.m.health.mu.Unlock()
	}
}

// closeShards stops the keepers and makes a last attempt to deliver, until ctx
// ends. Its error says what is left.
func (m *Manager) closeShards(ctx context.Context) error {
	m.shards.mu.Lock()
	m.shards.closed = true
	m.shards.mu.Unlock()
	m.shards.close()
	m.shards.wg.Wait()
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		var left JournalStats
		m.shards.byName.Range(func(_, v any) bool {
			s := v.(*shard)
			if s.journal.Owes() && ctx.Err() == nil {
				_, _ = s.handOver(ctx)
			}
			left.add(s.journal.Stats())
			return true
		})
		if left.States+left.Tombstones+left.Again == 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("session: close: %d sessions and %d tombstones did not reach the store: %w", left.States, left.Tombstones+left.Again, ctx.Err())
		case <-timer.C:
		}
	}
}
