package moving

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/state"
)

// Progress is what a Push or a Count has found in the old store.
type Progress struct {
	Moved int // sessions that the new store has, of those that the old one still names
	Left  int // sessions that the old store has alone

	// Failed counts those sessions among Left which a Push has tried to move: another
	// instance saved them at that moment, or a store has failed. The next Push tries them
	// again.
	Failed int
}

// List implements [session.Lister]. It yields what the new store has, and then what was not
// moved from the old one, which it finds out by loading. An ID may come twice. It yields
// [errors.ErrUnsupported] where a store cannot tell what it holds.
func (s *Store) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		for id, err := range s.to.list(ctx) {
			if !yield(id, err) || err != nil {
				return
			}
		}
		for id, err := range s.from.list(ctx) {
			if err == nil {
				_, err = s.unmoved(ctx, id)
				if errors.Is(err, session.ErrNotFound) {
					continue
				}
			}
			if !yield(id, err) || err != nil {
				return
			}
		}
	}
}

// Count counts the sessions that are left in the old store. It loads each, and changes
// nothing. An error of the List, [errors.ErrUnsupported] where the old store cannot tell what
// it holds, ends it.
func (s *Store) Count(ctx context.Context) (Progress, error) {
	return s.walk(ctx, func(id session.ID) (fate, error) {
		left, err := s.left(ctx, id)
		return left.fate, err
	})
}

// Push moves every session that the old store has, used or not, beside the instances that
// serve visitors. It returns an error where the old store's List fails, and at Prepare, where
// instances may run that know nothing of the move. An instance may die while it pushes: the
// next Push goes on.
func (s *Store) Push(ctx context.Context) (Progress, error) {
	if s.step == Prepare {
		return Progress{}, errors.New("session: moving: a Push at Prepare: first let all instances be at Move")
	}
	return s.walk(ctx, func(id session.ID) (fate, error) { return s.push(ctx, id) })
}

// fate is where a session of the old store stands.
type fate int

const (
	gone fate = iota
	moved
	left
	failed
)

// pushers is how many sessions a walk looks at together.
const pushers = 16

// walk calls each for every session that the old store names, several at once.
func (s *Store) walk(ctx context.Context, each func(session.ID) (fate, error)) (Progress, error) {
	var (
		mu    sync.Mutex
		p     Progress
		first error
		all   sync.WaitGroup
		room  = make(chan struct{}, pushers)
	)
	defer all.Wait()
	for id, err := range s.from.list(ctx) {
		if err != nil {
			all.Wait()
			return p, err
		}
		if isOwn(id) {
			continue
		}
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			where, err := each(id)
			mu.Lock()
			defer mu.Unlock()
			p.add(where)
			if first == nil && err != nil {
				first = fmt.Errorf("session %s: %w", id, err)
			}
		})
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return p, err
	}
	return p, first
}

func (p *Progress) add(f fate) {
	switch f {
	case gone:
	case moved:
		p.Moved++
	case left:
		p.Left++
	case failed:
		p.Left++
		p.Failed++
	}
}

// found is a record of the old store.
type found struct {
	session.Record
	fate fate
	mark mark // of a session that an instance is moving
}

// left looks whether the new store lacks a session of the old one.
func (s *Store) left(ctx context.Context, id session.ID) (found, error) {
	old, err := loadFresh(s.from.Store, ctx, id)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return found{fate: gone}, nil
	case err != nil:
		return found{fate: failed}, err
	}
	m, marked := parseMark(old.Data)
	if marked && !m.whole {
		return found{fate: moved}, nil
	}
	err = s.to.mustLack(ctx, id)
	switch {
	case errors.Is(err, session.ErrConflict):
		return found{fate: moved, Record: old, mark: m}, nil
	case err != nil:
		return found{fate: failed}, err
	}
	return found{fate: left, Record: old, mark: m}, nil
}

func (s *Store) push(ctx context.Context, id session.ID) (fate, error) {
	f, err := s.left(ctx, id)
	switch {
	case err != nil || f.fate == gone || f.fate == moved:
		return f.fate, err
	case f.mark.whole:
		_, err = s.complete(ctx, id, f.mark)
	default:
		f.Expires = s.expiry(id, f.Record)
		_, err = s.move(ctx, id, f.Record, f.Version)
	}
	switch {
	case errors.Is(err, session.ErrNotFound):
		return gone, nil
	case errors.Is(err, session.ErrConflict) || errors.Is(err, ErrUnknown):
		return failed, nil // a visitor's request was quicker
	case err != nil:
		return failed, err
	}
	return moved, nil
}

// expiry returns when a record of the old store expires, by the session's own dates where
// the store does not tell. A record of another system lives for Idle from now on, and what
// instances tell each other for as long as a session may and as a tombstone besides.
func (s *Store) expiry(id session.ID, r session.Record) time.Time {
	if !r.Expires.IsZero() {
		return r.Expires
	}
	now := time.Now()
	if isShared(id) {
		return now.Add(2 * s.lifetime)
	}
	st, err := state.Decode(r.Data)
	switch {
	case err != nil:
		return now.Add(s.idle)
	case st.Dead():
		return now.Add(s.lifetime)
	}
	idle := s.idle
	if stay, ok := st.Stay(); ok && stay.Idle != 0 {
		idle = stay.Idle
	}
	unused := time.UnixMilli(st.LastSeen).Add(idle + idle/10)
	if end := time.UnixMilli(st.End); end.Before(unused) {
		return end
	}
	return unused
}

func (s store) list(ctx context.Context) iter.Seq2[session.ID, error] {
	if l, ok := s.Store.(session.Lister); ok {
		return l.List(ctx)
	}
	return func(yield func(session.ID, error) bool) { yield("", errors.ErrUnsupported) }
}
