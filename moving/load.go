package moving

import (
	"context"
	"errors"
	"strings"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/recordid"
)

// Load implements [session.Store].
func (s *Store) Load(ctx context.Context, id session.ID) (session.Record, error) {
	return s.load(ctx, id, session.Store.Load)
}

// LoadFresh implements [session.FreshLoader], past the caches of both stores.
func (s *Store) LoadFresh(ctx context.Context, id session.ID) (session.Record, error) {
	return s.load(ctx, id, loadFresh)
}

// loadFunc loads from one of the two stores.
type loadFunc func(session.Store, context.Context, session.ID) (session.Record, error)

func (s *Store) load(ctx context.Context, id session.ID, load loadFunc) (session.Record, error) {
	r, err := load(s.to.Store, ctx, id)
	if !errors.Is(err, session.ErrNotFound) {
		return r, err
	}
	old, err := load(s.from.Store, ctx, id)
	if err != nil {
		return session.Record{}, err
	}
	m, moved := parseMark(old.Data)
	switch {
	case !moved && s.step != Prepare && isShared(id):
		return s.moveShared(ctx, id, old)
	case !moved:
		return old, nil
	}
	if !m.whole {
		// It was moved between the two loads, or before a cache heard of it. Else the
		// new store has lost it.
		return loadFresh(s.to.Store, ctx, id)
	}
	return s.complete(ctx, id, m)
}

// isShared reports whether id is that of a record by which instances tell each other of ends
// of sessions. These move when they are read, not only when they are saved: an instance on the
// new store alone must hear of logouts whose instance has stopped since, also where the old
// store cannot tell what it holds.
func isShared(id session.ID) bool {
	return recordid.Reserved(string(id)) && !isOwn(id)
}

// isOwn reports whether a record is of one store alone: what a probe saves, or the store's
// own.
func isOwn(id session.ID) bool {
	return strings.HasPrefix(string(id), "~") || strings.HasPrefix(string(id), "probe-")
}

// moveShared moves such a record as it is. Where another instance saves it at the moment,
// what stands afterwards is returned.
func (s *Store) moveShared(ctx context.Context, id session.ID, old session.Record) (session.Record, error) {
	old.Expires = s.expiry(id, old)
	v, err := s.move(ctx, id, old, old.Version)
	switch {
	case errors.Is(err, session.ErrConflict) || errors.Is(err, ErrUnknown):
		if err := ctx.Err(); err != nil {
			return session.Record{}, err
		}
		return s.load(ctx, id, loadFresh)
	case err != nil:
		return session.Record{}, err
	}
	old.Version = v
	return old, nil
}

// complete creates the record that an instance had marked as moved before it died.
func (s *Store) complete(ctx context.Context, id session.ID, m mark) (session.Record, error) {
	r := session.Record{Data: m.data, Expires: m.expires}
	v, err := s.to.Save(ctx, id, r, session.Absent)
	switch {
	case errors.Is(err, session.ErrConflict):
		return loadFresh(s.to.Store, ctx, id)
	case err != nil:
		return session.Record{}, err
	}
	r.Version = v
	return r, nil
}
