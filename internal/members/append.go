package members

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session/internal/revoked"
)

// announceEvery is how often at most the row is written because of what was appended. The
// next exchange writes it too.
const announceEvery = 200 * time.Millisecond

// appending is a call of Append.
type appending struct {
	all  []revoked.Tombstone
	done chan struct{}
	err  error
}

// Append adds tombstones to the log of this process, and returns nil once they are stored and
// the members record names the log. The Set must have them before, if they are to be in a log
// that is written anew. Concurrent calls share one save. After an error the tombstones may have
// been saved; appending them again is harmless.
//
// Append does not wait until the members record says how far the log goes: that is written
// within 200 ms, or by the next exchange. If the process crashes before, the others find out
// within three minutes.
func (s *Shard) Append(ctx context.Context, all ...revoked.Tombstone) error {
	if len(all) == 0 {
		return nil
	}
	a := &appending{all: all, done: make(chan struct{})}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.queue = append(s.queue, a)
	if !s.flushing {
		s.flushing = true
		ctx := context.WithoutCancel(ctx)
		s.wg.Go(func() { s.flush(ctx) })
	}
	s.mu.Unlock()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flush saves what calls append, until none waits.
func (s *Shard) flush(ctx context.Context) {
	for {
		s.mu.Lock()
		calls := s.queue
		s.queue = nil
		if len(calls) == 0 {
			s.flushing = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		var all []revoked.Tombstone
		for _, a := range calls {
			all = append(all, a.all...)
		}
		err := s.appendNamed(ctx, all)
		for _, a := range calls {
			a.err = err
			close(a.done)
		}
		s.closeBlocks(ctx)
		s.announceSoon(ctx)
	}
}

// appendNamed saves tombstones in a log that the members record names.
func (s *Shard) appendNamed(ctx context.Context, all []revoked.Tombstone) error {
	const attempts = 3
	for range attempts {
		name, err := s.appendOnce(ctx, all)
		if err != nil || s.isNamed(name) {
			return err
		}
		f := s.board(ctx)
		<-f.done // an exchange has a budget of its own
		switch {
		case s.isNamed(name):
			return nil
		case f.err != nil:
			return f.err
		}
		// The log was written anew meanwhile, and maybe without these.
	}
	return errors.New("session: the members record does not name the log of this process")
}

// board joins the next exchange to begin, and returns it, also while Close waits for it.
func (s *Shard) board(ctx context.Context) *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flightLocked(ctx)
}

func (s *Shard) isNamed(name revoked.LogName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.named == name && s.reach.name == name
}

// appendOnce saves tombstones in the log, and returns its name. Before it adds them, it saves
// what an earlier call could not, so an outage leaves at most one call's tombstones unsaved.
func (s *Shard) appendOnce(ctx context.Context, all []revoked.Tombstone) (revoked.LogName, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	if err := s.acquire(ctx); err != nil {
		return revoked.LogName{}, err
	}
	defer s.release()
	name := s.own.name
	if err := s.settle(ctx); err != nil {
		return name, err
	}
	s.own.add(all, minute(s.Now()), false)
	return name, s.settle(ctx)
}

// closeBlocks writes the segments of blocks that are closed: the row names the last
// tombstone of a block only when its segment is stored. The next exchange tries again if
// that fails.
func (s *Shard) closeBlocks(ctx context.Context) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	if s.acquire(ctx) == nil {
		_ = s.enlarge(ctx)
		s.release()
	}
}

// announceSoon makes an exchange say how far the log goes, if that is not known yet. It does
// not wait for it.
func (s *Shard) announceSoon(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.named == s.reach.name && s.announced == s.reach.next
	if known || s.announcing || s.closed {
		return
	}
	s.announcing = true
	wait := s.asked.Add(announceEvery).Sub(s.Now())
	s.wg.Go(func() {
		timer := time.NewTimer(max(0, min(wait, announceEvery)))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.closing: // Close says it itself
			return
		}
		s.mu.Lock()
		s.announcing = false
		s.mu.Unlock()
		<-s.board(ctx).done // the next one says it if this fails
	})
}
