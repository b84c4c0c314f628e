package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-go/session"
)

// The records are no sessions: the IDs are of those that a store keeps for itself. One lists
// the instances, and each instance has one of its own.
const (
	listID   session.ID = "~instances-0"
	recordID session.ID = "~instance-" // and the instance's number
)

// place is a part of the store that holds all records.
type place struct {
	session.Store
	shard  string
	listed *time.Time // when this instance was last listed there; by the goroutine alone
}

func (p place) named() string {
	if p.shard == "" {
		return ""
	}
	return " in the shard " + p.shard
}

func idOf(instance uint32) session.ID {
	return recordID + session.ID(strconv.FormatUint(uint64(instance), 10))
}

// list is the record that names the instances.
type list struct {
	Format int                  `json:"holdfast-instances"`
	Since  map[uint32]time.Time `json:"since"` // when each last said that it is there
}

// list returns the record that names the instances; an empty one where there is none.
func (p place) list(ctx context.Context) (list, session.Version, error) {
	l := list{Format: 1}
	r, err := fresh(ctx, p.Store, listID)
	switch {
	case errors.Is(err, session.ErrNotFound):
		r.Version = session.Absent
	case err != nil:
		return l, r.Version, err
	default:
		if err := json.Unmarshal(r.Data, &l); err != nil || l.Format != 1 {
			return l, r.Version, fmt.Errorf("%s is not of a format that this version knows", listID)
		}
	}
	if l.Since == nil {
		l.Since = map[uint32]time.Time{}
	}
	return l, r.Version, nil
}

// change saves the list after do has changed it. do reports whether there is anything to
// save.
func (p place) change(ctx context.Context, do func(*list) bool) error {
	var err error
	for range tries {
		l, version, failed := p.list(ctx)
		if failed != nil {
			return failed
		}
		if !do(&l) {
			return nil
		}
		if len(l.Since) > mostInstances {
			return fmt.Errorf("%d instances are more than %d", len(l.Since), mostInstances)
		}
		text, failed := json.Marshal(l)
		if failed != nil {
			return failed
		}
		_, err = p.Save(ctx, listID, session.Record{Data: text, Expires: time.Now().Add(24 * time.Hour)}, version)
		if !errors.Is(err, session.ErrConflict) {
			return err
		}
	}
	return err
}

// fresh loads a record past a cache, whose copy may be old.
func fresh(ctx context.Context, s session.Store, id session.ID) (session.Record, error) {
	load := s.Load
	if f, ok := s.(session.FreshLoader); ok {
		load = f.LoadFresh
	}
	return load(ctx, id)
}

func readInstance(ctx context.Context, p place, id uint32) (i Instance, err error) {
	r, err := fresh(ctx, p.Store, idOf(id))
	if err != nil {
		return i, err
	}
	if len(r.Data) > mostRecord {
		return i, fmt.Errorf("%s has %d bytes", idOf(id), len(r.Data))
	}
	if err := json.Unmarshal(r.Data, &i); err != nil {
		return i, fmt.Errorf("%s is not of a format that this version knows: %w", idOf(id), err)
	}
	i.ID = id
	i.Self = false
	i.Gone = false
	i.Every = min(max(i.Every, time.Second), time.Hour)
	if i.Name == "" || len(i.Name) > mostName {
		return i, fmt.Errorf("%s has a name of %d bytes", idOf(id), len(i.Name))
	}
	return i, nil
}
