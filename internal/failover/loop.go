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

// Delivery begins as soon as the journal holds something that the shard lacks. One
// that fails is repeated after these times, whether or not the breaker has tripped.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second

	batchTime = 500 * time.Millisecond // of deliveries without a look at whether a probe is due
	workers   = 8                      // deliveries at once
)

// run probes the shard each second and delivers what it lacks, until ctx ends. It is
// the shard's one goroutine.
func (s *Shard) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next time.Time // delivery; zero: the shard lacks nothing
	backoff := firstRetry
	for ctx.Err() == nil { // also with more to deliver
		s.applyOverride(ctx)
		s.reportSettled(ctx)
		if _, err := s.probes.Canary(); err != nil {
			s.dropShard()
			return
		}
		now := s.all.Clock.Now()
		loads, wait := s.breaker.Probe(now)
		if wait == 0 {
			saves, _ := s.saves.Probe(now) // is due whenever the other is
			if s.probe(ctx, loads, saves) {
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
						wait = min(wait, q) // some deliveries wait for the end of the quarantine
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
func (s *Shard) probe(ctx context.Context, loads, saves circuit.Ticket) (deliver bool) {
	budget := s.all.ReadTimeout // what visitors' loads have
	if s.all.Store.Probes() {
		budget += s.all.ReadTimeout
	}
	limited, cancel := context.WithTimeout(ctx, s.all.SaveTimeout)
	err := s.look(limited, true)
	cancel()
	answers := err == nil || errors.Is(err, probe.ErrNoCanary) // which is a load that was answered, and a save that was not
	s.onChange(ctx, err)(s.breaker.Report(loads, s.all.Clock.Now(), budget, outcome(ctx, answers)))
	if err == nil {
		err = s.try(ctx)
	}
	budget += 2 * s.all.SaveTimeout
	s.onChange(ctx, err)(s.saves.Report(saves, s.all.Clock.Now(), budget, outcome(ctx, err == nil)))
	s.onChange(ctx, err)(s.saves.Delivered(s.all.Clock.Now())) // tombstones keep loads from being served, not saves
	if ctx.Err() == nil {
		s.reportStillDown(ctx, err)
	}
	s.forget()
	return answers && ctx.Err() == nil && (s.all.journal.Owes(s.name) || s.breaker.State(s.all.Clock.Now()).State != circuit.Serving)
}

// outcome returns what came of a part of a probe.
func outcome(ctx context.Context, worked bool) circuit.Outcome {
	switch {
	case ctx.Err() != nil:
		return circuit.Canceled
	case worked:
		return circuit.Answered
	}
	return circuit.Failed
}

// forget drops what the journal need not hold any longer. A copy that the shard has
// taken stays until the shard serves again, and for keepFor, because a request that
// was sent before that may be on its way with an older copy.
func (s *Shard) forget() {
	now := s.all.Clock.Now()
	s.all.journal.Expire(now, now.Add(-keepFor))
	if s.status(now).State == Serving {
		s.all.journal.Forget(s.name, now.Add(-keepFor))
	}
}

// look checks that the shard answers and has not lost its data: by its canary and,
// if thoroughly is set, by its incarnation too.
func (s *Shard) look(ctx context.Context, thoroughly bool) error {
	lost, known, err := s.probes.Look(ctx, thoroughly)
	if lost {
		s.lostMemory(ctx, known)
	}
	return err
}

// try makes one save of each kind that visitors make, and counts the failures.
func (s *Shard) try(ctx context.Context) error {
	sent := s.all.Clock.Now()
	err := s.probes.Try(ctx, func(k probe.Kind, err error) {
		w := Swapping
		if k == probe.Create {
			w = Putting
		}
		switch {
		case err == nil:
			s.failures(w).Store(0)
		case ctx.Err() == nil:
			s.saveFailed(ctx, w, err)
		}
	})
	if err == nil {
		s.tookSaves.Store(sent.UnixMilli())
	}
	return err
}

// deliver saves what the shard lacks, tombstones first. It reports whether there is
// more. It fails with failure.ErrNotAsked while the shard is away, and otherwise
// with the errors of the deliveries.
func (s *Shard) deliver(ctx context.Context) (more bool, err error) {
	now := s.all.Clock.Now()
	if state := s.breaker.State(now); state.State == circuit.Away || state.Mode == circuit.BackupOnly {
		return true, failure.ErrNotAsked
	}
	if s.saves.State(now).State == circuit.Away {
		s.confirmDelivery(ctx)
		return true, failure.ErrNotAsked
	}
	return s.deliverAll(ctx)
}

// deliverAll is deliver whether or not the shard is away. It may deliver sessions before
// a tombstone that needs a look at another session, or that the shard has refused often.
// That is safe: no session of a tombstone is among them, and one that supersedes another
// is created only after that one was read, see PrepareRestore.
func (s *Shard) deliverAll(ctx context.Context) (more bool, err error) {
	end := s.all.Clock.Now().Add(batchTime)
	err = forEach(end, s.all.Clock.Now, s.all.journal.PendingTombstones(s.name), func(g journal.Tombstone) error { return s.deliverTombstone(ctx, g) })
	if waiting, blind := s.confirmDelivery(ctx); waiting && blind {
		return true, err
	}
	err = errors.Join(err, forEach(end, s.all.Clock.Now, s.all.journal.Hints(s.name), func(d journal.Hint) error { return s.deliverHint(ctx, d) }))
	return s.all.journal.Owes(s.name), err
}

// confirmDelivery tells the breaker that the shard has all its tombstones, if none
// waits. It reports whether some wait, and whether one of them can be written
// without reading another session.
func (s *Shard) confirmDelivery(ctx context.Context) (waiting, blind bool) {
	var change circuit.Change
	var news bool
	waiting, blind = s.all.journal.Waiting(s.name, maxAttempts, func() { change, news = s.breaker.Delivered(s.all.Clock.Now()) })
	s.onChange(ctx, nil)(change, news)
	return waiting, blind
}

// maxAttempts is how many times a shard that answers may refuse a tombstone before
// the shard serves nevertheless. The delivery loop goes on trying.
const maxAttempts = 20

// forEach calls do for each of l, several at once, until end. A failure does not
// keep it from trying the others. It returns the last error.
func forEach[T any](end time.Time, now func() time.Time, l []T, do func(T) error) (err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range min(workers, len(l)) {
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
