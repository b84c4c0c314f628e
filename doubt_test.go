package session_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// forgetful loses the acknowledgement of one save, which is done, and unless it is
// kind the answer to the look at it that follows.
type forgetful struct {
	session.Store
	after atomic.Int64
	kind  bool
	mute  atomic.Bool
}

// lose makes the n-th save from now the one.
func (f *forgetful) lose(n int64) { f.after.Store(n) }

func (f *forgetful) Save(ctx context.Context, id session.ID, r session.Record, over session.Version) (session.Version, error) {
	v, err := f.Store.Save(ctx, id, r, over)
	if f.after.Add(-1) == 0 {
		f.mute.Store(!f.kind)
		return session.Absent, storetest.ErrLostAck
	}
	return v, err
}

func (f *forgetful) Load(ctx context.Context, id session.ID) (session.Record, error) {
	if f.mute.Swap(false) {
		return session.Record{}, storetest.ErrLostAck
	}
	return f.Store.Load(ctx, id)
}

// bobOn returns a Manager on store, and a visitor whose session it holds.
func bobOn(t *testing.T, store session.Store) (*session.Manager, *sessiontest.Visitor) {
	t.Helper()
	m := mustNew(t, store, nil)
	return m, sessiontest.NewVisitor(t, m, bob)
}

// losing returns a session, whose next save the store makes and does not answer, and its
// visitor.
func losing(t *testing.T) (*session.Session, *sessiontest.Visitor) {
	t.Helper()
	store := &forgetful{Store: memstore.New(nil)}
	_, v := bobOn(t, store)
	s := v.Session()
	store.lose(1)
	return s, v
}

func TestALostAcknowledgement(t *testing.T) {
	saveFails := func(t *testing.T, s *session.Session) {
		t.Helper()
		if _, err := s.Save(t.Context()); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Save = %v, want ErrUnavailable", err)
		}
	}
	t.Run("counts an update once", func(t *testing.T) {
		store := &forgetful{Store: memstore.New(nil)}
		m, v := bobOn(t, store)
		store.lose(1)
		answer := v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			count.Update(s, increment)
			saveFails(t, s)
		})), "/")
		if got := count.Or(v.Session(), 0); got != 1 || answer.StatusCode != http.StatusOK {
			t.Errorf("count = %d after one increment, answered %d", got, answer.StatusCode)
		}
	})
	t.Run("counts it once, with others in between", func(t *testing.T) {
		s, v := losing(t)
		count.Update(s, increment)
		saveFails(t, s)
		meanwhile(t, v, func(s *session.Session) { user.Set(s, "alice") })
		count.Update(s, increment)
		if err := s.Reload(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := s.Save(t.Context()); err != nil {
			t.Error(err)
		}
		if got := v.Session(); count.Or(got, 0) != 2 || user.Or(got, "") != "alice" {
			t.Errorf("count = %d, user = %q", count.Or(got, 0), user.Or(got, ""))
		}
	})
	t.Run("does not keep what was taken back", func(t *testing.T) {
		store := &forgetful{Store: memstore.New(nil)}
		m, v := bobOn(t, store)
		store.lose(1)
		v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			user.Set(s, "admin")
			saveFails(t, s)
			user.Set(s, "bob")
		})), "/")
		if got := user.Or(v.Session(), ""); got != "bob" {
			t.Errorf("user = %q, want bob, which was set last", got)
		}
	})
	t.Run("of a save that never happened is made up for", func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		m, v := bobOn(t, store)
		answer := v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			count.Update(s, increment)
			store.Fail(errors.New("away"))
			saveFails(t, s)
			store.Heal()
		})), "/")
		if got := count.Or(v.Session(), 0); got != 1 || answer.StatusCode != http.StatusOK {
			t.Errorf("count = %d, answered %d", got, answer.StatusCode)
		}
	})
	t.Run("of a login leaves the visitor a session", func(t *testing.T) {
		store := &forgetful{Store: memstore.New(nil), kind: true}
		m, v := bobOn(t, store)
		old := v.Request(http.MethodGet, "/", nil)
		store.lose(2) // the new record, then the tombstone
		answer := v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) { s.Renew() })), "/")
		if got := user.Or(v.Session(), ""); got != "bob" || answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("answered %d, user = %q: the visitor's session is gone", answer.StatusCode, got)
		}
		if s := m.Load(t.Context(), old.Header); s.Err() != nil || s.ID() != "" {
			t.Errorf("the old token shows %v, %v", s, s.Err())
		}
	})
	t.Run("of a login counts its updates once", func(t *testing.T) {
		store := &forgetful{Store: memstore.New(nil), kind: true}
		m, v := bobOn(t, store)
		store.lose(2)
		answer := v.Get(m.Handler(ask(t, func(_ http.ResponseWriter, _ *http.Request, s *session.Session) {
			count.Update(s, increment)
			s.Renew()
			saveFails(t, s)
		})), "/")
		if got := count.Or(v.Session(), 0); got != 1 || answer.StatusCode != http.StatusOK {
			t.Errorf("count = %d, answered %d", got, answer.StatusCode)
		}
	})
	t.Run("of a StartNew leaves the visitor the new session", func(t *testing.T) {
		store := &forgetful{Store: memstore.New(nil), kind: true}
		m, v := bobOn(t, store)
		store.lose(2)
		v.Get(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, _ := session.StartNew(r.Context())
			user.Set(s, "alice")
		})), "/")
		if got := user.Or(v.Session(), ""); got != "alice" {
			t.Errorf("user = %q", got)
		}
	})
	t.Run("is not made up for over what another one wrote since", func(t *testing.T) {
		s, v := losing(t)
		user.Set(s, "older")
		saveFails(t, s)
		meanwhile(t, v, func(s *session.Session) { user.Set(s, "newer") })
		if _, err := s.Save(t.Context()); err != nil {
			t.Error(err)
		}
		if got := user.Or(v.Session(), ""); got != "newer" {
			t.Errorf("user = %q: an acknowledged write was undone", got)
		}
	})
	t.Run("of an update that another one wrote over is told, and not counted twice", func(t *testing.T) {
		s, v := losing(t)
		count.Update(s, increment)
		saveFails(t, s)
		meanwhile(t, v, func(s *session.Session) { count.Update(s, increment) })
		saveFails(t, s) // nobody can tell
		if _, err := s.Save(t.Context()); err != nil {
			t.Errorf("the save after it: %v", err)
		}
		if got := count.Or(v.Session(), 0); got != 2 {
			t.Errorf("count = %d after two increments", got)
		}
	})
}

// A save that was not answered is looked up once: where it stands it is durable,
// where the version of before stands it is sent again, and where another writer has
// written the changes are made anew.
func TestASaveWithoutAnAnswerIsLookedUp(t *testing.T) {
	t.Run("and stands", func(t *testing.T) {
		store := &forgetful{Store: memstore.New(nil), kind: true}
		m, v := bobOn(t, store)
		s := v.Session()
		store.lose(1)
		count.Update(s, increment)
		if d, err := s.Save(t.Context()); d != session.Durable || err != nil {
			t.Errorf("Save = %v, %v, want durable", d, err)
		}
		if got := count.Or(v.Session(), 0); got != 1 {
			t.Errorf("count = %d after one increment", got)
		}
		if n := m.Stats().Saves; n != 2 { // bob's, and this one's
			t.Errorf("%d saves were counted, want 2", n)
		}
	})
	t.Run("and never arrived", func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		_, v := bobOn(t, store)
		s := v.Session()
		failed := false
		store.Before(func(op string, _ session.ID) error {
			if op == "save" && !failed {
				failed = true
				return errors.New("connection reset")
			}
			return nil
		})
		count.Update(s, increment)
		if d, err := s.Save(t.Context()); d != session.Durable || err != nil {
			t.Errorf("Save = %v, %v, want durable", d, err)
		}
		if got := count.Or(v.Session(), 0); got != 1 {
			t.Errorf("count = %d after one increment", got)
		}
	})
	t.Run("and another writer was there", func(t *testing.T) {
		mem := memstore.New(nil)
		store := storetest.NewFaulty(mem)
		m, other := mustNew(t, store, nil), mustNew(t, mem, nil)
		v := sessiontest.NewVisitor(t, m, bob)
		s := v.Session()
		in := v.Request(http.MethodGet, "/", nil).Header
		failed := false
		store.Before(func(op string, _ session.ID) error {
			if op == "save" && !failed {
				failed = true
				o := other.Load(t.Context(), in)
				count.Update(o, increment)
				if _, err := o.Save(t.Context()); err != nil {
					t.Error(err)
				}
				return errors.New("connection reset")
			}
			return nil
		})
		user.Set(s, "alice")
		if d, err := s.Save(t.Context()); d != session.Durable || err != nil {
			t.Errorf("Save = %v, %v, want durable", d, err)
		}
		if got := v.Session(); count.Or(got, 0) != 1 || user.Or(got, "") != "alice" {
			t.Errorf("count = %d, user = %q, want 1 and alice", count.Or(got, 0), user.Or(got, ""))
		}
	})
}

// A save that timed out may still arrive, behind the one that took its place.
func TestALateSaveUndoesNothing(t *testing.T) {
	mem := memstore.New(nil)
	store := storetest.NewFaulty(mem)
	_, v := bobOn(t, store)
	s := v.Session()
	r, err := mem.Load(t.Context(), s.ID())
	if err != nil {
		t.Fatal(err)
	}
	count.Set(s, 7)
	store.Fail(errors.New("away"))
	if _, err := s.Save(t.Context()); !errors.Is(err, session.ErrUnavailable) {
		t.Fatalf("Save = %v", err)
	}
	store.Heal()
	count.Set(s, 0) // as it was
	if _, err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := mem.Save(t.Context(), s.ID(), r, r.Version); !errors.Is(err, session.ErrConflict) {
		t.Errorf("the late save: %v, want ErrConflict", err)
	}
}

func TestAStreamWhoseSavesFailStaysBounded(t *testing.T) {
	store := storetest.NewFaulty(memstore.New(nil))
	m := mustNew(t, store, nil)
	s := sessiontest.NewVisitor(t, m, bob).Session()
	store.Before(func(op string, _ session.ID) error {
		if op == "save" {
			return errors.New("READONLY")
		}
		return nil
	})
	var err error
	n := 0
	for ; err == nil && n < 20_000; n++ {
		err = count.Update(s, increment)
	}
	if !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("%d updates that nobody saved: %v, want an error", n, err)
	}
}
