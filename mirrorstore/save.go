package mirrorstore

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/session"
)

// Save implements [session.Store]. It succeeds where both stores have taken r, and where one has
// while the other is out. It returns [session.ErrConflict] too where one store has changes of the
// session that the caller cannot have read, so that the caller's next load joins them. After any
// error but that and [session.ErrTooLarge], r may stand in one of the two stores.
func (s *Store) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	if r.Expires.IsZero() {
		return session.Absent, errors.New("session: mirrorstore: Record.Expires is zero")
	}
	ctx = lasting(ctx)
	w := write{Store: s, Record: r, id: id, over: over, dead: isTombstone(r.Data), debts: s.debts(id)}
	w.first.side, w.second.side = s.first, s.second
	d := s.decider(id)
	number := s.readNumber(ctx, d)
	if over == session.Any {
		w.first.over, w.second.over = session.Any, session.Any
	} else {
		w.first.before, w.second.before = s.loadBoth(ctx, id, true)
	}
	if err := w.decide(ctx, d, number); err != nil {
		return session.Absent, err
	}
	if err := w.look(); err != nil {
		return session.Absent, err
	}
	if err := w.save(ctx); err != nil {
		return session.Absent, err
	}
	if w.first.has && w.second.has {
		s.twins.add(w.first.version, w.second.version)
	}
	if w.first.has {
		return w.first.version, nil // as a load does
	}
	return w.second.version, nil
}

// write is one Save.
type write struct {
	*Store
	session.Record

	id    session.ID
	over  session.Version
	dead  bool
	alone bool // the store that decides may take it alone
	debts debts
	read  []byte // what the caller has read; nil: nothing

	first, second    part
	decides, follows *part // these two
}

// part is one store's part of a Save.
type part struct {
	side    *side
	before  answer          // what stood there
	over    session.Version // what is replaced
	out     error           // why the store is not saved to
	has     bool            // it has taken the record,
	version session.Version // as this Version
}

// decide finds out which store decides. A tombstone absorbs what another instance saves
// elsewhere, and goes to the one that takes it.
func (w *write) decide(ctx context.Context, d *decider, r *reading) error {
	decides, alone, err := w.Store.decide(ctx, d, r)
	if err != nil && !w.dead {
		return err
	}
	if err != nil {
		decides = w.Store.decides(w.id)
	}
	w.alone = alone || w.dead
	w.decides, w.follows = &w.second, &w.first
	if decides == w.Store.first {
		w.decides, w.follows = w.follows, w.decides
	}
	return nil
}

// look finds out which of the stores are saved to, and whether they still have what the save is to
// replace.
func (w *write) look() error {
	parts := [2]*part{&w.first, &w.second}
	for _, p := range parts {
		err := p.before.err
		isOut := errors.Is(err, errPaused) || p.side.out(w.id, loading)
		switch {
		case !answered(err) && !isOut:
			return err
		case !answered(err):
			p.out = err
		case !w.dead && !p.side.asks(w.id, saving):
			p.out = p.side.named(errPaused)
		}
	}
	switch {
	case w.decides.out != nil:
		return errors.Join(w.decides.out, w.follows.out)
	case w.follows.out != nil && !w.alone:
		return errors.Join(errUndecided, w.follows.out)
	case w.over == session.Any:
		return nil
	}
	return w.compare()
}

// compare returns ErrConflict where the caller has not read what the stores have, or where one
// store has gone on from it alone: a newer dot does not say what its process had read, so the
// two records have to be compared before there is a new one.
func (w *write) compare() error {
	a, b := w.first.before, w.second.before
	w.first.over, w.second.over = a.Version, b.Version // Absent where there is none
	read, other := a, b
	from := w.Store.first
	if a.err != nil || w.over != a.Version {
		read, other = b, a
		from = w.Store.second
	}
	over := w.replaced()
	switch {
	case w.over == session.Absent && (a.err == nil || b.err == nil):
		return session.ErrConflict
	case w.over == session.Absent:
		return nil
	case read.err != nil || over != read.Version:
		return session.ErrConflict
	}
	w.read = read.Data
	there := other.err == nil // else it has none, or is out
	if !there {
		return nil
	}
	switch compare(w.id, read.Data, other.Data) {
	case contained:
		return nil
	case opaque: // that of the store which decides counts
		if w.decides.side == from {
			return nil
		}
	case unrelated:
	}
	return session.ErrConflict
}

// replaced returns the Version that the save is to replace: the second store's, where the first has
// lost what the caller knows by its own.
func (w *write) replaced() session.Version {
	if twin := w.twins.of(w.over); twin != session.Absent && w.first.before.none() {
		return twin
	}
	return w.over
}

// save saves to the store that decides, and to the other one.
func (w *write) save(ctx context.Context) error {
	err := w.decides.save(ctx, w)
	switch {
	case err == nil:
		return w.follow(ctx)
	case !answered(err):
		w.owe(w.decides)
		w.owe(w.follows)
	}
	return err
}

func (p *part) save(ctx context.Context, w *write) (err error) {
	if p.side.out(w.id, saving) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, half(ctx))
		defer cancel()
	}
	p.version, err = p.side.save(ctx, w.id, w.Record, p.over)
	p.has = err == nil
	return err
}

// owe notes that a store may lack what the other has.
func (w *write) owe(p *part) { p.side.owed.add(w.id, w.dead) }

// errOvertaken is the error of a save that one store has taken, while the other has another one.
var errOvertaken = errors.New("session: mirrorstore: another save came between the two stores: this one may have happened")

// follow saves to the other store what the one that decides has taken.
func (w *write) follow(ctx context.Context) error {
	f := w.follows
	for f.out == nil {
		err := f.save(ctx, w)
		done := err == nil
		switch {
		case errors.Is(err, session.ErrTooLarge):
			w.drop(ctx)
			return nil
		case errors.Is(err, session.ErrConflict):
			done, err = w.overtaken(ctx)
			if errors.Is(err, errOvertaken) || errors.Is(err, session.ErrConflict) {
				return err
			}
		}
		switch {
		case done:
			w.forgive(w.id, w.debts)
			return nil
		case err != nil && f.side.out(w.id, saving) && w.alone:
			f.out = err
		case err != nil && !f.side.waits(ctx, w.id, saving):
			w.owe(f)
			return err
		}
	}
	w.owe(f)
	return nil
}

// drop takes an older record from a store that does not take one as large as this.
func (w *write) drop(ctx context.Context) {
	f := w.follows
	if f.over != session.Absent {
		_, _ = f.side.save(ctx, w.id, session.Record{Expires: time.Unix(1, 0)}, f.over)
	}
}

// overtaken finds out what follows from a conflict in the store that follows: done is
// that it has this save, or a later one.
func (w *write) overtaken(ctx context.Context) (done bool, err error) {
	if !w.Expires.After(time.Now()) {
		return true, nil
	}
	f := w.follows
	r, err := f.side.load(ctx, w.id, loadFresh)
	switch {
	case errors.Is(err, session.ErrNotFound):
		f.over = session.Absent
		return false, nil
	case err != nil:
		return false, err
	case bytes.Equal(r.Data, w.Data):
		f.has, f.version = true, r.Version
		return true, nil
	}
	stands, err := w.decides.side.load(ctx, w.id, loadFresh)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return false, w.doubted()
	case err != nil:
		w.owe(w.decides)
		return false, err
	case stands.Version != w.decides.version, w.dead && isTombstone(r.Data):
		// Another save has gone on from this one, or has ended the session too.
		_, err := w.settle(ctx, w.id, true)
		return err == nil, err
	}
	f.over = r.Version
	if w.dead || w.read != nil && compare(w.id, w.read, r.Data) != unrelated {
		return false, nil // it has nothing that the caller has not read
	}
	return false, w.undo(ctx)
}

// undo takes the record back from the store that decides. Its error is ErrConflict where that
// is as it was before.
func (w *write) undo(ctx context.Context) error {
	d := w.decides
	before := session.Record{Expires: time.Unix(1, 0)}
	if d.before.err == nil {
		before.Data = d.before.Data
		expires, ok := w.expiry(w.id, d.before.Record)
		if !ok {
			return w.doubted()
		}
		before.Expires = expires
	}
	if _, err := d.side.save(ctx, w.id, before, d.version); err != nil {
		return w.doubted()
	}
	return session.ErrConflict
}

func (w *write) doubted() error {
	w.owe(w.decides)
	w.owe(w.follows)
	return errOvertaken
}
