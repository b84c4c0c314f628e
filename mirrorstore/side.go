package mirrorstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

const (
	// A shard of one store is out when it left outCalls calls in a row unanswered, the first
	// of them outAfter ago, while the other store left none unanswered; refusedAfter where each
	// of them failed at once. One call that got no answer says little: the other store alone
	// would then have a change that this one is about to decide otherwise, or that is lost with
	// the other. Where calls to both get none, it is the process that is short of processor.
	outCalls     = 3
	outAfter     = time.Second
	refusedAfter = 300 * time.Millisecond

	// pause is how long a shard that is out was not asked when a request asks it. Probes do each
	// second.
	pause = 3 * time.Second

	// doubt is how long after its last failure a shard's answers count only beside the other
	// store's: what instances have saved meanwhile stands there alone. Probes load and save
	// each second, so every instance notices an outage, and the instances repair as soon as it is
	// over.
	doubt = 10 * time.Second

	// again is the time between two tries of a call that failed at once, while it is not known
	// whether its shard is out.
	again = 20 * time.Millisecond
)

// errPaused is the error of a call that was not made.
var errPaused = errors.New("it is out: it left the last calls unanswered, and is asked by probes")

// errSlow is the error of a call that was given up for the other store's answer.
var errSlow = errors.New("no answer in half of the time, and the other store has answered")

// side is one of the two stores, as this process sees it.
type side struct {
	store session.Store
	name  string
	tag   session.Version // of its Versions, see ofSecond
	owed  owed            // what it lacks
	other *side           // the other of the two

	mu     sync.Mutex
	shards map[string]*health
}

// health is what this process has seen of a shard of one store.
type health struct {
	calls        [2]streak // by kind
	failedAt     time.Time
	doubtedUntil time.Time
	outUntil     time.Time // it was out a moment before at most
	incarnation  string    // the last one,
	probed       bool      // if there was one
	renewedUntil time.Time // what it has may be older than that of the other store
}

// kind is a kind of call: a store that refuses saves may answer loads.
type kind int

const (
	loading kind = iota
	saving
)

// streak is calls in a row that were left unanswered.
type streak struct {
	n           int
	first, last time.Time
	silent      bool      // one of them did not fail at once
	out         bool      // the shard counts as out
	askAt       time.Time // when it is asked again
}

// isLong reports whether the shard counts as out for the calls, where the other store's has
// failed last at the time given.
func (k *streak) isLong(otherFailed time.Time) bool {
	after := refusedAfter
	if k.silent {
		after = outAfter
	}
	return k.n >= outCalls && k.last.Sub(k.first) >= after && k.last.Sub(otherFailed) >= after
}

func newSide(name string, s session.Store, tag session.Version) *side {
	return &side{store: s, name: name, tag: tag, shards: make(map[string]*health)}
}

// tagged turns a Version of the store into one of the mirror, and back.
func (s *side) tagged(v session.Version) session.Version {
	if v == session.Absent || v == session.Any {
		return v
	}
	for i := range v {
		v[i] ^= s.tag[i]
	}
	return v
}

// load returns a record, with a Version of the mirror.
func (s *side) load(ctx context.Context, id session.ID, load loadFunc) (r session.Record, err error) {
	err = s.call(ctx, s.place(id), loading, func(ctx context.Context) (err error) {
		r, err = load(s.store, ctx, id)
		return err
	})
	r.Version = s.tagged(r.Version)
	return r, err
}

// save saves over a Version of the mirror.
func (s *side) save(ctx context.Context, id session.ID, r session.Record, over session.Version) (v session.Version, err error) {
	err = s.call(ctx, s.place(id), saving, func(ctx context.Context) (err error) {
		v, err = s.store.Save(ctx, id, r, s.tagged(over))
		return err
	})
	if err != nil {
		return session.Absent, err
	}
	return s.tagged(v), nil
}

// place is a shard of one store, and the one that has the same records in the other.
type place struct{ shard, other string }

func (s *side) place(id session.ID) place { return place{s.shard(id), s.other.shard(id)} }

// call makes a call of a shard.
func (s *side) call(ctx context.Context, at place, k kind, do func(context.Context) error) error {
	began := time.Now()
	err := do(callOf(ctx))
	silent := ctx.Err() != nil || time.Since(began) >= again // by a timeout of the client's own
	switch {
	case answered(err):
		s.answers(at.shard, k)
		return err
	case ctx.Err() == nil, errors.Is(ctx.Err(), context.DeadlineExceeded) && time.Since(began) >= again:
		s.fails(at, k, silent)
	}
	return s.named(err)
}

// answered reports whether the error of a call is an answer.
func answered(err error) bool {
	return err == nil || errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrConflict) || errors.Is(err, session.ErrTooLarge)
}

func (s *side) named(err error) error {
	return fmt.Errorf("session: mirrorstore: the %s store: %w", s.name, err)
}

// out reports whether the shard of id is out, for calls of a kind. A shard that answers no
// loads is not saved to either.
func (s *side) out(id session.ID, k kind) bool { return s.isOut(s.shard(id), k) }

func (s *side) isOut(shard string, k kind) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.healthLocked(shard)
	return h.calls[loading].out || k == saving && h.calls[saving].out
}

// asks reports whether the shard of id is asked now: it is not out, or has not been asked for a
// while, or the other store is out too.
func (s *side) asks(id session.ID, k kind) bool {
	if s.other.out(id, k) {
		return true
	}
	shard := s.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	h, now := s.healthLocked(shard), time.Now()
	for k := range k + 1 {
		c := &h.calls[k]
		if !c.out {
			continue
		}
		if now.Before(c.askAt) {
			return false
		}
		c.askAt = now.Add(pause)
	}
	return true
}

// failing reports whether the shard of id has left the last call of a kind unanswered.
func (s *side) failing(id session.ID, k kind) bool {
	shard := s.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.healthLocked(shard).calls[k].n > 0
}

func (s *side) answers(shard string, k kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.healthLocked(shard).calls[k] = streak{}
}

func (s *side) fails(at place, k kind, silent bool) {
	otherFailed := s.other.failedAt(at.other)
	s.mu.Lock()
	defer s.mu.Unlock()
	h, now := s.healthLocked(at.shard), time.Now()
	h.failedAt, h.doubtedUntil = now, now.Add(doubt)
	c := &h.calls[k]
	if c.n++; c.n == 1 {
		c.first = now
	}
	c.last, c.silent = now, c.silent || silent
	c.out = c.out || c.isLong(otherFailed)
	if c.out {
		h.outUntil = now.Add(doubt)
		c.askAt = now.Add(pause)
	}
}

// failedAt returns when a shard has left a call unanswered last.
func (s *side) failedAt(shard string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.healthLocked(shard).failedAt
}

// doubted reports whether the store's answers for id count only beside the other's.
func (s *side) doubted(id session.ID) bool {
	shard := s.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.healthLocked(shard).doubtedUntil)
}

// wasOut reports whether the store is out, or was a short while ago: others may have saved to the
// other one alone.
func (s *side) wasOut(id session.ID) bool {
	shard := s.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.healthLocked(shard).outUntil)
}

// renewed reports whether the store may have gone back to older records.
func (s *side) renewed(id session.ID) bool {
	shard := s.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.healthLocked(shard).renewedUntil)
}

func (s *side) healthLocked(shard string) *health {
	h := s.shards[shard]
	if h == nil {
		h = new(health)
		s.shards[shard] = h
	}
	return h
}
