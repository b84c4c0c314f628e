package failover

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-go/session/internal/circuit"
	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/journal"
	"github.com/holdfast-go/session/internal/probe"
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
func (s *Shard) keep(ctx context.Context) {
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
		ticket, wait := s.breaker.Probe(s.all.Clock.Now())
		if wait == 0 {
			if s.probe(ctx, ticket) {
				next, backoff = s.all.Clock.Now(), firstRetry
			}
			continue
		}
		if !next.IsZero() {
			until := next.Sub(s.all.Clock.Now())
			if until <= 0 {
				switch more, err := s.deliver(ctx); {
				case err != nil:
					wait := backoff
					if q := s.breaker.State(s.all.Clock.Now()).Quarantine; q > 0 {
						wait = min(wait, q) // what waits for its end goes out then
					}
					next, backoff = s.all.Clock.Now().Add(wait), min(2*backoff, lastRetry)
				case more:
					next = s.all.Clock.Now()
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
				next = s.all.Clock.Now()
			}
		}
	}
}

// probe asks the shard how it is, and reports whether there may be something to
// deliver.
func (s *Shard) probe(ctx context.Context, ticket circuit.Ticket) (deliver bool) {
	read, save := s.all.ReadTimeout, s.all.SaveTimeout
	limited, cancel := context.WithTimeout(ctx, save)
	err := s.look(limited, true)
	cancel()
	if err == nil {
		err = s.try(ctx)
	}
	budget := read + 2*save // what visitors' operations of these kinds have
	if s.all.Store.Probes() {
		budget += read
	}
	outcome := circuit.Answered
	switch {
	case ctx.Err() != nil:
		outcome = circuit.Canceled
	case err != nil:
		outcome = circuit.Failed
	}
	s.tell(ctx, err)(s.breaker.Report(ticket, s.all.Clock.Now(), budget, outcome))
	if ctx.Err() == nil {
		s.remind(ctx, err)
	}
	s.journal.Expire(s.all.Clock.Now().UnixMilli())
	return outcome == circuit.Answered && (s.journal.Owes() || s.breaker.State(s.all.Clock.Now()).State != circuit.Serving)
}

// look asks whether the shard answers, and whether it holds what it should:
// thoroughly, or by its canary alone.
func (s *Shard) look(ctx context.Context, thoroughly bool) error {
	lost, known, err := s.probes.Look(ctx, thoroughly)
	if lost {
		s.forgot(ctx, known)
	}
	return err
}

// try saves as visitors do, and counts what came of it.
func (s *Shard) try(ctx context.Context) error {
	return s.probes.Try(ctx, func(k probe.Kind, err error) {
		w := Swapping
		if k == probe.Create {
			w = Putting
		}
		switch {
		case err == nil:
			s.failures(w).Store(0)
		case ctx.Err() == nil:
			s.unable(ctx, w, err)
		}
	})
}

// deliver brings the shard what it is owed, tombstones first. It reports
// whether there is more, and an error where it is not the time.
func (s *Shard) deliver(ctx context.Context) (more bool, err error) {
	if state := s.breaker.State(s.all.Clock.Now()); state.State == circuit.Away || state.Mode == circuit.BackupOnly {
		return true, failure.ErrNotAsked
	}
	return s.handOver(ctx)
}

// handOver is deliver without asking how the shard is.
func (s *Shard) handOver(ctx context.Context) (more bool, err error) {
	end := s.all.Clock.Now().Add(stint)
	err = carry(end, s.all.Clock.Now, s.journal.PendingTombstones(), func(g journal.Tombstone) error { return s.publish(ctx, g) })
	if waiting, blind := s.delivered(ctx); waiting && blind {
		return true, err
	}
	err = errors.Join(err, carry(end, s.all.Clock.Now, s.journal.Hints(), func(d journal.Hint) error { return s.pay(ctx, d) }))
	return s.journal.Owes(), err
}

// delivered tells the breaker that the shard has its tombstones, if it has. It
// reports whether it has not, and whether one of those that wait could be
// written without asking anything.
func (s *Shard) delivered(ctx context.Context) (waiting, blind bool) {
	var change circuit.Change
	var news bool
	waiting, blind = s.journal.Waiting(hopeless, func() { change, news = s.breaker.Delivered(s.all.Clock.Now()) })
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
