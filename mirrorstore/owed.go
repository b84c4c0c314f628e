package mirrorstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

const (
	// mostOwed bounds the IDs of records that a store lacks, 120 bytes each. A record
	// beyond the bound is repaired when it is loaded from both stores, or saved.
	mostOwed = 1 << 16

	// repairers is how many records are repaired together.
	repairers = 16

	// repairTime is how long after a probe repairs begin. The next probe begins more.
	repairTime = time.Second
)

// owed is the IDs of the records that this process has saved to the other store alone. The zero
// owed is empty; any number of goroutines may use it.
type owed struct {
	mu  sync.Mutex
	ids map[session.ID]debt
	n   uint64
}

// debt is one record that a store lacks.
type debt struct {
	tombstone bool
	added     uint64 // tells it from an older one
}

func (o *owed) add(id session.ID, tombstone bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ids == nil {
		o.ids = make(map[session.ID]debt)
	}
	if _, known := o.ids[id]; !known && len(o.ids) >= mostOwed {
		if !tombstone || !o.makeRoomLocked() {
			return
		}
	}
	o.n++
	o.ids[id] = debt{tombstone, o.n}
}

// makeRoomLocked drops a record that is no tombstone. It reports false where it finds none.
func (o *owed) makeRoomLocked() bool {
	for id, d := range o.ids {
		if !d.tombstone {
			delete(o.ids, id)
			return true
		}
	}
	return false
}

// get returns the debt of id, and whether there is one.
func (o *owed) get(id session.ID) (debt, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d, ok := o.ids[id]
	return d, ok
}

// remove drops a debt that is no younger than d.
func (o *owed) remove(id session.ID, d debt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now, ok := o.ids[id]; ok && now.added <= d.added {
		delete(o.ids, id)
	}
}

// all returns the IDs that mine reports, either the tombstones or the others.
func (o *owed) all(tombstones bool, mine func(session.ID) bool) (ids []session.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, d := range o.ids {
		if d.tombstone == tombstones && mine(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// any reports whether there is an ID that mine reports.
func (o *owed) any(mine func(session.ID) bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id := range o.ids {
		if mine(id) {
			return true
		}
	}
	return false
}

// repair writes what each of the two stores lacks of a shard's records, tombstones first. It
// returns after a quarter of the time of ctx: on a busy machine a probe would have none left for
// anything else. The repairs go on for as long as repairTime, and a call, where none is
// under way already.
func (s *Store) repair(ctx context.Context, d *decider, shard string) {
	mine := func(id session.ID) bool { return s.Shard(id) == shard }
	if !s.first.owed.any(mine) && !s.second.owed.any(mine) {
		return
	}
	select {
	case d.repairs <- struct{}{}:
	default:
		return
	}
	end := time.Now().Add(repairTime)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { <-d.repairs }()
		for _, tombstones := range []bool{true, false} {
			for _, x := range s.both() {
				s.repairAll(ctx, x.owed.all(tombstones, mine), end)
			}
		}
	}()
	select {
	case <-done:
	case <-s.halves.After(context.Background(), half(ctx)/2).Done():
	}
}

// repairAll loads records from both stores, which repairs them. It begins none after end, and
// returns when all are done: each has half of the time of ctx, which may have ended.
func (s *Store) repairAll(ctx context.Context, ids []session.ID, end time.Time) {
	var all sync.WaitGroup
	defer all.Wait()
	room := make(chan struct{}, repairers)
	for _, id := range ids {
		room <- struct{}{}
		if time.Now().After(end) {
			return
		}
		all.Go(func() {
			defer func() { <-room }()
			d := s.debts(id)
			_, err := s.settle(s.repairing.After(ctx, half(ctx)), id, true)
			if errors.Is(err, session.ErrNotFound) {
				s.forgive(id, d) // it has expired meanwhile
			}
		})
	}
}
