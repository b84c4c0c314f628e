// Package timed times the calls of a session.Store. Packages metrics and otelmetrics make
// figures of them.
package timed

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/holdfast-go/session"
)

// Operation is a call of a store.
type Operation uint8

// The operations. A LoadFresh is a Load, and a call of a pinned shard is one of the store.
const (
	Load Operation = iota
	Save
	Probe
	List // until its caller has had all of it, or enough

	Operations // how many there are
)

func (o Operation) String() string { return [...]string{"load", "save", "probe", "list"}[o] }

// Outcome is what became of a call.
type Outcome uint8

// The outcomes.
const (
	Answered Outcome = iota // that there is no such record, too
	Conflict
	TooLarge
	Timeout
	Canceled
	Failed

	Outcomes // how many there are
)

// String returns the value of error.type in the semantic conventions: an empty string for
// Answered, and "_OTHER" for Failed.
func (o Outcome) String() string {
	return [...]string{"", "conflict", "too_large", "timeout", "canceled", "_OTHER"}[o]
}

// OutcomeOf returns the Outcome of a call that returned err.
func OutcomeOf(err error) Outcome {
	switch {
	case err == nil, errors.Is(err, session.ErrNotFound):
		return Answered
	case errors.Is(err, session.ErrConflict):
		return Conflict
	case errors.Is(err, session.ErrTooLarge):
		return TooLarge
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	return Failed
}

// Seen is called after each call of a store, by many goroutines at once.
type Seen func(context.Context, Operation, Outcome, time.Duration)

// Bounds are the upper bounds of a histogram of calls, in seconds. They are those of the
// semantic conventions for db.client.operation.duration, and between them half of the time
// that a load and a save have by default, above which a breaker counts them as slow.
var Bounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .5, 1, 5, 10}

// store is a Store whose calls are timed.
type store struct {
	session.Store
	seen Seen
}

// New returns s with its calls timed. It is a FreshLoader, a Lister, a Local, a Prober, each
// where s is one. A Prober is a Pinner and an EvictionCounter as well: one that names no
// shards, or does not count, where s is none.
func New(s session.Store, seen Seen) session.Store {
	t := &store{s, seen}
	_, isFresh := s.(session.FreshLoader)
	_, isLister := s.(session.Lister)
	_, isProber := s.(session.Prober)
	can := [3]bool{isFresh, isLister, isProber}
	if _, isLocal := s.(session.Local); isLocal {
		return t.near(can)
	}
	return t.far(can)
}

// far returns t as a FreshLoader, a Lister and a Prober, as it can.
func (t *store) far(can [3]bool) session.Store {
	f := fresh{t}
	l := lister{t}
	p := prober{t}
	switch can {
	case [3]bool{true, false, false}:
		return struct {
			*store
			fresh
		}{t, f}
	case [3]bool{false, true, false}:
		return struct {
			*store
			lister
		}{t, l}
	case [3]bool{true, true, false}:
		return struct {
			*store
			fresh
			lister
		}{t, f, l}
	case [3]bool{false, false, true}:
		return struct {
			*store
			prober
		}{t, p}
	case [3]bool{true, false, true}:
		return struct {
			*store
			fresh
			prober
		}{t, f, p}
	case [3]bool{false, true, true}:
		return struct {
			*store
			lister
			prober
		}{t, l, p}
	case [3]bool{true, true, true}:
		return struct {
			*store
			fresh
			lister
			prober
		}{t, f, l, p}
	}
	return t
}

// near returns t as far does, and as a Local.
func (t *store) near(can [3]bool) session.Store {
	f := fresh{t}
	l := lister{t}
	p := prober{t}
	switch can {
	case [3]bool{true, false, false}:
		return struct {
			*store
			fresh
			local
		}{t, f, local{}}
	case [3]bool{false, true, false}:
		return struct {
			*store
			lister
			local
		}{t, l, local{}}
	case [3]bool{true, true, false}:
		return struct {
			*store
			fresh
			lister
			local
		}{t, f, l, local{}}
	case [3]bool{false, false, true}:
		return struct {
			*store
			prober
			local
		}{t, p, local{}}
	case [3]bool{true, false, true}:
		return struct {
			*store
			fresh
			prober
			local
		}{t, f, p, local{}}
	case [3]bool{false, true, true}:
		return struct {
			*store
			lister
			prober
			local
		}{t, l, p, local{}}
	case [3]bool{true, true, true}:
		return struct {
			*store
			fresh
			lister
			prober
			local
		}{t, f, l, p, local{}}
	}
	return struct {
		*store
		local
	}{t, local{}}
}

func (t *store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	began := time.Now()
	r, err := t.Store.Load(ctx, id)
	if !r.Cached { // otherwise the store was not asked
		t.seen(ctx, Load, OutcomeOf(err), time.Since(began))
	}
	return r, err
}

func (t *store) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	began := time.Now()
	v, err := t.Store.Save(ctx, id, r, over)
	t.seen(ctx, Save, OutcomeOf(err), time.Since(began))
	return v, err
}

type fresh struct{ of *store }

func (f fresh) LoadFresh(ctx context.Context, id session.ID) (session.Record, error) {
	began := time.Now()
	r, err := f.of.Store.(session.FreshLoader).LoadFresh(ctx, id)
	f.of.seen(ctx, Load, OutcomeOf(err), time.Since(began))
	return r, err
}

type lister struct{ of *store }

func (l lister) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		began, outcome := time.Now(), Answered
		defer func() { l.of.seen(ctx, List, outcome, time.Since(began)) }()
		for id, err := range l.of.Store.(session.Lister).List(ctx) {
			if err != nil {
				outcome = OutcomeOf(err)
			}
			if !yield(id, err) {
				return
			}
		}
	}
}

type local struct{}

func (local) Local() {}

type prober struct{ of *store }

func (p prober) Shard(id session.ID) string { return p.of.Store.(session.Prober).Shard(id) }

func (p prober) Probe(ctx context.Context, shard string) (string, error) {
	began := time.Now()
	incarnation, err := p.of.Store.(session.Prober).Probe(ctx, shard)
	p.of.seen(ctx, Probe, OutcomeOf(err), time.Since(began))
	return incarnation, err
}

func (p prober) Evictions(ctx context.Context, shard string) (uint64, error) {
	if c, ok := p.of.Store.(session.EvictionCounter); ok {
		return c.Evictions(ctx, shard)
	}
	return 0, errors.ErrUnsupported
}

func (p prober) Shards() []string {
	if all, ok := p.of.Store.(session.Pinner); ok {
		return all.Shards()
	}
	return nil
}

func (p prober) Pin(shard string) (session.Store, error) {
	all, ok := p.of.Store.(session.Pinner)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	one, err := all.Pin(shard)
	if err != nil {
		return nil, err
	}
	return New(one, p.of.seen), nil
}
