package moving

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/state"
)

// move puts r into the new store in the place of the record of this version in the old
// one.
func (s *Store) move(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if s.step == Drain {
		old, err := loadFresh(s.from.Store, ctx, id)
		if errors.Is(err, session.ErrNotFound) || err == nil && old.Version != over {
			return session.Absent, session.ErrConflict
		}
		if err != nil {
			return session.Absent, err
		}
		return s.to.Save(ctx, id, r, session.Absent)
	}
	marked, err := s.saveMark(ctx, id, r, over)
	if err != nil {
		return session.Absent, err
	}
	v, err := s.to.Save(ctx, id, r, session.Absent)
	if errors.Is(err, session.ErrConflict) {
		if v, err = s.completed(ctx, id, r); err != nil {
			return session.Absent, err
		}
	}
	if err != nil {
		return session.Absent, err
	}
	s.emptyMark(ctx, id, r, marked)
	return v, nil
}

// completed looks for r in the new store, where another instance that has read the mark may
// have put it.
func (s *Store) completed(ctx context.Context, id session.ID, r session.Record) (session.Version, error) {
	now, err := loadFresh(s.to.Store, ctx, id)
	switch {
	case err != nil && !errors.Is(err, session.ErrNotFound):
		return session.Absent, err
	case err == nil && bytes.Equal(now.Data, r.Data):
		return now.Version, nil
	case err == nil && contains(now.Data, r.Data):
		return overwritten(), nil
	}
	return session.Absent, ErrUnknown
}

// contains reports whether a record of a session is a later one than another: every write
// of a session has a dot of its own.
func contains(later, data []byte) bool {
	a, err := state.Decode(later)
	if err != nil {
		return false
	}
	b, err := state.Decode(data)
	if err != nil {
		return false
	}
	return state.Join(a, b).Equal(a)
}

// overwritten returns the version of a record that stands no longer.
func overwritten() (v session.Version) {
	_, _ = rand.Read(v[:])
	return v
}

// saveMark saves r as a mark over what the old store has. Where the old store does not take
// it for its size, the mark is empty: then the new record is in neither store until it is
// created.
func (s *Store) saveMark(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	v, err := s.from.Save(ctx, id, mark{whole: true, data: r.Data, expires: r.Expires}.record(r.Expires), over)
	if errors.Is(err, session.ErrTooLarge) {
		return s.from.Save(ctx, id, mark{}.record(r.Expires), over)
	}
	return v, err
}

// emptyMark removes the record from a mark once the new store has it. Otherwise an old state of
// the session would come back after the new store had lost it. A tombstone is never out of
// date, and stays.
func (s *Store) emptyMark(ctx context.Context, id session.ID, r session.Record, marked session.Version) {
	if st, err := state.Decode(r.Data); err == nil && st.Dead() {
		return
	}
	_, _ = s.from.Save(ctx, id, mark{}.record(r.Expires), marked)
}
