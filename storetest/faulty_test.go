package storetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/memstore"
	"github.com/holdfast-go/session/storetest"
)

func TestFaultyHonorsTheContract(t *testing.T) {
	var f *storetest.Faulty
	empty := func() session.Store { return memstore.New(&memstore.Options{MaxBytes: 3 << 19}) }
	storetest.Run(t, storetest.Harness{
		New: func(testing.TB) session.Store {
			f = storetest.NewFaulty(empty())
			return f
		},
		Again:     func(testing.TB) session.Store { return f },
		Restart:   func(testing.TB) { f.Replace(empty()) },
		Freeze:    func(testing.TB) { f.Hang() },
		Thaw:      func(testing.TB) { f.Heal() },
		Down:      func(testing.TB) { f.Fail(errors.New("connection refused")) },
		Up:        func(testing.TB) { f.Heal() },
		MaxRecord: 1 << 20,
		Each:      synctest.Test,
	})
}

func live(data string) session.Record {
	return session.Record{Data: []byte(data), Expires: time.Now().Add(time.Hour)}
}

func TestFaults(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault func(*storetest.Faulty)
		want  error         // of Load and Save with a deadline of a minute
		after time.Duration // until they return
		saved bool
	}{
		{"none", func(*storetest.Faulty) {}, nil, 0, true},
		{"fail", func(f *storetest.Faulty) { f.Fail(errAway) }, errAway, 0, false},
		{"hang", func(f *storetest.Faulty) { f.Hang() }, context.DeadlineExceeded, time.Minute, false},
		{"hang twice", func(f *storetest.Faulty) { f.Hang(); f.Hang() }, context.DeadlineExceeded, time.Minute, false},
		{"hang, then healed", func(f *storetest.Faulty) {
			f.Hang()
			f.Fail(errAway)
			time.AfterFunc(time.Second, f.Heal)
		}, nil, time.Second, true},
		{"delay", func(f *storetest.Faulty) { f.Delay(time.Second) }, nil, time.Second, true},
		{"delay beyond the deadline", func(f *storetest.Faulty) { f.Delay(time.Hour) }, context.DeadlineExceeded, time.Minute, false},
		{"delay, then fail", func(f *storetest.Faulty) { f.Delay(time.Second); f.Fail(errAway) }, errAway, time.Second, false},
		{"healed", func(f *storetest.Faulty) { f.Fail(errAway); f.Delay(time.Hour); f.LoseAcks(); f.Heal() }, nil, 0, true},
		{"lost acknowledgements", func(f *storetest.Faulty) { f.LoseAcks() }, storetest.ErrLostAck, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				inner := memstore.New(nil)
				f := storetest.NewFaulty(inner)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				test.fault(f)
				begun := time.Now()
				_, err := f.Save(ctx, "1", live("1"), session.Absent)
				if took := time.Since(begun); !errors.Is(err, test.want) || took != test.after {
					t.Errorf("Save: got %v after %v, want %v after %v", err, took, test.want, test.after)
				}
				if inner.Len() > 0 != test.saved {
					t.Errorf("saved: %v, want %v", inner.Len() > 0, test.saved)
				}
				if f.Saves() != 1 || f.Loads() != 0 {
					t.Errorf("counted %d saves and %d loads, want 1 and 0", f.Saves(), f.Loads())
				}
			})
		})
	}
}

var errAway = errors.New("away")

// storeOnly has neither LoadFresh nor List.
type storeOnly struct{ session.Store }

// fresher answers LoadFresh in a way that can be told from Load.
type fresher struct{ session.Store }

func (fresher) LoadFresh(context.Context, session.ID) (session.Record, error) {
	return session.Record{Data: []byte("fresh")}, nil
}

func TestFaultyForwards(t *testing.T) {
	inner := memstore.New(nil)
	f := storetest.NewFaulty(storeOnly{inner})
	inner.Save(t.Context(), "1", live("plain"), session.Absent)
	if r, err := f.LoadFresh(t.Context(), "1"); err != nil || string(r.Data) != "plain" {
		t.Errorf("LoadFresh without one: got %q, %v, want what Load returns", r.Data, err)
	}
	list := func() (ids []session.ID, err error) {
		for id, e := range f.List(t.Context()) {
			if e != nil {
				return ids, e
			}
			ids = append(ids, id)
		}
		return ids, nil
	}
	if _, err := list(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("List without one: got error %v, want ErrUnsupported", err)
	}
	f.Replace(fresher{inner})
	if r, err := f.LoadFresh(t.Context(), "1"); err != nil || string(r.Data) != "fresh" {
		t.Errorf("LoadFresh: got %q, %v", r.Data, err)
	}
	f.Replace(inner)
	if ids, err := list(); err != nil || len(ids) != 1 || ids[0] != "1" {
		t.Errorf("List: got %q, %v", ids, err)
	}
	f.Fail(errAway)
	if _, err := list(); !errors.Is(err, errAway) {
		t.Errorf("List: got error %v, want the fault's", err)
	}
	if f.Loads() != 2 {
		t.Errorf("counted %d loads, want 2", f.Loads())
	}
}

func TestFaultyCallsBefore(t *testing.T) {
	f := storetest.NewFaulty(memstore.New(nil))
	var calls []string
	f.Before(func(op string, id session.ID) error {
		calls = append(calls, op+" "+string(id))
		if id == "2" {
			return errAway
		}
		if op == "save" { // it may use the store
			f.Load(t.Context(), "3")
		}
		return nil
	})
	if _, err := f.Save(t.Context(), "1", live("1"), session.Absent); err != nil {
		t.Errorf("Save: %v", err)
	}
	if _, err := f.Load(t.Context(), "2"); !errors.Is(err, errAway) {
		t.Errorf("Load: got error %v, want that of Before", err)
	}
	for range f.List(t.Context()) {
	}
	want := []string{"save 1", "load 3", "load 2", "list "}
	if len(calls) != len(want) {
		t.Fatalf("got calls %q, want %q", calls, want)
	}
	for i := range want {
		if calls[i] != want[i] {
			t.Errorf("got calls %q, want %q", calls, want)
		}
	}
}

// sharded is a Prober that can be told from a Faulty's own.
type sharded struct{ session.Store }

func (sharded) Shard(id session.ID) string { return "of " + string(id) }

func (sharded) Probe(_ context.Context, shard string) (string, error) {
	return "incarnation " + shard, nil
}

func TestFaultyIsAProber(t *testing.T) {
	f := storetest.NewFaulty(memstore.New(nil))
	var calls []string
	f.Before(func(op string, id session.ID) error {
		calls = append(calls, op+" "+string(id))
		return nil
	})
	first, err := f.Probe(t.Context(), f.Shard("1"))
	if err != nil || f.Shard("1") != "" {
		t.Fatalf("around no Prober: got shard %q and error %v, want one shard without a name", f.Shard("1"), err)
	}
	if again, err := f.Probe(t.Context(), ""); err != nil || again != first {
		t.Errorf("Probe again: got %q, %v, want %q", again, err, first)
	}
	f.Replace(memstore.New(nil))
	if after, err := f.Probe(t.Context(), ""); err != nil || after == first {
		t.Errorf("Probe after Replace: got %q, %v, want another than before", after, err)
	}
	if _, err := f.Probe(t.Context(), "x"); err == nil {
		t.Error("Probe of an unknown shard: got no error")
	}
	if len(calls) != 4 || calls[0] != "probe " {
		t.Errorf("Before: got %q, want four probes", calls)
	}

	f.Replace(sharded{memstore.New(nil)})
	if got := f.Shard("1"); got != "of 1" {
		t.Errorf("Shard: got %q, want that of the store", got)
	}
	if got, err := f.Probe(t.Context(), "x"); err != nil || got != "incarnation x" {
		t.Errorf("Probe: got %q, %v, want that of the store", got, err)
	}
}

func TestFaultsReachProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := storetest.NewFaulty(sharded{memstore.New(nil)})
		want := func(what string, want error, after time.Duration) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begun := time.Now()
			if _, err := f.Probe(ctx, "x"); !errors.Is(err, want) || time.Since(begun) != after {
				t.Errorf("%s: got %v after %v, want %v after %v", what, err, time.Since(begun), want, after)
			}
		}
		f.Fail(errAway)
		want("Fail", errAway, 0)
		f.Heal()
		f.Delay(time.Second)
		want("Delay", nil, time.Second)
		f.Heal()
		f.Hang()
		want("Hang", context.DeadlineExceeded, time.Minute)
		time.AfterFunc(time.Second, f.Heal)
		want("Hang, then healed", nil, time.Second)
	})
}
