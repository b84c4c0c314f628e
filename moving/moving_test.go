package moving_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/records"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/moving"
	"github.com/holdfast-go/session/storetest"
)

var (
	record   = records.New
	mustSave = records.MustSave
	mustLoad = records.MustLoad
	steps    = []moving.Step{moving.Prepare, moving.Move, moving.Drain}
)

func TestContract(t *testing.T) {
	for _, step := range steps {
		t.Run(step.String(), func(t *testing.T) {
			empty := func() session.Store { return memstore.New(&memstore.Options{MaxBytes: 3 << 19}) }
			var from, to *storetest.Faulty
			again := func(testing.TB) session.Store { return moving.New(from, to, step, nil) }
			storetest.Run(t, storetest.Harness{
				New: func(t testing.TB) session.Store {
					from, to = storetest.NewFaulty(empty()), storetest.NewFaulty(empty())
					return again(t)
				},
				Again:   again,
				Restart: func(testing.TB) { from.Replace(empty()); to.Replace(empty()) },
				Freeze:  func(testing.TB) { from.Hang(); to.Hang() },
				Thaw:    func(testing.TB) { from.Heal(); to.Heal() },
				Each:    synctest.Test,
			})
		})
	}
}

// Sessions that the old store had before are what a visitor brings at every step.
func TestASessionOfTheOldStore(t *testing.T) {
	for _, step := range steps {
		t.Run(step.String(), func(t *testing.T) {
			from, to := memstore.New(nil), memstore.New(nil)
			s := moving.New(from, to, step, nil)
			mustSave(t, from, "x", record("a"), session.Absent)
			if _, err := s.Save(t.Context(), "x", record("b"), session.Absent); !errors.Is(err, session.ErrConflict) {
				t.Errorf("created beside what stands there: %v", err)
			}
			r := mustLoad(t, s, "x")
			if string(r.Data) != "a" {
				t.Fatalf("loaded %q, want a", r.Data)
			}
			v := mustSave(t, s, "x", record("b"), r.Version)
			if _, err := s.Save(t.Context(), "x", record("c"), r.Version); !errors.Is(err, session.ErrConflict) {
				t.Errorf("saved twice over one version: %v", err)
			}
			mustSave(t, s, "x", record("c"), v)
			if r := mustLoad(t, s, "x"); string(r.Data) != "c" {
				t.Errorf("loaded %q, want c", r.Data)
			}
			_, err := to.Load(t.Context(), "x")
			if inNew := err == nil; inNew != (step != moving.Prepare) {
				t.Errorf("the new store has it: %v", inNew)
			}
			mustSave(t, s, "x", record("d"), session.Any)
			if r := mustLoad(t, s, "x"); string(r.Data) != "d" {
				t.Errorf("loaded %q, want d", r.Data)
			}
		})
	}
}

// An instance at Prepare follows what others have moved, and saves over nothing that it has
// read before.
func TestStepsSideBySide(t *testing.T) {
	for _, pair := range [][2]moving.Step{{moving.Prepare, moving.Move}, {moving.Move, moving.Drain}} {
		t.Run(fmt.Sprint(pair), func(t *testing.T) {
			from, to := memstore.New(nil), memstore.New(nil)
			behind, ahead := moving.New(from, to, pair[0], nil), moving.New(from, to, pair[1], nil)
			mustSave(t, from, "x", record("a"), session.Absent)
			old := mustLoad(t, behind, "x")
			mustSave(t, ahead, "x", record("b"), mustLoad(t, ahead, "x").Version)
			if v, err := behind.Save(t.Context(), "x", record("lost"), old.Version); err == nil {
				t.Errorf("saved over what was moved, as %x", v)
			}
			r := mustLoad(t, behind, "x")
			if string(r.Data) != "b" {
				t.Errorf("loaded %q, want b", r.Data)
			}
			mustSave(t, behind, "x", record("c"), r.Version)
			if r := mustLoad(t, ahead, "x"); string(r.Data) != "c" {
				t.Errorf("loaded %q, want c", r.Data)
			}
		})
	}
}

// A save over whatever stands gives a record that no other save replaces unseen.
func TestASaveOverAnythingSideBySide(t *testing.T) {
	for _, step := range []moving.Step{moving.Prepare, moving.Move} {
		t.Run(step.String(), func(t *testing.T) {
			from, to := memstore.New(nil), memstore.New(nil)
			behind, ahead := moving.New(from, to, moving.Prepare, nil), moving.New(from, to, step, nil)
			mustSave(t, from, "x", record("a"), session.Absent)
			old := mustLoad(t, behind, "x")
			mustSave(t, ahead, "x", record("b"), session.Any)
			if _, err := behind.Save(t.Context(), "x", record("lost"), old.Version); !errors.Is(err, session.ErrConflict) {
				t.Errorf("saved over what was not seen: %v", err)
			}
			mustSave(t, behind, "x", record("c"), session.Any)
			if r := mustLoad(t, ahead, "x"); string(r.Data) != "c" {
				t.Errorf("loaded %q, want c", r.Data)
			}
		})
	}
}

var errDied = errors.New("died")

// An instance dies at each of the three saves: the session is there all the same, as it was
// before or as it was to be.
func TestAnInstanceDiesWhileItMoves(t *testing.T) {
	for n := 1; n <= 3; n++ {
		t.Run(fmt.Sprintf("before save %d", n), func(t *testing.T) {
			from, to := storetest.NewFaulty(memstore.New(nil)), storetest.NewFaulty(memstore.New(nil))
			v := mustSave(t, from, "x", record("a"), session.Absent)
			saves := 0
			dies := func(op string, _ session.ID) error {
				if op == "save" {
					saves++
				}
				if saves > n { // the first is the one over a version that the new store does not have
					return errDied
				}
				return nil
			}
			from.Before(dies)
			to.Before(dies)
			_, err := moving.New(from, to, moving.Move, nil).Save(t.Context(), "x", record("b"), v)
			if died := n < 3; errors.Is(err, errDied) != died {
				t.Errorf("the save: %v", err)
			}
			from.Before(nil)
			to.Before(nil)
			want := "b"
			if n == 1 {
				want = "a"
			}
			for _, step := range []moving.Step{moving.Prepare, moving.Move} {
				if r := mustLoad(t, moving.New(from, to, step, nil), "x"); string(r.Data) != want {
					t.Errorf("at %v: loaded %q, want %q", step, r.Data, want)
				}
			}
			if n > 1 {
				mustLoad(t, to, "x")
			}
		})
	}
}

// A session that the new store has lost does not come back in the state in which it was
// moved.
func TestNothingOldComesBack(t *testing.T) {
	from, to := memstore.New(nil), storetest.NewFaulty(memstore.New(nil))
	v := mustSave(t, from, "x", record("a"), session.Absent)
	s := moving.New(from, to, moving.Move, nil)
	v = mustSave(t, s, "x", record("b"), v)
	mustSave(t, s, "x", record("c"), v)
	to.Replace(memstore.New(nil))
	if r, err := s.Load(t.Context(), "x"); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("loaded %q, %v, want ErrNotFound", r.Data, err)
	}
	for _, step := range []moving.Step{moving.Prepare, moving.Move} {
		id := session.ID("x")
		s := moving.New(from, to, step, nil)
		v := mustSave(t, s, id, record("restored"), session.Absent)
		if r := mustLoad(t, s, id); string(r.Data) != "restored" {
			t.Errorf("at %v: loaded %q", step, r.Data)
		}
		r := record("")
		r.Expires = time.Unix(1, 0)
		mustSave(t, s, id, r, v)
	}
}

// A version that the new store has lost is not one of the old store's.
func TestASaveOverWhatTheNewStoreHasLost(t *testing.T) {
	for _, step := range []moving.Step{moving.Move, moving.Drain} {
		from, to := memstore.New(nil), storetest.NewFaulty(memstore.New(nil))
		s := moving.New(from, to, step, nil)
		v := mustSave(t, s, "x", record("b"), mustSave(t, from, "x", record("a"), session.Absent))
		to.Replace(memstore.New(nil))
		if _, err := s.Save(t.Context(), "x", record("c"), v); !errors.Is(err, session.ErrConflict) {
			t.Errorf("at %v: got %v, want ErrConflict", step, err)
		}
	}
}

// A tombstone stands in both stores when a logout moves its session, and moves back into a
// new store that has lost it.
func TestATombstoneStandsInBoth(t *testing.T) {
	m := tombstone(t)
	from := memstore.New(nil)
	to := storetest.NewFaulty(memstore.New(nil))
	s := moving.New(from, to, moving.Move, nil)
	v := mustSave(t, from, "x", record("a"), session.Absent)
	mustSave(t, s, "x", session.Record{Data: m, Expires: time.Now().Add(time.Hour)}, v)
	to.Replace(memstore.New(nil))
	if r := mustLoad(t, s, "x"); string(r.Data) != string(m) {
		t.Errorf("loaded %q, want the tombstone", r.Data)
	}
	if r := mustLoad(t, to, "x"); string(r.Data) != string(m) {
		t.Errorf("the new store has %q, want the tombstone", r.Data)
	}
}

// The records by which instances tell each other of logouts move when they are read, and no
// others do.
func TestWhatInstancesTellEachOtherMovesWhenItIsRead(t *testing.T) {
	const log = session.ID("log-0123456789abcdef0123456789abcdef-s0-0")
	for _, step := range steps {
		from, to := memstore.New(nil), memstore.New(nil)
		s := moving.New(from, to, step, nil)
		for _, id := range []session.ID{log, "members-0", "probe-0123abcd-1f", "~incarnation-0", "0123456789abcdef0123456789abcdef"} {
			mustSave(t, from, id, record("a"), session.Absent)
			r := mustLoad(t, s, id)
			if string(r.Data) != "a" {
				t.Errorf("at %v: loaded %q of %s", step, r.Data, id)
			}
			_, err := to.Load(t.Context(), id)
			shared := id == log || id == "members-0"
			if moved := err == nil; moved != (shared && step != moving.Prepare) {
				t.Errorf("at %v: %s has moved: %v", step, id, moved)
			}
			mustSave(t, s, id, record("b"), r.Version)
		}
	}
}

// A record that fits into the old store is moved though its mark does not.
func TestAMarkThatTheOldStoreDoesNotTake(t *testing.T) {
	const room = 1 << 16
	from, to := memstore.New(&memstore.Options{MaxBytes: room}), memstore.New(nil)
	v := mustSave(t, from, "x", record("a"), session.Absent)
	s := moving.New(from, to, moving.Move, nil)
	mustSave(t, s, "x", record(string(make([]byte, room))), v)
	if r := mustLoad(t, s, "x"); len(r.Data) != room {
		t.Errorf("loaded %d bytes, want %d", len(r.Data), room)
	}
}

// The old store is asked for nothing that the new one has: it may be gone by then.
func TestTheOldStoreMayBeAway(t *testing.T) {
	for _, step := range steps {
		from, to := storetest.NewFaulty(memstore.New(nil)), memstore.New(nil)
		s := moving.New(from, to, step, nil)
		mustSave(t, to, "x", record("a"), session.Absent)
		from.Fail(errDied)
		r := mustLoad(t, s, "x")
		if _, err := s.Load(t.Context(), "y"); !errors.Is(err, errDied) {
			t.Errorf("at %v: a session that may be in the old store: %v", step, err)
		}
		if _, err := s.Probe(t.Context(), s.Shard("x")); !errors.Is(err, errDied) {
			t.Errorf("at %v: probed: %v", step, err)
		}
		if step == moving.Prepare {
			continue
		}
		mustSave(t, s, "x", record("b"), r.Version)
	}
}

func TestWhatNewRefuses(t *testing.T) {
	some := memstore.New(nil)
	for name, create := range map[string]func(){
		"no old store":      func() { moving.New(nil, some, moving.Move, nil) },
		"no new store":      func() { moving.New(some, nil, moving.Move, nil) },
		"no step":           func() { moving.New(some, some, 0, nil) },
		"a step too far":    func() { moving.New(some, some, 4, nil) },
		"a negative Idle":   func() { moving.New(some, some, moving.Move, &moving.Options{Idle: -1}) },
		"the same store":    func() { moving.New(some, some, moving.Move, nil) },
		"negative Lifetime": func() { moving.New(some, some, moving.Move, &moving.Options{Lifetime: -1}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			create()
		}()
	}
	if _, err := moving.New(some, memstore.New(nil), moving.Move, nil).Save(t.Context(), "x", session.Record{}, session.Any); err == nil {
		t.Error("a record without an end was saved")
	}
	for _, shard := range []string{"", "a", "a (from b", " (from ) ", "a (from )", " (from b)"} {
		s := moving.New(some, memstore.New(nil), moving.Move, nil)
		if _, err := s.Probe(t.Context(), shard); err == nil {
			t.Errorf("a shard %q was probed", shard)
		}
	}
}
