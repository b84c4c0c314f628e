package timed_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/timed"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

// A timed store keeps the contract, with every optional part that its store has.
func TestATimedStoreIsAStore(t *testing.T) {
	ignore := func(context.Context, timed.Operation, timed.Outcome, time.Duration) {}
	for name, store := range map[string]func() session.Store{
		"of one piece": func() session.Store { return memstore.New(nil) },
		"of shards":    func() session.Store { return storetest.NewFaulty(memstore.New(nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, storetest.Harness{
				New:  func(testing.TB) session.Store { return timed.New(store(), ignore) },
				Each: func(t *testing.T, run func(t *testing.T)) { synctest.Test(t, run) },
			})
		})
	}
}

type fresh struct{}

func (fresh) LoadFresh(context.Context, session.ID) (session.Record, error) {
	return session.Record{}, errors.New("asked afresh")
}

type lister struct{}

func (lister) List(context.Context) iter.Seq2[session.ID, error] { return nil }

type prober struct{}

func (prober) Shard(session.ID) string                       { return "shard" }
func (prober) Probe(context.Context, string) (string, error) { return "incarnation", nil }

type local struct{}

func (local) Local() {}

// What is told of a store by what it implements is told of the timed one too: Options
// without timeouts, for one, depend on Local.
func TestATimedStoreHasThePartsOfItsStore(t *testing.T) {
	plain := session.Store(storetest.NewFaulty(memstore.New(nil)))
	type s struct{ session.Store }
	parts := func(s session.Store) string {
		_, f := s.(session.FreshLoader)
		_, l := s.(session.Lister)
		_, p := s.(session.Prober)
		_, o := s.(session.Local)
		return fmt.Sprintf("fresh %v, lister %v, prober %v, local %v", f, l, p, o)
	}
	stores := []session.Store{
		s{plain},
		struct {
			s
			fresh
		}{},
		struct {
			s
			lister
		}{},
		struct {
			s
			fresh
			lister
		}{},
		struct {
			s
			prober
		}{},
		struct {
			s
			fresh
			prober
		}{},
		struct {
			s
			lister
			prober
		}{},
		struct {
			s
			fresh
			lister
			prober
		}{},
		struct {
			s
			local
		}{},
		struct {
			s
			fresh
			local
		}{},
		struct {
			s
			lister
			local
		}{},
		struct {
			s
			fresh
			lister
			local
		}{},
		struct {
			s
			prober
			local
		}{},
		struct {
			s
			fresh
			prober
			local
		}{},
		struct {
			s
			lister
			prober
			local
		}{},
		struct {
			s
			fresh
			lister
			prober
			local
		}{},
	}
	all := map[string]bool{}
	for _, s := range stores {
		want := parts(s)
		all[want] = true
		w := timed.New(s, func(context.Context, timed.Operation, timed.Outcome, time.Duration) {})
		if got := parts(w); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		p, ok := w.(session.Pinner)
		if !ok {
			continue
		}
		if names := p.Shards(); names != nil {
			t.Errorf("%s: the shards %v are named, want none of a store that is no Pinner", want, names)
		}
		if _, err := w.(session.EvictionCounter).Evictions(t.Context(), "shard"); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: got %v, want ErrUnsupported of a store that does not count", want, err)
		}
	}
	if len(all) != 16 {
		t.Errorf("%d kinds of stores, want 16", len(all))
	}
}

func TestEachCallIsSeenWithItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storetest.NewFaulty(memstore.New(nil))
		var seen []string
		w := timed.New(store, func(_ context.Context, o timed.Operation, x timed.Outcome, d time.Duration) {
			seen = append(seen, fmt.Sprintf("%v %q %v", o, x, d))
		})
		want := func(all ...string) {
			t.Helper()
			if !slices.Equal(seen, all) {
				t.Errorf("got %q, want %q", seen, all)
			}
			seen = nil
		}
		ctx, r := t.Context(), session.Record{Expires: time.Now().Add(time.Hour)}
		store.Delay(3 * time.Millisecond)
		_, _ = w.Load(ctx, "a")
		_, _ = w.(session.FreshLoader).LoadFresh(ctx, "a")
		_, _ = w.Save(ctx, "a", r, session.Absent)
		_, _ = w.Save(ctx, "a", r, session.Absent)
		_, _ = w.(session.Prober).Probe(ctx, "")
		for range w.(session.Lister).List(ctx) {
			break
		}
		want(`load "" 3ms`, `load "" 3ms`, `save "" 3ms`, `save "conflict" 3ms`, `probe "" 3ms`, `list "" 3ms`)
		one, err := w.(session.Pinner).Pin("")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = one.Load(ctx, "a")
		want(`load "" 3ms`)

		store.Hang()
		late, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		_, _ = w.Load(late, "a")
		cancel()
		gone, cancel := context.WithCancel(ctx)
		cancel()
		_, _ = w.Load(gone, "a")
		store.Heal()
		store.Fail(errors.New("refused"))
		_, _ = w.Load(ctx, "a")
		for range w.(session.Lister).List(ctx) {
		}
		store.Fail(fmt.Errorf("full: %w", session.ErrTooLarge))
		_, _ = w.Save(ctx, "a", r, session.Any)
		want(`load "timeout" 50ms`, `load "canceled" 0s`, `load "_OTHER" 0s`, `list "_OTHER" 0s`, `save "too_large" 0s`)
	})
}
