package moving_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/moving"
	"github.com/holdfast-go/session/storetest"
)

// slow delays each call of a store by a random time, and lets some of them fail before or
// after they were done.
func slow(s session.Store, r *rand.Rand, mu *sync.Mutex, failures int) session.Store {
	f := storetest.NewFaulty(s)
	f.Before(func(string, session.ID) error {
		mu.Lock()
		wait, fails := time.Duration(r.IntN(1000))*time.Microsecond, r.IntN(1000) < failures
		mu.Unlock()
		time.Sleep(wait)
		if fails {
			return errDied
		}
		return nil
	})
	return f
}

// Instances of two steps count together, in virtual time: each increments a number over the
// version that it has loaded. The number is in the end what was acknowledged, and at
// most what was tried besides.
func TestInstancesCountTogether(t *testing.T) {
	for _, pair := range [][2]moving.Step{
		{moving.Prepare, moving.Prepare}, {moving.Prepare, moving.Move}, {moving.Move, moving.Move},
		{moving.Move, moving.Drain}, {moving.Drain, moving.Drain},
	} {
		for _, failures := range []int{0, 50} {
			t.Run(fmt.Sprint(pair, failures), func(t *testing.T) {
				for seed := range uint64(150) {
					synctest.Test(t, func(t *testing.T) { count(t, pair, failures, seed) })
				}
			})
		}
	}
}

func count(t *testing.T, pair [2]moving.Step, failures int, seed uint64) {
	var (
		mu     sync.Mutex
		r      = rand.New(rand.NewPCG(seed, 7))
		all    sync.WaitGroup
		acked  uint64
		doubts uint64
		from   = memstore.New(nil)
		to     = memstore.New(nil)
	)
	mustSave(t, from, "x", number(0), session.Absent)
	for n := range 6 {
		s := moving.New(slow(from, r, &mu, failures), slow(to, r, &mu, failures), pair[n%2], nil)
		all.Go(func() {
			for range 4 {
				err := increment(t.Context(), s)
				mu.Lock()
				switch {
				case err == nil:
					acked++
				case errors.Is(err, session.ErrNotFound):
					t.Errorf("seed %d: the session was not found", seed)
				case !errors.Is(err, session.ErrConflict):
					doubts++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	rec, err := moving.New(from, to, pair[1], nil).Load(t.Context(), "x")
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if got := binary.BigEndian.Uint64(rec.Data); got < acked || got > acked+doubts {
		t.Fatalf("seed %d: counted %d, with %d acknowledged and %d in doubt", seed, got, acked, doubts)
	}
	if failures == 0 && pair[0] == pair[1] && pair[0] != moving.Move && doubts > 0 {
		t.Fatalf("seed %d: %d saves in doubt without a failure", seed, doubts)
	}
}

// number returns a record of n that no other has the bytes of, as every write of a session.
func number(n uint64) session.Record {
	data := binary.BigEndian.AppendUint64(nil, n)
	return session.Record{Data: binary.BigEndian.AppendUint64(data, rand.Uint64()), Expires: time.Now().Add(time.Hour)}
}

func increment(ctx context.Context, s session.Store) error {
	r, err := s.Load(ctx, "x")
	if errors.Is(err, errDied) {
		return session.ErrConflict // nothing was saved
	}
	if err != nil {
		return err
	}
	_, err = s.Save(ctx, "x", number(binary.BigEndian.Uint64(r.Data)+1), r.Version)
	return err
}

// Of many instances that create one session at once, at two steps, one succeeds at most, and
// its session stands.
func TestInstancesCreateAtOnce(t *testing.T) {
	created := 0
	for seed := range uint64(500) {
		synctest.Test(t, func(t *testing.T) {
			var (
				mu   sync.Mutex
				r    = rand.New(rand.NewPCG(seed, 8))
				all  sync.WaitGroup
				won  []uint64
				from = memstore.New(nil)
				to   = memstore.New(nil)
			)
			for n := range uint64(4) {
				s := moving.New(slow(from, r, &mu, 0), slow(to, r, &mu, 0), steps[n%2], nil)
				all.Go(func() {
					_, err := s.Save(t.Context(), "x", number(n), session.Absent)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						won = append(won, n)
					case !errors.Is(err, session.ErrConflict):
						t.Errorf("seed %d: %v", seed, err)
					}
				})
			}
			all.Wait()
			if len(won) > 1 {
				t.Fatalf("seed %d: %d instances have created the session", seed, len(won))
			}
			if len(won) == 0 {
				return
			}
			created++
			for _, step := range steps[:2] {
				got, err := moving.New(from, to, step, nil).Load(t.Context(), "x")
				if err != nil || binary.BigEndian.Uint64(got.Data) != won[0] {
					t.Fatalf("seed %d: at %v stands %x, %v, want %d", seed, step, got.Data, err, won[0])
				}
			}
		})
	}
	if created < 250 {
		t.Errorf("the session was created in %d of 500 tries", created)
	}
}
