package memstore_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/records"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

var (
	_ session.Store  = (*memstore.Store)(nil)
	_ session.Lister = (*memstore.Store)(nil)
)

func TestContract(t *testing.T) {
	var f *storetest.Faulty
	empty := func() session.Store { return memstore.New(&memstore.Options{MaxBytes: 3 << 19}) }
	storetest.Run(t, storetest.Harness{
		New: func(testing.TB) session.Store {
			f = storetest.NewFaulty(empty())
			return f
		},
		Restart:   func(testing.TB) { f.Replace(empty()) },
		MaxRecord: 1 << 20,
		Each:      synctest.Test,
	})
}

func TestContractByTheWallClock(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for expiries: make test and make race do in full, TestContract is the short form")
	}
	t.Parallel()
	storetest.Run(t, storetest.Harness{
		New: func(testing.TB) session.Store { return memstore.New(nil) },
	})
}

func expiring(data string, in time.Duration) session.Record {
	return session.Record{Data: []byte(data), Expires: time.Now().Add(in)}
}

var (
	record   = records.New
	mustSave = records.MustSave
)

// fill saves sessions, each with an hour more than the one before, until the
// store refuses one or has evicted one.
func fill(t *testing.T, s *memstore.Store) []session.ID {
	t.Helper()
	var ids []session.ID
	for n := 0; s.Len() == n; n++ {
		id := session.ID(fmt.Sprintf("%032x", n))
		_, err := s.Save(t.Context(), id, expiring("0123456789", time.Duration(n+1)*time.Hour), session.Absent)
		if errors.Is(err, memstore.ErrFull) {
			return ids
		}
		if err != nil {
			t.Fatalf("Save: %v", err)
		}
		ids = append(ids, id)
	}
	return ids
}

func TestAFullStoreRefusesAndLosesNothing(t *testing.T) {
	s := memstore.New(&memstore.Options{MaxBytes: 100_000})
	ids := fill(t, s)
	if len(ids) < 400 || s.Len() != len(ids) {
		t.Fatalf("holds %d of %d sessions in 100 kB, want all, and over 400", s.Len(), len(ids))
	}
	_, full := s.Save(t.Context(), "new", record("x"), session.Absent)
	for _, other := range []error{session.ErrNotFound, session.ErrConflict, session.ErrTooLarge} {
		if !errors.Is(full, memstore.ErrFull) || errors.Is(full, other) {
			t.Errorf("a new session: got error %v, want ErrFull and not %v", full, other)
		}
	}
	r, err := s.Load(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), ids[0], record(string(make([]byte, 1000))), r.Version); !errors.Is(err, memstore.ErrFull) {
		t.Errorf("a session that grows: got error %v, want ErrFull", err)
	}
	if _, err := s.Save(t.Context(), "new", record("x"), r.Version); !errors.Is(err, session.ErrConflict) {
		t.Errorf("a new session over a Version: got error %v, want ErrConflict", err)
	}
	mustSave(t, s, ids[0], record("9876543210"), r.Version) // a refresh
	mustSave(t, s, ids[1], record("dead"), session.Any)     // a logout
	for _, id := range ids {
		if _, err := s.Load(t.Context(), id); err != nil {
			t.Fatalf("Load(%s): %v", id, err)
		}
	}
}

func TestAFullStoreReclaimsWhatExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(&memstore.Options{MaxBytes: 100_000})
		ids := fill(t, s)
		time.Sleep(100 * time.Hour)
		for i := range 100 {
			mustSave(t, s, session.ID(fmt.Sprintf("new %28d", i)), record("0123456789"), session.Absent)
		}
		if n := s.Len(); n != len(ids) {
			t.Errorf("holds %d sessions, want %d: a hundred were to take the place of those that expired", n, len(ids))
		}
		for _, id := range ids[100:] {
			if _, err := s.Load(t.Context(), id); err != nil {
				t.Fatalf("Load(%s): %v", id, err)
			}
		}
	})
}

func TestAFullStoreEvictsWhoIsNearestToExpiry(t *testing.T) {
	s := memstore.New(&memstore.Options{MaxBytes: 100_000, Evict: true})
	ids := fill(t, s) // the last evicted the first
	large := make([]byte, 10_000)
	mustSave(t, s, "large", record(string(large)), session.Absent)
	gone := 0
	for _, id := range ids {
		_, err := s.Load(t.Context(), id)
		if errors.Is(err, session.ErrNotFound) {
			gone++
		}
		if next := len(ids) - s.Len() + 1; errors.Is(err, session.ErrNotFound) != (id < ids[next]) {
			t.Fatalf("Load(%s): %v: want the %d nearest to expiry gone, and no others", id, err, next)
		}
	}
	if gone < 50 || gone > 70 {
		t.Errorf("evicted %d sessions of 170 bytes for one of 10 kB", gone)
	}
}

func TestASessionIsNotEvictedForItself(t *testing.T) {
	s := memstore.New(&memstore.Options{MaxBytes: 100_000, Evict: true})
	v := mustSave(t, s, "first", expiring("", time.Minute), session.Absent)
	for s.Bytes() < 99_000 {
		mustSave(t, s, session.ID(fmt.Sprint(s.Len())), record("0123456789"), session.Absent)
	}
	for n := 10_000; n < 99_000; n += 10_000 {
		v = mustSave(t, s, "first", expiring(string(make([]byte, n)), time.Minute), v)
	}
}

func TestWhatExceedsTheStoreIsTooLarge(t *testing.T) {
	for _, evict := range []bool{false, true} {
		s := memstore.New(&memstore.Options{MaxBytes: 100_000, Evict: evict})
		ids := fill(t, s)
		n := s.Len()
		if _, err := s.Save(t.Context(), ids[n-1], record(string(make([]byte, 100_000))), session.Any); !errors.Is(err, session.ErrTooLarge) {
			t.Errorf("evict %v: got error %v, want ErrTooLarge", evict, err)
		}
		if s.Len() != n {
			t.Errorf("evict %v: %d sessions were lost for one that cannot be saved", evict, n-s.Len())
		}
	}
}

// The bound holds at every moment, whichever goroutine saves, and the count is
// exact: it is zero when nothing is left.
func TestTheBoundHoldsAcrossShards(t *testing.T) {
	for _, evict := range []bool{false, true} {
		t.Run(fmt.Sprintf("evict=%v", evict), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const limit = 200_000
				s := memstore.New(&memstore.Options{MaxBytes: limit, Evict: evict})
				var wg sync.WaitGroup
				for g := range 8 {
					wg.Go(func() {
						random := rand.New(rand.NewPCG(1, uint64(g)))
						for range 3000 {
							id := session.ID(fmt.Sprint(random.IntN(2000)))
							in := time.Duration(random.IntN(1000)-100) * time.Second
							_, err := s.Save(t.Context(), id, expiring(string(make([]byte, random.IntN(2000))), in), session.Any)
							if err != nil && (evict || !errors.Is(err, memstore.ErrFull)) {
								t.Errorf("Save: %v", err)
								return
							}
							if n := s.Bytes(); n > limit || n < 0 {
								t.Errorf("holds %d bytes, want at most %d", n, limit)
								return
							}
						}
					})
				}
				wg.Wait()
				if s.Bytes() < limit*3/4 {
					t.Errorf("holds %d bytes only: not full", s.Bytes())
				}
				time.Sleep(time.Hour)
				for i := 0; s.Len() > 0; i++ {
					if i == 10_000 {
						t.Fatalf("%d expired sessions left after %d saves", s.Len(), i)
					}
					mustSave(t, s, session.ID(fmt.Sprint(i)), expiring("", -time.Second), session.Any)
				}
				if s.Bytes() != 0 {
					t.Errorf("an empty store holds %d bytes", s.Bytes())
				}
			})
		})
	}
}

// The memory of what expired comes back with the saves that follow, as fast as
// they come, without a goroutine.
func TestMemoryOfTheExpiredComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(nil)
		for i := range 20_000 {
			mustSave(t, s, session.ID(fmt.Sprint("old", i)), expiring("0123456789", time.Minute), session.Absent)
		}
		time.Sleep(time.Hour)
		for i := range 5_000 {
			mustSave(t, s, session.ID(fmt.Sprint("new", i)), record("0123456789"), session.Absent)
		}
		if s.Len() != 5_000 {
			t.Errorf("holds %d sessions, want the 5,000 that have not expired", s.Len())
		}
	})
}

func TestVersionsOfTwoStoresDiffer(t *testing.T) {
	a, b := memstore.New(nil), memstore.New(nil)
	v := mustSave(t, a, "1", record("a"), session.Absent)
	mustSave(t, b, "1", record("b"), session.Absent)
	if _, err := b.Save(t.Context(), "1", record("late"), v); !errors.Is(err, session.ErrConflict) {
		t.Errorf("Save over a Version of another Store: got error %v, want ErrConflict", err)
	}
}

func TestCallersMayAppendToWhatTheyShare(t *testing.T) {
	s := memstore.New(nil)
	mustSave(t, s, "1", record("0123456789"), session.Absent)
	var wg sync.WaitGroup
	for i := range 4 { // the race detector is the judge
		wg.Go(func() {
			r, err := s.Load(t.Context(), "1")
			if got := append(r.Data, byte('a'+i)); err != nil || got[10] != byte('a'+i) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	wg.Wait()
}

func TestListHoldsNoLock(t *testing.T) {
	s := memstore.New(nil)
	for i := range 1000 {
		mustSave(t, s, session.ID(fmt.Sprint(i)), record("x"), session.Absent)
	}
	n := 0
	for id, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		mustSave(t, s, id, record("dead"), session.Any)
		if s.Len() != 1000 { // takes every lock
			t.Fatalf("holds %d sessions", s.Len())
		}
		n++
	}
	if n != 1000 {
		t.Errorf("listed %d sessions, want 1000", n)
	}
	for range s.List(t.Context()) {
		break
	}
}

func TestNoBoundAndFarExpiries(t *testing.T) {
	s := memstore.New(&memstore.Options{MaxBytes: math.MaxInt64})
	for _, expires := range []time.Time{
		time.Now().AddDate(100, 0, 0),
		time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		mustSave(t, s, "1", session.Record{Expires: expires}, session.Any)
		if _, err := s.Load(t.Context(), "1"); err != nil {
			t.Errorf("expires %v: Load: %v", expires, err)
		}
	}
	mustSave(t, s, "1", session.Record{Expires: time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)}, session.Any)
	if s.Len() != 0 {
		t.Error("a record that expired long ago stands")
	}
}

func TestANegativeBoundIsAMistake(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New took a negative MaxBytes")
		}
	}()
	memstore.New(&memstore.Options{MaxBytes: -1})
}
