package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/session"
	"github.com/holdfast-go/session/internal/test/redistest"
	"github.com/holdfast-go/session/internal/test/timeleft"
	"github.com/holdfast-go/session/redisstore"
	"github.com/redis/rueidis"
)

var errDeadline = context.DeadlineExceeded

func TestAKilledServerIsAnErrorAtOnceAndWorksAgainWhenItIsBack(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	v := mustSave(t, s, "x", record("a"), session.Any)
	srv.Kill()
	for range 3 {
		_, loadErr := s.Load(within(t, patience), "x")
		_, saveErr := s.Save(within(t, patience), "x", record("b"), v)
		for _, err := range []error{loadErr, saveErr} {
			if err == nil || errors.Is(err, errDeadline) || errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrConflict) {
				t.Errorf("got %v, want an error that is none of the contract's, before the deadline", err)
			}
		}
	}
	srv.Restart()
	took := eventually(t, "a save after the restart", func() bool {
		_, err := s.Save(within(t, 100*time.Millisecond), "x", record("c"), session.Any)
		return err == nil
	})
	t.Logf("saved again %v after the server was back", took.Round(time.Millisecond))
	if got := string(mustLoad(t, s, "x").Data); got != "c" {
		t.Errorf("got %q, want %q", got, "c")
	}
	if _, err := s.Save(t.Context(), "x", record("d"), v); !errors.Is(err, session.ErrConflict) {
		t.Errorf("over a version from before the restart: got %v, want ErrConflict", err)
	}
}

// Also more callers than the client's queues hold, and also when the client has
// given the connections up and makes new ones.
func TestOnAFrozenServerEveryCallerKeepsItsDeadline(t *testing.T) {
	for _, defaults := range []bool{false, true} {
		name := "with ClientOption"
		if defaults {
			name = "with the client's defaults"
		}
		t.Run(name, func(t *testing.T) {
			srv := redistest.Start(t)
			var change []func(*rueidis.ClientOption)
			if defaults {
				change = append(change, withItsDefaults)
			}
			s, v := newStoreWithX(t, newClient(t, srv.URL(), change...))
			eventually(t, "every connection is made", func() bool {
				errs, _, _ := burst(s, 64, time.Second, v)
				return !slices.ContainsFunc(errs, func(err error) bool { return errors.Is(err, errDeadline) })
			})
			before := runtime.NumGoroutine()

			srv.Freeze()
			for _, callers := range []int{1, 1, 100, 100, 3000, 100, 1} {
				errs, slowest, late := burst(s, callers, 50*time.Millisecond, v)
				for _, err := range errs {
					if err == nil || errors.Is(err, session.ErrNotFound) || errors.Is(err, session.ErrConflict) {
						t.Errorf("got %v, want an error that is none of the contract's", err)
					}
				}
				t.Logf("%4d callers with 50 ms: the slowest took %v", callers, slowest.Round(time.Millisecond))
				if slowest > time.Second+3*late {
					t.Errorf("%d callers: the slowest took %v, and who asks nothing %v", callers, slowest, late)
				}
			}
			// The connections are given up, new ones are tried: one at a time and
			// the deadlines still hold.
			if !defaults { // who take 11 s to give the connections up
				var slowest, late time.Duration
				bursts, over := 0, timeleft.Half(t)
				for end := time.Now().Add(4 * time.Second); time.Now().Before(end) && !over(); bursts++ {
					_, took, idle := burst(s, 20, 50*time.Millisecond, v)
					slowest, late = max(slowest, took), max(late, idle)
				}
				t.Logf("  20 callers with 50 ms, %d times while it connects: the slowest took %v", bursts, slowest.Round(time.Millisecond))
				if slowest > time.Second+3*late {
					t.Errorf("while connecting: the slowest took %v, and who asks nothing %v", slowest, late)
				}
				took := eventually(t, "as few goroutines as before, with the server still frozen", func() bool {
					return runtime.NumGoroutine() <= before
				})
				t.Logf("as few goroutines as before after %v", took.Round(time.Millisecond))
			}
			srv.Thaw()
			took := eventually(t, "a load after the thaw", func() bool {
				_, err := s.Load(within(t, 50*time.Millisecond), "x")
				return err == nil
			})
			t.Logf("loaded again %v after the thaw", took.Round(time.Millisecond))
			eventually(t, "as few goroutines as before", func() bool { return runtime.NumGoroutine() <= before })
		})
	}
}

// burst makes n calls at once, reads and writes, each with a deadline of its own, and
// returns their errors and what the slowest took. late is what the slowest took of as many
// callers who ask nothing and wait for their deadline: on a busy machine that is more, and who
// asks has more to do.
func burst(s session.Store, n int, deadline time.Duration, over session.Version) (errs []error, slowest, late time.Duration) {
	errs = make([]error, n)
	took, idle := make([]time.Duration, n), make([]time.Duration, n)
	var callers sync.WaitGroup
	start := make(chan struct{})
	timed := func(call func(context.Context)) time.Duration {
		<-start
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		began := time.Now()
		call(ctx)
		return time.Since(began)
	}
	for i := range n {
		callers.Go(func() {
			took[i] = timed(func(ctx context.Context) {
				id := session.ID(fmt.Sprint("burst", i))
				if i%3 == 2 {
					_, errs[i] = s.Save(ctx, id, record("b"), over)
				} else {
					_, errs[i] = s.Load(ctx, id)
				}
			})
		})
		callers.Go(func() { idle[i] = timed(func(ctx context.Context) { <-ctx.Done() }) })
	}
	close(start)
	callers.Wait()
	return errs, slices.Max(took), slices.Max(idle)
}

// As ClientOption says.
func TestAnApplicationMayStartBeforeItsServer(t *testing.T) {
	srv := redistest.Start(t)
	srv.Kill()
	o, err := redisstore.ClientOption(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rueidis.NewClient(o); err == nil {
		t.Error("connected to a server that is away")
	}
	o.ForceSingleClient = true
	client, err := rueidis.NewClient(o)
	if err == nil || client == nil {
		t.Fatalf("got client %v and error %v, want both", client, err)
	}
	defer client.Close()
	s := redisstore.New(client)
	if _, err := s.Load(within(t, patience), "x"); err == nil || errors.Is(err, session.ErrNotFound) || errors.Is(err, errDeadline) {
		t.Errorf("got %v, want an error at once", err)
	}
	srv.Restart()
	eventually(t, "a save", func() bool {
		_, err := s.Save(within(t, 100*time.Millisecond), "x", record("a"), session.Any)
		return err == nil
	})
}

func TestACallerWhoGivesUpIsLetGoAtOnce(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	mustSave(t, s, "x", record("a"), session.Any)
	srv.Freeze()
	for range 3 { // on a connection that stands, and after its first failure
		// The deadline is far: only the cancellation can end this in time.
		ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
		failed := make(chan error)
		go func() {
			_, err := s.Load(ctx, "x")
			failed <- err
		}()
		go func() {
			_, err := s.Save(ctx, "x", record("b"), session.Any)
			failed <- err
		}()
		cancel()
		for range 2 {
			select {
			case err := <-failed:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want context.Canceled", err)
				}
			case <-time.After(patience):
				t.Fatal("still waiting")
			}
		}
		s.Load(within(t, 20*time.Millisecond), "x")
	}
	if _, err := s.Load(within(t, 0), "x"); !errors.Is(err, errDeadline) {
		t.Errorf("with a deadline that has passed: got %v", err)
	}
}

func TestASaveWithoutAnAnswerMayHaveHappenedAndBreaksNothing(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	v := mustSave(t, s, "x", record("before"), session.Any)
	v = mustSave(t, s, "x", record("before"), v)
	srv.Freeze()
	data := []byte("after!")
	_, err := s.Save(within(t, 50*time.Millisecond), "x", session.Record{Data: data, Expires: time.Now().Add(time.Hour)}, v)
	if !errors.Is(err, errDeadline) {
		t.Errorf("got %v, want the deadline's error", err)
	}
	copy(data, "changed") // the caller may, and the race detector watches
	srv.Thaw()
	var r session.Record
	eventually(t, "a load", func() bool {
		r, err = s.Load(within(t, 50*time.Millisecond), "x")
		return err == nil
	})
	if got := string(r.Data); got != "before" && got != "after!" {
		t.Errorf("got %q, want the one or the other", got)
	}
	// A caller that reads the outcome can go on from it.
	eventually(t, "a save over what stands there", func() bool {
		r, err = s.Load(t.Context(), "x")
		if err == nil {
			_, err = s.Save(t.Context(), "x", record("next"), r.Version)
		}
		return err == nil
	})
	if got := string(mustLoad(t, s, "x").Data); got != "next" {
		t.Errorf("got %q, want %q", got, "next")
	}
}

// One caller connects for all that come meanwhile, on its own context.
func TestAnotherCallersContextIsNotMine(t *testing.T) {
	srv := redistest.Start(t)
	s := newStore(t, srv)
	mustSave(t, s, "x", record("a"), session.Any)
	for range 20 {
		srv.Command("CLIENT", "KILL", "TYPE", "normal")
		gone, cancel := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		for range 5 {
			callers.Go(func() { s.Save(gone, "y", record("b"), session.Any) })
		}
		for range 5 {
			callers.Go(func() {
				if _, err := s.Load(t.Context(), "x"); errors.Is(err, context.Canceled) {
					t.Errorf("a caller with a context in good health got %v", err)
				}
			})
		}
		cancel()
		callers.Wait()
	}
}
