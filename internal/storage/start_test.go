package storage_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/failure"
	"github.com/holdfast-go/session/internal/record"
	"github.com/holdfast-go/session/internal/recordid"
	"github.com/holdfast-go/session/internal/state"
	"github.com/holdfast-go/session/internal/test/instance"
)

// What the store answers before the logs were read for the first time counts once they
// are, and as no answer where that takes longer than a read may.
func TestTheFirstLoadsWaitForTheLogs(t *testing.T) {
	first := func(name string, stored state.State, do func(w *world)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := new(instance.Store)
				if stored.Created != 0 || stored.Dead() {
					store.Set("a", stored)
				}
				members := recordid.Numbered(recordid.Members, 0)
				store.PlanFor(func(c instance.Call) bool { return c.ID == members && !c.Save }, instance.Fate{Takes: 90 * time.Millisecond})
				do(&world{T: t, Instance: instance.Start(t, store, true, nil)})
			})
		})
	}
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	live := state.State{Created: now, Authenticated: now, LastSeen: now, End: now + instance.Lifetime.Milliseconds()}
	dead := state.State{Death: state.Death{Dot: state.Dot{Clock: 1, Instance: 1}, Reason: state.Destroyed}}

	unanswered := func(w *world, holds int64) {
		began := time.Now()
		r, err := w.load(context.Background(), false)
		if !failure.IsAway(err) || r.State.Created != holds || (r.Version != record.Absent) != (holds != 0) {
			w.Errorf("the load came to %+v, %v, want no answer, and what it holds", r, err)
		}
		if took := time.Since(began); took != instance.ReadTimeout {
			w.Errorf("it took %v, want %v", took, instance.ReadTimeout)
		}
	}
	first("a record", live, func(w *world) {
		unanswered(w, now)
		if r, err := w.load(context.Background(), false); err != nil || r.Version == record.Absent || time.Since(time.UnixMilli(now)) != 90*time.Millisecond {
			w.Errorf("with the logs read the load came to %+v, %v after %v", r, err, time.Since(time.UnixMilli(now)))
		}
	})
	first("nothing", state.State{}, func(w *world) {
		unanswered(w, 0)
		if _, err := w.load(context.Background(), false); !errors.Is(err, failure.ErrNotFound) {
			w.Errorf("with the logs read the load came to %v", err)
		}
	})
	first("a tombstone, which needs no log", dead, func(w *world) {
		if r, err := w.load(context.Background(), false); err != nil || !r.State.Dead() || time.Now().UnixMilli() != now {
			w.Errorf("the load came to %+v, %v after %v", r, err, time.Since(time.UnixMilli(now)))
		}
	})
	first("for a request that ends meanwhile", live, func(w *world) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		if _, err := w.load(ctx, false); !errors.Is(err, failure.ErrUnavailable) || failure.IsAway(err) {
			w.Errorf("the load came to %v, want unknown", err)
		}
	})
}
