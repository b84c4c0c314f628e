package mirrorstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/holdfast-go/session"
)

// between stands between the two names of a shard, which is one of each store.
const between = " | "

// Shard implements [session.Prober].
func (s *Store) Shard(id session.ID) string { return s.first.shard(id) + between + s.second.shard(id) }

// Probe implements [session.Prober]. A shard answers where it does in one of the two stores, and
// may have lost something where one of them may. Probe also begins to repair what this process has
// saved to one store alone, and waits for that a quarter of its time. Of a store that is no Prober it loads a
// record that there is not.
func (s *Store) Probe(ctx context.Context, shard string) (incarnation string, err error) {
	ctx = lasting(ctx)
	nameA, nameB, ok := strings.Cut(shard, between)
	if !ok {
		return "", fmt.Errorf("session: mirrorstore: no session has shard %q", shard)
	}
	type result struct {
		incarnation string
		err         error
	}
	var results [2]chan result
	for n, x := range s.both() {
		results[n] = make(chan result, 1)
		at := [...]place{{nameA, nameB}, {nameB, nameA}}[n]
		go func() {
			incarnation, err := x.probe(ctx, at, s.idle)
			results[n] <- result{incarnation, err}
		}()
	}
	d := s.deciderOf(nameA, nameB)
	_, _, _ = s.decide(ctx, d, s.readNumber(ctx, d)) // the next store does, where that is due
	var got [2]result
	late := s.halves.After(context.Background(), half(ctx)).Done()
	for n, x := range s.both() {
		var gaveUp <-chan struct{}
		if d.out(x, loading) {
			gaveUp = late
		}
		select {
		case got[n] = <-results[n]:
		case <-gaveUp:
			got[n] = result{x.last(d.shards[x]), x.named(errSlow)}
		}
	}
	a, errA := got[0].incarnation, got[0].err
	b, errB := got[1].incarnation, got[1].err
	if errA != nil && errB != nil {
		return "", errors.Join(errA, errB)
	}
	if errA == nil && errB == nil {
		s.repair(ctx, d, shard)
	}
	return a + "/" + b, nil
}

// Evictions implements [session.EvictionCounter]. The stores have evicted no more records from
// both than the smaller of their numbers. It is [errors.ErrUnsupported] where one of them does
// not count.
func (s *Store) Evictions(ctx context.Context, shard string) (uint64, error) {
	nameA, nameB, ok := strings.Cut(shard, between)
	if !ok {
		return 0, fmt.Errorf("session: mirrorstore: no session has shard %q", shard)
	}
	a, err := s.first.evictions(ctx, nameA)
	if err != nil {
		return 0, err
	}
	b, err := s.second.evictions(ctx, nameB)
	return min(a, b), err
}

// List implements [session.Lister]. It yields what each store has that can tell. Most IDs
// come twice. Where only one can tell, what the other alone has is missing; where neither can,
// it yields [errors.ErrUnsupported].
func (s *Store) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		told := false
		for _, x := range []*side{s.first, s.second} {
			unable := false
			for id, err := range x.list(ctx) {
				if unable = errors.Is(err, errors.ErrUnsupported); unable {
					break
				}
				if !yield(id, err) || err != nil {
					return
				}
			}
			told = told || !unable
		}
		if !told {
			yield("", errors.ErrUnsupported)
		}
	}
}

func (s *side) shard(id session.ID) string {
	if p, ok := s.store.(session.Prober); ok {
		return p.Shard(id)
	}
	return ""
}

// probe returns a shard's incarnation. Where the shard does not answer, it returns the last
// incarnation beside the error. A shard with a new one may have gone back to older records, all
// of which have expired or were loaded when idle has passed.
func (s *side) probe(ctx context.Context, at place, idle time.Duration) (incarnation string, err error) {
	shard := at.shard
	p, isProber := s.store.(session.Prober)
	if !isProber && shard != "" {
		return "", fmt.Errorf("session: mirrorstore: no session has shard %q", shard)
	}
	err = s.call(ctx, at, loading, func(ctx context.Context) (err error) {
		if isProber {
			incarnation, err = p.Probe(ctx, shard)
			return err
		}
		_, err = s.store.Load(ctx, "mirror-probe")
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.healthLocked(shard)
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		return h.incarnation, err
	}
	if h.probed && incarnation != h.incarnation {
		h.renewedUntil = time.Now().Add(idle + idle/10)
	}
	h.incarnation, h.probed = incarnation, true
	return incarnation, nil
}

// last returns the last incarnation of a shard.
func (s *side) last(shard string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.healthLocked(shard).incarnation
}

func (s *side) evictions(ctx context.Context, shard string) (uint64, error) {
	if c, ok := s.store.(session.EvictionCounter); ok {
		return c.Evictions(ctx, shard)
	}
	return 0, errors.ErrUnsupported
}

func (s *side) list(ctx context.Context) iter.Seq2[session.ID, error] {
	if l, ok := s.store.(session.Lister); ok {
		return l.List(ctx)
	}
	return func(yield func(session.ID, error) bool) { yield("", errors.ErrUnsupported) }
}
