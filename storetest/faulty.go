package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// ErrLostAck is what a Save returns while [Faulty.LoseAcks] is in force.
var ErrLostAck = errors.New("storetest: acknowledgement lost")

// Faulty is a store that fails on demand, for tests of applications and of anything
// else that uses a store. Its faults may be combined, begin
// with the next call, and end with [Faulty.Heal]. Any number of goroutines may
// use it, in a testing/synctest bubble too.
//
// It is a [session.FreshLoader], a [session.Lister] and a [session.Prober]
// whatever it wraps: LoadFresh of a store that has none is Load, List of a store
// that has none yields [errors.ErrUnsupported], and a store that is no Prober is
// one shard, named "", whose incarnation changes with each Replace.
//
// A store that restarted empty, or failed over to a replica that lacks the
// last writes, is [Faulty.Replace].
type Faulty struct {
	mu           sync.Mutex
	before       func(op string, id session.ID) error
	store        session.Store
	replaced     int // how often
	fault        fault
	loads, saves int
}

// fault is what is wrong at present; the zero value is nothing.
type fault struct {
	delay    time.Duration
	hang     chan struct{} // closed by Heal
	err      error
	loseAcks bool
}

// NewFaulty returns a Faulty that works as s does.
func NewFaulty(s session.Store) *Faulty { return &Faulty{store: s} }

// Before has f called before each call to the store, from the next one on, by
// many goroutines at once: with "load" (LoadFresh too), "save", "list" or
// "probe", and no ID for the last two. f may block, and may use the store. An
// error it returns is the call's. Nil calls nothing. Heal does not touch it.
func (f *Faulty) Before(call func(op string, id session.ID) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = call
}

// Fail makes each call return err. The store is not asked.
func (f *Faulty) Fail(err error) { f.set(func(f *fault) { f.err = err }) }

// Hang makes each call wait until its ctx is done, whose error it returns, or
// until Heal, after which it goes on.
func (f *Faulty) Hang() {
	f.set(func(f *fault) {
		if f.hang == nil {
			f.hang = make(chan struct{})
		}
	})
}

// Delay makes each call wait for d first, or until its ctx is done.
func (f *Faulty) Delay(d time.Duration) { f.set(func(f *fault) { f.delay = d }) }

// LoseAcks makes each Save return ErrLostAck, after it was done, or not done,
// by the store.
func (f *Faulty) LoseAcks() { f.set(func(f *fault) { f.loseAcks = true }) }

// Heal ends all faults and lets go of the calls that hang. Before is not
// touched.
func (f *Faulty) Heal() {
	f.set(func(f *fault) {
		if f.hang != nil {
			close(f.hang)
		}
		*f = fault{}
	})
}

// Replace puts s in the place of the wrapped store.
func (f *Faulty) Replace(s session.Store) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.store = s
	f.replaced++
}

// Loads is how many times Load and LoadFresh were called, the failed included.
func (f *Faulty) Loads() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loads
}

// Saves is how many times Save was called, the failed included.
func (f *Faulty) Saves() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.saves
}

// Load implements [session.Store].
func (f *Faulty) Load(ctx context.Context, id session.ID) (session.Record, error) {
	s, _, err := f.begin(ctx, "load", id)
	if err != nil {
		return session.Record{}, err
	}
	return s.Load(ctx, id)
}

// LoadFresh implements [session.FreshLoader].
func (f *Faulty) LoadFresh(ctx context.Context, id session.ID) (session.Record, error) {
	s, _, err := f.begin(ctx, "load", id)
	if err != nil {
		return session.Record{}, err
	}
	if fresh, ok := s.(session.FreshLoader); ok {
		return fresh.LoadFresh(ctx, id)
	}
	return s.Load(ctx, id)
}

// Save implements [session.Store].
func (f *Faulty) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	s, loseAck, err := f.begin(ctx, "save", id)
	if err != nil {
		return session.Absent, err
	}
	v, err := s.Save(ctx, id, r, over)
	if loseAck {
		return session.Absent, ErrLostAck
	}
	return v, err
}

// List implements [session.Lister].
func (f *Faulty) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		s, _, err := f.begin(ctx, "list", "")
		if err != nil {
			yield("", err)
			return
		}
		lister, ok := s.(session.Lister)
		if !ok {
			yield("", errors.ErrUnsupported)
			return
		}
		lister.List(ctx)(yield)
	}
}

// Shard implements [session.Prober]. No fault touches it.
func (f *Faulty) Shard(id session.ID) string {
	f.mu.Lock()
	s := f.store
	f.mu.Unlock()
	if p, ok := s.(session.Prober); ok {
		return p.Shard(id)
	}
	return ""
}

// Probe implements [session.Prober].
func (f *Faulty) Probe(ctx context.Context, shard string) (incarnation string, err error) {
	s, _, err := f.begin(ctx, "probe", "")
	if err != nil {
		return "", err
	}
	if p, ok := s.(session.Prober); ok {
		return p.Probe(ctx, shard)
	}
	if shard != "" {
		return "", fmt.Errorf("storetest: probe: there is no shard %q", shard)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return strconv.Itoa(f.replaced), ctx.Err()
}

// Shards implements [session.Pinner]. No fault touches it.
func (f *Faulty) Shards() []string {
	f.mu.Lock()
	s := f.store
	f.mu.Unlock()
	if p, ok := s.(session.Pinner); ok {
		return p.Shards()
	}
	if _, ok := s.(session.Prober); ok {
		return nil
	}
	return []string{""}
}

// Pin implements [session.Pinner]. The Store that it returns counts and suffers as f does.
func (f *Faulty) Pin(shard string) (session.Store, error) {
	if !slices.Contains(f.Shards(), shard) {
		return nil, fmt.Errorf("storetest: pin: there is no shard %q", shard)
	}
	return &pinnedFaulty{f, shard}, nil
}

// pinnedFaulty is a Faulty with one of its shards.
type pinnedFaulty struct {
	f     *Faulty
	shard string
}

// of returns the shard of a store, or the store where that is its only one.
func (p *pinnedFaulty) of(s session.Store) (session.Store, error) {
	if all, ok := s.(session.Pinner); ok {
		return all.Pin(p.shard)
	}
	return s, nil
}

func (p *pinnedFaulty) Load(ctx context.Context, id session.ID) (session.Record, error) {
	s, _, err := p.f.begin(ctx, "load", id)
	if err == nil {
		s, err = p.of(s)
	}
	if err != nil {
		return session.Record{}, err
	}
	return s.Load(ctx, id)
}

func (p *pinnedFaulty) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	s, loseAck, err := p.f.begin(ctx, "save", id)
	if err == nil {
		s, err = p.of(s)
	}
	if err != nil {
		return session.Absent, err
	}
	v, err := s.Save(ctx, id, r, over)
	if loseAck {
		return session.Absent, ErrLostAck
	}
	return v, err
}

// begin counts a call and lets it suffer. It returns the store to ask, and whether
// the caller loses the answer.
func (f *Faulty) begin(ctx context.Context, op string, id session.ID) (session.Store, bool, error) {
	f.mu.Lock()
	switch op {
	case "load":
		f.loads++
	case "save":
		f.saves++
	}
	before := f.before
	f.mu.Unlock()
	if before != nil {
		if err := before(op, id); err != nil {
			return nil, false, err
		}
	}

	f.mu.Lock()
	fault := f.fault
	f.mu.Unlock()
	if fault.delay > 0 {
		select {
		case <-time.After(fault.delay):
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	if fault.hang != nil {
		select {
		case <-fault.hang:
			fault.err, fault.loseAcks = nil, false // healed
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.store, fault.loseAcks, fault.err
}

func (f *Faulty) set(change func(*fault)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.fault)
}
