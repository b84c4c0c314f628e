package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

const (
	mostPlaces = 3 // shards that a record is written to
	missed     = 3 // intervals without a word, after which an instance is gone
)

// Instances reads the status of the instances that have this store as their Options.Store,
// for a program beside them. Written is by each instance's own clock; Gone is by this
// machine's. Beside an error it returns what could be read. It is no error that no instance
// has ever written.
func Instances(ctx context.Context, s session.Store) ([]Instance, error) {
	places, err := placesOf(s)
	if err != nil {
		return nil, err
	}
	found, _, err := readAll(ctx, places, 0)
	slices.SortFunc(found, func(a, b Instance) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return found, err
}

// placesOf returns the parts of a store that hold the records.
func placesOf(s session.Store) (all []place, err error) {
	p, ok := s.(session.Pinner)
	if !ok || len(p.Shards()) == 0 {
		return []place{{s, "", new(time.Time)}}, nil
	}
	for _, shard := range p.Shards()[:min(mostPlaces, len(p.Shards()))] {
		one, err := p.Pin(shard)
		if err != nil {
			return nil, fmt.Errorf("admin: the store's shard %s: %w", shard, err)
		}
		all = append(all, place{one, shard, new(time.Time)})
	}
	return all, nil
}

// each calls do for all places at once: one that does not answer delays no other.
func each(places []place, do func(place) error) error {
	errs := make([]error, len(places))
	var all sync.WaitGroup
	for i, p := range places {
		all.Go(func() {
			if err := do(p); err != nil {
				errs[i] = fmt.Errorf("admin: the instances' records%s: %w", p.named(), err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// readAll returns the newest record of each instance but one, and whether a place has
// answered.
func readAll(ctx context.Context, places []place, but uint32) (all []Instance, answered bool, err error) {
	var mu sync.Mutex // guards all below
	newest := map[uint32]Instance{}
	err = each(places, func(p place) error {
		found, err := p.instances(ctx, but)
		mu.Lock()
		defer mu.Unlock()
		answered = answered || err == nil
		for _, i := range found {
			if last, ok := newest[i.ID]; !ok || i.Written.After(last.Written) {
				newest[i.ID] = i
			}
		}
		return err
	})
	now := time.Now().UTC()
	all = make([]Instance, 0, len(newest))
	for _, i := range newest {
		i.Gone = now.Sub(i.Written) > missed*i.Every
		all = append(all, i)
	}
	return all, answered, err
}

// instances returns what the place has of each instance but one.
func (p place) instances(ctx context.Context, but uint32) (found []Instance, err error) {
	l, _, err := p.list(ctx)
	if err != nil {
		return nil, err
	}
	for id := range l.Since {
		if id == but {
			continue
		}
		i, err := readInstance(ctx, p, id)
		switch {
		case errors.Is(err, session.ErrNotFound): // it was gone for long, or has just closed
		case err != nil:
			return found, err
		default:
			found = append(found, i)
		}
	}
	return found, nil
}
