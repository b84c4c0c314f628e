// Package moving takes sessions from one store to another while the site runs: nobody is
// logged out, and no write is lost.
//
// A [Store] stands in front of both. It is deployed in steps, each to all instances before
// the next: [Prepare], [Move], if need be [Drain], and at last the new store alone. In
// between a [Store.Push] takes along the sessions that nobody uses meanwhile.
//
// The new store decides; the old one is asked only for records that the new one lacks. An
// instance moves a session by three saves: over the record that it has read in the old store
// it saves a mark, which has the new record inside; it creates the record in the new store;
// it saves the mark again, empty. The first of them makes every other instance's save over
// the same record fail. An instance that dies before the second has left the record in the
// mark, and the next instance that loads the session creates it.
package moving

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/holdfast-go/session"
)

// Step says where a session is saved that the new store does not have.
type Step int

// The steps of a move. Instances of two that follow each other may run side by side.
const (
	// Prepare saves in the old store what stands there, and what is new. It follows
	// sessions that others have moved.
	Prepare Step = iota + 1

	// Move saves everything in the new store, and marks in the old one what it has moved.
	Move

	// Drain is Move for an old store that takes no saves any more: it is only read. Two
	// instances agree on which of them moves a session by the new store alone, so no
	// instance may be at Prepare still.
	Drain
)

// String returns the step's name as it is written in Go.
func (s Step) String() string {
	switch s {
	case Prepare:
		return "Prepare"
	case Move:
		return "Move"
	case Drain:
		return "Drain"
	}
	return fmt.Sprintf("Step(%d)", int(s))
}

// ErrUnknown is returned by a Save of which it is not known whether it happened, because
// another instance has moved the session meanwhile.
var ErrUnknown = errors.New("session: moving: another instance has moved the session meanwhile: the save may have happened")

// Options may be nil but for a Push.
type Options struct {
	// Idle and Lifetime are those of the [session.Options] of the Manager, with the same
	// defaults; where that has a MaxLifetime, Lifetime is that. Push needs them where the
	// old store does not tell when a record expires.
	Idle, Lifetime time.Duration
}

// Store is a [session.Store] in front of two. It is a [session.FreshLoader], a
// [session.Lister], a [session.Prober] and a [session.EvictionCounter] whatever the two are. Any number of
// goroutines may use it.
//
// A Load that the new store does not answer costs a second call, to the old store, within
// the same deadline. An error of the old store is one of the Load or the Save where the new
// store does not have the session, and else none.
type Store struct {
	from, to store
	step     Step
	idle     time.Duration
	lifetime time.Duration
}

// New returns a Store that takes sessions from one store to another. It panics where a store is
// nil, where both are the same, and where the step is none.
func New(from, to session.Store, step Step, o *Options) *Store {
	if from == nil || to == nil {
		panic("session: moving: a store is nil")
	}
	if reflect.TypeOf(from).Comparable() && from == to {
		panic("session: moving: the old store is the new one")
	}
	if step < Prepare || step > Drain {
		panic(fmt.Sprintf("session: moving: %v is no step: it is Prepare, Move or Drain", step))
	}
	if o == nil {
		o = &Options{}
	}
	if o.Idle < 0 || o.Lifetime < 0 {
		panic(fmt.Sprintf("session: moving: Idle %v or Lifetime %v is negative", o.Idle, o.Lifetime))
	}
	return &Store{
		from: store{from}, to: store{to}, step: step,
		idle:     cmp.Or(o.Idle, 30*time.Minute),
		lifetime: cmp.Or(o.Lifetime, 24*time.Hour),
	}
}

var (
	_ session.FreshLoader     = (*Store)(nil)
	_ session.Lister          = (*Store)(nil)
	_ session.EvictionCounter = (*Store)(nil)
)

// Step returns the step that the Store is at.
func (s *Store) Step() Step { return s.step }

// store is one of the two.
type store struct{ session.Store }

// mustLack returns ErrConflict where the store has a record.
func (s store) mustLack(ctx context.Context, id session.ID) error {
	_, err := loadFresh(s.Store, ctx, id)
	switch {
	case err == nil:
		return session.ErrConflict
	case errors.Is(err, session.ErrNotFound):
		return nil
	}
	return err
}

func loadFresh(s session.Store, ctx context.Context, id session.ID) (session.Record, error) {
	if f, ok := s.(session.FreshLoader); ok {
		return f.LoadFresh(ctx, id)
	}
	return s.Load(ctx, id)
}
