package mirrorstore

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session"
)

// Load implements [session.Store]. It asks the first store, and the second where that has no
// record, fails, or has not answered in half of the time. Where this process has reason to think
// that the first store's record is older, it asks both at once.
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	ctx = lasting(ctx)
	if s.first.owes(id) || s.first.doubted(id) || s.first.renewed(id) || s.second.renewed(id) {
		return s.settle(ctx, id, false)
	}
	d := s.debts(id)
	second := make(chan answer, 1)
	hedge := time.AfterFunc(half(ctx), func() { second <- s.loadOne(ctx, s.second, id, false) })
	var a, b answer
	a.Record, a.err = s.first.load(ctx, id, session.Store.Load)
	asked := !hedge.Stop()
	switch {
	case a.err == nil:
		return a.Record, nil
	case asked:
		b = <-second
	default:
		b = s.loadOne(ctx, s.second, id, false)
	}
	return s.beside(ctx, id, a, b, d, false)
}

// LoadFresh implements [session.FreshLoader]. It asks both stores, past their caches, joins
// their records, and repairs the store that lacks something. Where one of them does not answer,
// and is not out, it returns an error.
func (s *Store) LoadFresh(ctx context.Context, id session.ID) (session.Record, error) {
	return s.settle(lasting(ctx), id, true)
}

// loadFunc loads from one of the two stores.
type loadFunc func(session.Store, context.Context, session.ID) (session.Record, error)

func loadFresh(s session.Store, ctx context.Context, id session.ID) (session.Record, error) {
	if f, ok := s.(session.FreshLoader); ok {
		return f.LoadFresh(ctx, id)
	}
	return s.Load(ctx, id)
}

// answer is what one store has answered.
type answer struct {
	session.Record
	err error
}

func (a answer) none() bool { return errors.Is(a.err, session.ErrNotFound) }

// counts reports whether an answer of x counts while the other store has none. It has to be a
// record, and the newest one: a record that x has lost may be in the other store, and what
// this process knows to be older is never returned. strict is for callers to which it must be the
// newest one for certain.
func (s *Store) counts(x *side, id session.ID, a answer, strict bool) bool {
	if a.err != nil || x.owes(id) {
		return false
	}
	return x.other.out(id, loading) || !strict && !x.wasOut(id)
}

// settle loads a record from both stores until they have the same, or until no other caller
// repairs it.
func (s *Store) settle(ctx context.Context, id session.ID, strict bool) (r session.Record, err error) {
	for range 4 {
		d := s.debts(id) // what is added later is of a save that may not be in the answers
		a, b := s.loadBoth(ctx, id, strict)
		r, err = s.beside(ctx, id, a, b, d, strict)
		if !errors.Is(err, session.ErrConflict) {
			return r, err
		}
	}
	return r, nil
}

// loadBoth loads a record from both stores at once. It waits for half of the time alone for a
// store that is out, or with whose answer the caller may do without: that call ends with ctx. With
// strict a store that fails at once is asked again until it counts as out.
func (s *Store) loadBoth(ctx context.Context, id session.ID, strict bool) (a, b answer) {
	var answers [2]chan answer
	var needed [2]bool
	for n, x := range s.both() {
		answers[n] = make(chan answer, 1)
		needed[n] = !x.out(id, loading) && (strict || x.other.wasOut(id) || x.other.owes(id))
		if !x.asks(id, loading) {
			answers[n] <- answer{err: x.named(errPaused)}
			continue
		}
		go func() { answers[n] <- s.loadOne(ctx, x, id, strict) }()
	}
	late := s.halves.After(context.Background(), half(ctx)).Done()
	select {
	case a = <-answers[0]:
		b = s.second.await(id, answers[1], late, needed[1] || a.err != nil)
	case b = <-answers[1]:
		a = s.first.await(id, answers[0], late, needed[0] || b.err != nil)
	}
	return a, b
}

// await returns the answer of a store, and no later than late one that says it is slow.
func (s *side) await(id session.ID, answers <-chan answer, late <-chan struct{}, needed bool) answer {
	if needed {
		return <-answers
	}
	select {
	case a := <-answers:
		return a
	case <-late:
		s.fails(s.place(id), loading, true)
		return answer{err: s.named(errSlow)}
	}
}

// loadOne loads a record from one store. With strict a store that fails at once is asked again
// until it counts as out.
func (s *Store) loadOne(ctx context.Context, x *side, id session.ID, strict bool) (a answer) {
	a.Record, a.err = x.load(ctx, id, loadFresh)
	for strict && !answered(a.err) && x.waits(ctx, id, loading) {
		a.Record, a.err = x.load(ctx, id, loadFresh)
	}
	return a
}

// waits lets a moment pass, and reports whether a call that failed is made again: the caller
// still has time, and it is not known yet whether the shard is out. Where the other store fails too,
// there is nothing to wait for.
func (s *side) waits(ctx context.Context, id session.ID, k kind) bool {
	if s.out(id, k) || s.other.failing(id, k) {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(again):
		return true
	}
}

// beside returns what the two answers amount to, and repairs the store that lacks something. Its
// error is ErrConflict where another caller has saved meanwhile.
func (s *Store) beside(ctx context.Context, id session.ID, a, b answer, d debts, strict bool) (session.Record, error) {
	switch {
	case a.err == nil && b.err == nil:
		return s.joined(ctx, id, a.Record, b.Record, d, strict)
	case a.err == nil && b.none():
		return s.copied(ctx, id, s.second, a.Record, d, strict)
	case b.err == nil && a.none():
		return s.copied(ctx, id, s.first, b.Record, d, strict)
	case s.counts(s.first, id, a, strict):
		return a.Record, nil
	case s.counts(s.second, id, b, strict):
		return b.Record, nil
	case a.none() && b.none():
		return session.Record{}, session.ErrNotFound
	case answered(a.err):
		return session.Record{}, b.err
	case answered(b.err):
		return session.Record{}, a.err
	}
	return session.Record{}, errors.Join(a.err, b.err)
}

// copied puts a record into the store that has none.
func (s *Store) copied(ctx context.Context, id session.ID, lacking *side, r session.Record, d debts, strict bool) (session.Record, error) {
	v, err := s.put(ctx, lacking, id, r, session.Absent)
	if err == nil {
		s.forgive(id, d)
		if lacking == s.first {
			r.Version = v
		}
	}
	return r, s.unsettled(lacking, id, err, strict)
}

// unsettled returns the error of a load that has not repaired a store.
func (s *Store) unsettled(lacking *side, id session.ID, err error, strict bool) error {
	switch {
	case errors.Is(err, session.ErrConflict):
		return err
	case !strict || answered(err) || errors.Is(err, errNoEnd) || lacking.out(id, saving):
		return nil
	}
	return err
}

// joined returns the join of what the two stores have, and writes it where it is missing.
func (s *Store) joined(ctx context.Context, id session.ID, a, b session.Record, d debts, strict bool) (session.Record, error) {
	decides := s.decides(id)
	data, ok := join(id, a.Data, b.Data)
	if !ok {
		data = b.Data
		if decides == s.first {
			data = a.Data
		}
	}
	r := session.Record{Data: data, Version: a.Version, Cached: a.Cached}
	if !a.Expires.IsZero() && !b.Expires.IsZero() {
		r.Expires = a.Expires
		if a.Expires.Before(b.Expires) {
			r.Expires = b.Expires
		}
	}
	has := map[*side]*session.Record{s.first: &a, s.second: &b}
	var failed error
	// The one that decides first: its save takes others' saves away.
	for _, x := range []*side{decides, decides.other} {
		if bytes.Equal(data, has[x].Data) {
			continue
		}
		v, err := s.put(ctx, x, id, r, has[x].Version)
		switch {
		case errors.Is(err, session.ErrConflict):
			return r, err
		case err == nil:
			has[x].Data, has[x].Version = data, v
		default:
			failed = errors.Join(failed, s.unsettled(x, id, err, strict))
		}
	}
	hasA, hasB := bytes.Equal(data, a.Data), bytes.Equal(data, b.Data)
	switch {
	case hasA:
		r.Version = a.Version
	case hasB:
		r.Version = b.Version
	}
	if hasA && hasB {
		s.forgive(id, d)
	}
	return r, failed
}

// errNoEnd is the error for a record of which it is not known how long it is to live.
var errNoEnd = errors.New("session: mirrorstore: the record has no end")

// put repairs a store that lacks r.
func (s *Store) put(ctx context.Context, lacking *side, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	expires, ok := s.expiry(id, r)
	if !ok || !expires.After(time.Now()) {
		return session.Absent, errNoEnd
	}
	return lacking.save(ctx, id, session.Record{Data: r.Data, Expires: expires}, over)
}

// debts are what the two stores lack of one ID, by what this process knows.
type debts struct{ first, second debt }

func (s *Store) debts(id session.ID) (d debts) {
	d.first, _ = s.first.owed.get(id)
	d.second, _ = s.second.owed.get(id)
	return d
}

// forgive drops debts that are paid. Younger ones stay.
func (s *Store) forgive(id session.ID, d debts) {
	s.first.owed.remove(id, d.first)
	s.second.owed.remove(id, d.second)
}

// owes reports whether the store lacks a record of id, by what this process knows.
func (s *side) owes(id session.ID) bool {
	_, lacks := s.owed.get(id)
	return lacks
}
