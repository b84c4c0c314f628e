package running_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/session/internal/running"
)

func TestOneOfANameRunsAtATime(t *testing.T) {
	var s running.Set
	if !s.Start("a", 2) {
		t.Fatal("a may not start")
	}
	if s.Start("a", 2) {
		t.Error("a runs twice")
	}
	s.Done("a")
	if !s.Start("a", 2) {
		t.Error("a may not start again once it is done")
	}
}

func TestNoMoreThanTheBoundRun(t *testing.T) {
	var s running.Set
	if !s.Start("a", 2) || !s.Start("b", 2) {
		t.Fatal("two may not run")
	}
	if s.Start("c", 2) {
		t.Error("three run")
	}
	s.Hold() // which is not bounded, and takes nobody's place
	s.Done("a")
	if !s.Start("c", 2) {
		t.Error("c may not start in the place of a")
	}
}

func TestCloseWaitsForAllThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s running.Set
		if !s.Start("a", 1) {
			t.Fatal("a may not start")
		}
		held := s.Hold()
		time.AfterFunc(time.Second, func() { s.Done("a") })
		time.AfterFunc(2*time.Second, held)
		begun := time.Now()
		if err := s.Close(t.Context()); err != nil || time.Since(begun) != 2*time.Second {
			t.Errorf("got %v after %v, want no error after 2s", err, time.Since(begun))
		}
		if s.Start("b", 1) {
			t.Error("b starts after Close")
		}
		s.Hold()() // would panic if it counted
		if err := s.Close(t.Context()); err != nil {
			t.Errorf("the second Close: %v", err)
		}
	})
}

func TestCloseWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s running.Set
		held := s.Hold()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		held()
	})
}

func TestACloseThatGivesUpLeavesNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s running.Set
		done := s.Hold()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 2 {
			if err := s.Close(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("Close = %v while something runs", err)
			}
		}
		// The bubble ends here, with nobody to call done: whatever waits for it
		// would be told as a deadlock.
		_ = done
	})
}

func TestEveryCloseIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s running.Set
		done := s.Hold()
		var closed atomic.Int32
		for range 3 {
			go func() {
				if err := s.Close(t.Context()); err == nil {
					closed.Add(1)
				}
			}()
		}
		synctest.Wait()
		if n := closed.Load(); n != 0 {
			t.Errorf("%d have returned while something runs", n)
		}
		done()
		synctest.Wait()
		if n := closed.Load(); n != 3 {
			t.Errorf("%d of 3 have returned", n)
		}
	})
}
