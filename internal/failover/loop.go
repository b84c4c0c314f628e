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
	"github.com/holdfast-go/session/internal/recordid"
)

// Delivery begins as soon as the journal holds something that the shard lacks. A
// delivery that fails is repeated after these times, whether or not the breaker has
// tripped.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second

	batchTime = 500 * time.Millisecond // how long it delivers before it looks for a due probe
	workers   = 8                      // deliveries at once
)

// run probes the shard each second and delivers what it lacks, until ctx ends. It is
// the shard's one goroutine.
func (s *Shard) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next time.Time // delivery; zero: the shard lacks nothing
	backoff := firstRetry
	probed := false        // since the last delivery
	for ctx.Err() == nil { // even with more to deliver
		s.applyOverride(ctx)
		s.reportSettled(ctx)
		if _, err := s.recordID(recordid.Members); err != nil {
			s.dropShard(ctx)
			return
		}
		now := s.all.Clock.Now()
		if due := !next.IsZero() && !now.Before(next); due && probed {
			probed = false // slow probes alone may take all of the time
			next, backoff = s.deliverNext(ctx, backoff)
			continue
		}
		loads, wait := s.breaker.Probe(now)
		if wait == 0 {
			probed = true
			saves, _ := s.saves.Probe(now) // is due whenever the other is
			if s.probe(ctx, loads, saves) {
				next, backoff = s.all.Clock.Now(), firstRetry
			}
			continue
		}
		if !next.IsZero() {
			until := next.Sub(s.all.Clock.Now())
			if until <= 0 {
				next, backoff = s.deliverNext(ctx, backoff)
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

// deliverNext delivers, and returns when to deliver again, zero if the shard lacks nothing,
// and the time after which that delivery is repeated if it fails.
func (s *Shard) deliverNext(ctx context.Context, backoff time.Duration) (next time.Time, then time.Duration) {
	more, err := s.deliver(ctx)
	now := s.all.Clock.Now()
	switch {
	case errors.Is(err, errPaced):
		return now.Add(firstRetry), firstRetry
	case err != nil:
		wait := backoff
		if q := s.breaker.State(now).Quarantine; q > 0 {
			wait = min(wait, q) // some deliveries wait for the end of the quarantine
		}
		return now.Add(wait), min(2*backoff, lastRetry)
	case more:
		return now, backoff
	}
	return time.Time{}, firstRetry
}

// probe sends the shard a load and saves, and reports whether there may be something to
// deliver.
func (s *Shard) probe(ctx context.Context, loads, saves circuit.Ticket) (deliver bool) {
	s.all.meetLayout()
	looks := s.all.ReadTimeout // the time that visitors' loads have
	if s.all.Store.Probes() {
		looks += s.all.ReadTimeout
	}
	budget := looks
	limited, looking, cancel := s.all.probing.Until(ctx, s.all.SaveTimeout)
	answered, err := s.look(limited, true)
	cancel()
	s.members.looked.pass()
	hurried := looking.Hurried()
	if !hurried {
		budget = 0 // it was quick, in the time in which this process ran
	}
	answers := !answered.IsZero()
	if !answers {
		answered = s.all.Clock.Now()
	}
	s.onChange(ctx, err)(s.breaker.Report(loads, answered, budget, outcome(ctx, answers)))
	if answers {
		err = s.try(ctx)
		hurried = hurried || s.probes.Hurried()
	}
	if hurried {
		budget = looks + 2*s.all.SaveTimeout
	}
	s.onChange(ctx, err)(s.saves.Report(saves, s.all.Clock.Now(), budget, outcome(ctx, err == nil)))
	s.onChange(ctx, err)(s.saves.Delivered(s.all.Clock.Now())) // tombstones keep loads from being served, not saves
	if ctx.Err() == nil {
		s.reportStillDown(ctx, err)
	}
	if answers {
		s.countEvictions(ctx)
	}
	s.forget()
	s.reportEarly(ctx)
	lost, _ := s.again.owes()
	lacks := s.all.journal.Owes(s.name) || lost > 0 || s.members.log.owes()
	return answers && ctx.Err() == nil && (lacks || s.breaker.State(s.all.Clock.Now()).State != circuit.Serving)
}

// countEvictions asks the shard once a minute how many records it has evicted, if the store
// counts them, and calls the Evicted hook if the number has grown.
func (s *Shard) countEvictions(ctx context.Context) {
	if !s.evictions.due(s.all.Clock.Now()) {
		return
	}
	limited, cancel := context.WithTimeout(ctx, s.all.ReadTimeout)
	n, err := s.all.Store.Evictions(limited, s.name)
	cancel()
	if err != nil {
		return
	}
	if more := s.evictions.answer(n); more > 0 && s.all.Hooks.Evicted != nil {
		s.all.Hooks.Evicted(ctx, s.name, more)
	}
}

// reportEarly calls the Early hook if the revocation set has forgotten tombstones before their
// time since it was called last.
func (s *Shard) reportEarly(ctx context.Context) {
	if more := s.all.early.news(s.all.journal.Early); more > 0 && s.all.Hooks.Early != nil {
		s.all.Hooks.Early(ctx, more)
	}
}

// outcome returns the outcome of a part of a probe.
func outcome(ctx context.Context, worked bool) circuit.Outcome {
	switch {
	case ctx.Err() != nil:
		return circuit.Canceled
	case worked:
		return circuit.Answered
	}
	return circuit.Failed
}

// forget drops what the journal no longer needs to hold. A copy that the shard has
// taken stays until the shard serves again, and for keepFor, because a request that
// was sent before that may be on its way with an older copy.
func (s *Shard) forget() {
	now := s.all.Clock.Now()
	s.members.graces.hearRest(now, s.enterHeard)
	s.all.journal.Expire(now.Add(-s.all.TombstoneLife), now.Add(-s.all.userLife()), now.Add(-keepFor))
	if s.status(now).State == Serving {
		s.all.journal.Forget(s.name, now.Add(-keepFor))
	}
}

// look checks that the shard answers and has not lost its data, and hears what the other
// members have added to their logs. If thoroughly is set, it asks for the incarnation too.
// It returns when the shard answered; zero: it did not. An error beside that time says that
// a log could not be read, or that this process's log or row could not be written.
func (s *Shard) look(ctx context.Context, thoroughly bool) (answered time.Time, err error) {
	if thoroughly {
		incarnation, err := s.all.Store.Incarnation(ctx, s.name)
		if err != nil {
			return time.Time{}, err
		}
		s.members.meetIncarnation(incarnation)
	}
	r, err := s.members.Exchange(ctx)
	if r.Read.IsZero() {
		return r.Read, err
	}
	s.members.nothingBefore.Store(r.NothingBefore)
	if r.Layouts {
		s.all.layoutsDiffer()
	}
	if s.members.Complete(s.all.Clock.Now()) {
		s.members.heard.Store(true)
	}
	s.members.log.noteTold()
	if r.Lost {
		s.lostMemory(ctx, r.Known)
	}
	if r.Heard {
		s.members.firstRead() // "nothing" counts as no answer by now if the shard is in quarantine
	}
	return r.Read, err
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
// is created only after that one was read, see PrepareRestore. A tombstone or a state that
// the shard refuses holds up neither the walk through the revocation set nor the log.
func (s *Shard) deliverAll(ctx context.Context) (more bool, err error) {
	end := s.all.Clock.Now().Add(batchTime)
	err = forEach(end, s.all.Clock.Now, s.all.journal.PendingTombstones(s.name), func(g journal.Tombstone) error { return s.deliverTombstone(ctx, g) })
	if waiting, blind := s.confirmDelivery(ctx); !waiting || !blind {
		err = errors.Join(err, forEach(end, s.all.Clock.Now, s.all.journal.Hints(s.name), func(d journal.Hint) error { return s.deliverHint(ctx, d) }))
	}
	left, errWalk := s.writeAgain(ctx, end)
	others, errOthers := s.tellOthers(ctx, end)
	if err = errors.Join(err, s.members.log.tellRest(ctx), errOthers); err == nil {
		err = errWalk
	}
	return err != nil || left || others || s.all.journal.Owes(s.name), err
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
