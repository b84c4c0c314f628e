package moving_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/moving"
	"github.com/holdfast-go/session/sessiontest"
	"github.com/holdfast-go/session/storetest"
)

// silent is a Lister that does not tell when records expire, as most do not.
type silent struct{ *memstore.Store }

func (s silent) Load(ctx context.Context, id session.ID) (session.Record, error) {
	r, err := s.Store.Load(ctx, id)
	r.Expires = time.Time{}
	return r, err
}

var visits = session.NewKey[int]("visits")

// site is an instance of an application.
type site struct {
	sessions *session.Manager
	handler  http.Handler
}

func newSite(t *testing.T, s session.Store) site {
	t.Helper()
	m, err := session.New(s, &session.Options{ReadTimeout: 10 * time.Second, SaveTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return site{m, m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		if err != nil {
			session.Error(w, r, err)
			return
		}
		if r.URL.Path == "/logout" {
			s.Destroy(r.Context())
			return
		}
		visits.Update(s, func(n *int) error { *n++; return nil })
		fmt.Fprint(w, visits.Or(s, 0))
	}))}
}

// visit is one request of a visitor; it returns how many the session has counted.
func (s site) visit(v *sessiontest.Visitor) (counted int, status int) {
	answer := v.Get(s.handler, "/")
	fmt.Fscan(answer.Body, &counted)
	return counted, answer.StatusCode
}

// A site of two instances moves, one instance after the other, step by step. Some visitors
// come to both at each stage, and some only before and when all is over.
func TestASiteMoves(t *testing.T) {
	from, to := silent{memstore.New(nil)}, memstore.New(nil)
	newAt := func(s moving.Step) *moving.Store { return moving.New(from, to, s, nil) }
	prepared := newAt(moving.Prepare)
	moved := newAt(moving.Move)
	drained := newAt(moving.Drain)
	stages := [][2]session.Store{
		{from, from}, {from, prepared}, {prepared, prepared}, {prepared, moved}, {moved, moved},
		{moved, drained}, {drained, to}, {to, to},
	}
	const people = 20
	var busy, away []*sessiontest.Visitor
	counted := 0
	for n, stage := range stages {
		left, right := newSite(t, stage[0]), newSite(t, stage[1])
		if n == 0 {
			for range people {
				busy, away = append(busy, sessiontest.NewVisitor(t, left.sessions)), append(away, sessiontest.NewVisitor(t, left.sessions))
			}
			for _, v := range away {
				left.visit(v)
			}
		}
		if stage[0] == drained {
			pushAll(t, moved)
		}
		for _, s := range []site{left, right, left} {
			counted++
			for _, v := range busy {
				if got, status := s.visit(v); got != counted {
					t.Fatalf("stage %d: answered %d, counted %d, want %d", n, status, got, counted)
				}
			}
		}
	}
	last := newSite(t, to)
	for _, v := range away {
		if got, status := last.visit(v); got != 2 {
			t.Errorf("a visitor who was away: answered %d, counted %d, want 2", status, got)
		}
	}
}

// pushAll pushes until nothing is left.
func pushAll(t *testing.T, s *moving.Store) {
	t.Helper()
	before, err := s.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Push(t.Context())
	if err != nil || p.Left > 0 || p.Failed > 0 || p.Moved < before.Left+before.Moved {
		t.Fatalf("pushed %+v of %+v, %v", p, before, err)
	}
	if after, err := s.Count(t.Context()); err != nil || after.Left > 0 {
		t.Fatalf("after the push: %+v, %v", after, err)
	}
}

// A record is pushed with the end that it has: that of its store, or of its session.
func TestWhatIsPushedKeepsItsEnd(t *testing.T) {
	from := memstore.New(nil)
	m, err := session.New(from, &session.Options{Idle: 2 * time.Hour, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	sessiontest.NewVisitor(t, m, func(s *session.Session) { visits.Set(s, 1) })
	r := record("of another system")
	r.Expires = time.Now().Add(5 * time.Hour)
	mustSave(t, from, "other", r, session.Absent)
	mustSave(t, from, "tombstone", session.Record{Data: tombstone(t), Expires: r.Expires}, session.Absent)

	o := &moving.Options{Idle: 2 * time.Hour, Lifetime: 3 * time.Hour}
	for _, test := range []struct {
		store            session.Store
		other, tombstone time.Duration
	}{{from, 5 * time.Hour, 5 * time.Hour}, {silent{from}, 2 * time.Hour, 3 * time.Hour}} {
		to := memstore.New(nil)
		mover := moving.New(noSaves{test.store.(store)}, to, moving.Drain, o)
		if p, err := mover.Push(t.Context()); err != nil || p.Moved != 3 {
			t.Fatalf("pushed %+v, %v", p, err)
		}
		for id, err := range to.List(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			want := map[session.ID]time.Duration{"other": test.other, "tombstone": test.tombstone}[id]
			if want == 0 {
				want = time.Hour
			}
			if ends := time.Until(mustLoad(t, to, id).Expires); ends > want+time.Minute || ends < want-time.Minute {
				t.Errorf("%s ends in %v, want %v", id, ends, want)
			}
		}
	}
}

// store is a Lister.
type store interface {
	session.Store
	session.Lister
}

// noSaves is a store that takes no saves any more.
type noSaves struct{ store }

func (noSaves) Save(context.Context, session.ID, session.Record, session.Version) (session.Version, error) {
	return session.Absent, errDied
}

// A session that was moved and has expired since is in no list, nor left.
func TestWhatHasExpiredIsNotListed(t *testing.T) {
	from, to := memstore.New(nil), memstore.New(nil)
	s := moving.New(from, to, moving.Move, nil)
	v := mustSave(t, s, "x", record("b"), mustSave(t, from, "x", record("a"), session.Absent))
	mustSave(t, from, "y", record("a"), session.Absent)
	gone := record("")
	gone.Expires = time.Unix(1, 0)
	mustSave(t, s, "x", gone, v)
	for id, err := range s.List(t.Context()) {
		if err != nil || id != "y" {
			t.Errorf("listed %s, %v", id, err)
		}
	}
	if p, err := s.Count(t.Context()); err != nil || p != (moving.Progress{Moved: 1, Left: 1}) {
		t.Errorf("counted %+v, %v", p, err)
	}
}

func TestAPushSaysWhatItCannotDo(t *testing.T) {
	from, to := storetest.NewFaulty(memstore.New(nil)), storetest.NewFaulty(memstore.New(nil))
	for n := range 5 {
		mustSave(t, from, session.ID(fmt.Sprintf("%032x", n)), record("a"), session.Absent)
	}
	if _, err := moving.New(from, to, moving.Prepare, nil).Push(t.Context()); err == nil {
		t.Error("pushed at Prepare")
	}
	s := moving.New(from, to, moving.Move, nil)
	to.Fail(errDied)
	if p, err := s.Push(t.Context()); !errors.Is(err, errDied) || p.Left != 5 || p.Failed != 5 {
		t.Errorf("pushed %+v, %v into a store that is away", p, err)
	}
	to.Heal()
	from.Fail(errDied)
	if _, err := s.Push(t.Context()); !errors.Is(err, errDied) {
		t.Errorf("pushed out of a store that is away: %v", err)
	}
	from.Heal()
	if p, err := s.Push(t.Context()); err != nil || p.Moved != 5 {
		t.Errorf("pushed %+v, %v", p, err)
	}
	onlyAStore := struct{ session.Store }{memstore.New(nil)}
	if _, err := moving.New(onlyAStore, to, moving.Move, nil).Count(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("counted a store that does not tell what it holds: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Push(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("pushed without an end: %v", err)
	}
}

func tombstone(t *testing.T) []byte {
	t.Helper()
	store := memstore.New(nil)
	s := newSite(t, store)
	v := sessiontest.NewVisitor(t, s.sessions, func(s *session.Session) { visits.Set(s, 1) })
	v.Get(s.handler, "/logout")
	for id, err := range store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if r := mustLoad(t, store, id); len(id) == 32 || len(id) == 64 {
			return r.Data
		}
	}
	t.Fatal("the logout has left no tombstone")
	return nil
}
