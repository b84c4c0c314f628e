package moving

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session"
)

// Save implements [session.Store]. Besides the errors of the two stores it returns
// [ErrUnknown], where the new store has more than one instance move a session into it at
// once, and steps apart.
func (s *Store) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if r.Expires.IsZero() {
		return session.Absent, errors.New("session: moving: Record.Expires is zero")
	}
	switch {
	case over == session.Absent && s.step == Prepare:
		return s.createOld(ctx, id, r)
	case over == session.Absent:
		return s.create(ctx, id, r)
	case over == session.Any && s.step == Prepare:
		return s.overwriteOld(ctx, id, r)
	case over == session.Any:
		return s.overwrite(ctx, id, r)
	case s.step == Prepare:
		v, err := s.from.Save(ctx, id, r, over)
		if errors.Is(err, session.ErrConflict) {
			return s.to.Save(ctx, id, r, over)
		}
		return v, err
	}
	v, err := s.to.Save(ctx, id, r, over)
	if errors.Is(err, session.ErrConflict) {
		return s.move(ctx, id, r, over)
	}
	return v, err
}

// createOld creates a session in the old store. Another instance may create it in the new
// one, before or at the same time: each looks into the other's store after it has saved, so
// that one of them at least gives way.
func (s *Store) createOld(ctx context.Context, id session.ID, r session.Record) (session.Version, error) {
	v, err := s.from.Save(ctx, id, r, session.Absent)
	if errors.Is(err, session.ErrConflict) {
		return s.createAgain(ctx, id, r)
	}
	if err != nil {
		return session.Absent, err
	}
	err = s.to.mustLack(ctx, id)
	if errors.Is(err, session.ErrConflict) {
		r.Expires = time.Unix(1, 0)
		_, _ = s.from.Save(ctx, id, r, v) // nobody reads it: the new store has the session
	}
	if err != nil {
		return session.Absent, err
	}
	return v, nil
}

// createAgain creates a session that was moved, and that the new store has lost since. Any
// other record in the old store is a conflict.
func (s *Store) createAgain(ctx context.Context, id session.ID, r session.Record) (session.Version, error) {
	old, err := loadFresh(s.from.Store, ctx, id)
	if err != nil && !errors.Is(err, session.ErrNotFound) {
		return session.Absent, err
	}
	if m, moved := parseMark(old.Data); moved && !m.whole {
		return s.to.Save(ctx, id, r, session.Absent)
	}
	return session.Absent, session.ErrConflict
}

// create creates a session in the new store, if the old one has none.
func (s *Store) create(ctx context.Context, id session.ID, r session.Record) (session.Version, error) {
	if _, err := s.unmoved(ctx, id); !errors.Is(err, session.ErrNotFound) {
		return session.Absent, cmp.Or(err, session.ErrConflict)
	}
	v, err := s.to.Save(ctx, id, r, session.Absent)
	if err != nil || s.step == Drain {
		return v, err
	}
	old, err := s.unmoved(ctx, id)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return v, nil
	case err != nil:
		return session.Absent, err
	}
	// Another instance, at Prepare, has created it in the old store meanwhile, and perhaps
	// looked into the new one too early.
	old.Expires = r.Expires
	if _, err := s.to.Save(ctx, id, old, v); err != nil && !errors.Is(err, session.ErrConflict) {
		return session.Absent, err
	}
	return session.Absent, session.ErrConflict
}

// unmoved returns the record of the old store that no instance has moved yet, or that an
// instance is moving.
func (s *Store) unmoved(ctx context.Context, id session.ID) (session.Record, error) {
	old, err := loadFresh(s.from.Store, ctx, id)
	if err != nil {
		return session.Record{}, err
	}
	if m, moved := parseMark(old.Data); moved && !m.whole {
		return session.Record{}, session.ErrNotFound
	}
	return old, nil
}

// overwriteOld replaces whatever stands in the store where it stands.
func (s *Store) overwriteOld(ctx context.Context, id session.ID, r session.Record) (session.Version, error) {
	err := s.to.mustLack(ctx, id)
	if errors.Is(err, session.ErrConflict) {
		return s.to.Save(ctx, id, r, session.Any)
	}
	if err != nil {
		return session.Absent, err
	}
	old, err := loadFresh(s.from.Store, ctx, id)
	switch {
	case errors.Is(err, session.ErrNotFound):
		old.Version = session.Absent
	case err != nil:
		return session.Absent, err
	}
	if m, moved := parseMark(old.Data); moved {
		return s.overwriteMoved(ctx, id, r, old.Version, m)
	}
	v, err := s.from.Save(ctx, id, r, old.Version)
	if errors.Is(err, session.ErrConflict) {
		return s.again(ctx, id, r)
	}
	if err == nil && old.Version == session.Absent {
		if err := s.to.mustLack(ctx, id); errors.Is(err, session.ErrConflict) {
			return s.to.Save(ctx, id, r, session.Any)
		} else if err != nil {
			return session.Absent, err
		}
	}
	return v, err
}

// overwriteMoved puts r into the new store. The old one has this mark of the session.
func (s *Store) overwriteMoved(ctx context.Context, id session.ID, r session.Record, marked session.Version, m mark) (session.Version, error) {
	v, err := s.to.Save(ctx, id, r, session.Any)
	if err == nil && m.whole {
		s.emptyMark(ctx, id, r, marked)
	}
	return v, err
}

// again is a Save over Any for which another save came between. It ends with ctx.
func (s *Store) again(ctx context.Context, id session.ID, r session.Record) (session.Version, error) {
	if err := ctx.Err(); err != nil {
		return session.Absent, err
	}
	return s.Save(ctx, id, r, session.Any)
}

// overwrite puts r into the new store, and marks what stands in the old one: a record that
// is not marked could be saved over, by an instance that has loaded it.
func (s *Store) overwrite(ctx context.Context, id session.ID, r session.Record) (session.Version, error) {
	if s.step == Drain {
		return s.to.Save(ctx, id, r, session.Any)
	}
	old, err := loadFresh(s.from.Store, ctx, id)
	if errors.Is(err, session.ErrNotFound) {
		return s.to.Save(ctx, id, r, session.Any)
	}
	if err != nil {
		return session.Absent, err
	}
	if m, moved := parseMark(old.Data); moved {
		return s.overwriteMoved(ctx, id, r, old.Version, m)
	}
	marked, err := s.saveMark(ctx, id, r, old.Version)
	if errors.Is(err, session.ErrConflict) {
		return s.again(ctx, id, r)
	}
	if err != nil {
		return session.Absent, err
	}
	return s.overwriteMoved(ctx, id, r, marked, mark{whole: true})
}
