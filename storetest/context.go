package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// grace is what "without delay" allows for a busy machine.
const grace = time.Second

// soon waits for a value for so long, grace aside, and reports whether it came. It counts
// in parts, so that a stop of the machine passes for one of them and not for all, and
// what has come counts in any case.
func soon[T any](values <-chan T, within time.Duration) (value T, ok bool) {
	const parts = 100
	tick := time.NewTicker((within + grace) / parts)
	defer tick.Stop()
	for range parts {
		select {
		case value = <-values:
			return value, true
		case <-tick.C:
		}
	}
	select {
	case value = <-values:
		return value, true
	default:
		return value, false
	}
}

// callers freezes the server and lets a hundred calls wait for it, one half
// loads and one half saves, each with a context of newContext, which ends after
// within. It asks that each returns by then, grace aside, with an error that
// wraps want.
func (c *check) callers(within time.Duration, want error, newContext func() (context.Context, context.CancelFunc)) {
	c.Helper()
	v := c.mustSave(alice, record("alice"), session.Absent)
	c.Freeze(c.t)
	failures := make(chan string, 100)
	var calls sync.WaitGroup
	defer func() { // also those that are late are gone when the case ends
		c.Thaw(c.t)
		calls.Wait()
	}()
	for i := range cap(failures) {
		calls.Go(func() {
			ctx, cancel := newContext()
			defer cancel()
			var op string
			var err error
			if i%2 == 0 {
				op = "Load"
				_, err = c.store.Load(ctx, alice)
			} else {
				op = "Save"
				_, err = c.store.Save(ctx, alice, record("late"), v)
			}
			if !errors.Is(err, want) {
				failures <- fmt.Sprintf("%s: got error %v, want one that wraps %v", op, err, want)
			}
		})
	}
	returned := make(chan struct{})
	go func() {
		calls.Wait()
		close(returned)
	}()
	if _, ok := soon(returned, within); !ok {
		c.Fatalf("callers still wait %v after their context ended", grace)
	}
	close(failures)
	for failure := range failures {
		c.Fatalf("%s", failure)
	}
}

// slowForAMoment freezes the server while a hundred callers, three times, give
// up on it, and asks that it then serves all of a hundred again within a
// second, with budgets such as requests have: on a busy machine within as much more
// as it needs more for a hundred while all is well. The callers stay as many: each
// comes again as visitors do.
func (c *check) slowForAMoment() {
	c.Helper()
	const (
		callers = 100
		budget  = 50 * time.Millisecond
	)
	r, err := c.load(alice)
	if err != nil {
		c.Fatalf("Load: %v", err)
	}
	ask := func(within time.Duration) (answered int) {
		for _, err := range atOnce(callers, func(i int) error {
			ctx, cancel := context.WithTimeout(c.t.Context(), within)
			defer cancel()
			_, err := c.store.Load(ctx, alice)
			return err
		}) {
			if err == nil {
				answered++
			}
		}
		return answered
	}
	longest := time.Duration(0) // while all is well
	for range 5 {
		begun := time.Now()
		if answered := ask(patience); answered < callers {
			c.Fatalf("%d of %d callers at once are answered", answered, callers)
		}
		longest = max(longest, time.Since(begun))
	}
	within := min(max(2*budget, 4*longest), time.Second)
	c.Freeze(c.t)
	left := make(chan struct{})
	go func() {
		defer close(left)
		atOnce(3*callers, func(i int) error {
			time.Sleep(time.Duration(i/callers) * budget)
			ctx, cancel := context.WithTimeout(c.t.Context(), budget)
			defer cancel()
			if i%4 == 0 {
				_, _ = c.store.Save(ctx, alice, record("alice"), r.Version)
			} else {
				_, _ = c.store.Load(ctx, alice)
			}
			return nil
		})
	}()
	soon(left, 3*budget) // another case is about that
	c.Thaw(c.t)
	<-left
	for thawed := time.Now(); ; {
		answered := ask(within)
		if answered == callers {
			return
		}
		if time.Since(thawed) > 10*within {
			c.Fatalf("%v after it was frozen for %v, the server answers %d of %d callers within %v",
				10*within, 3*budget, answered, callers, within)
		}
	}
}

// repeatedly is how often a call is made that must not begin: one that begins, and whose
// answer races with its context, is seen once in many.
const repeatedly = 50

var contextCases = []testCase{
	{name: "a call that is canceled before it begins fails", says: saysContext, run: func(c *check) {
		v := c.mustSave(alice, record("alice"), session.Absent)
		canceled, cancel := context.WithCancel(c.t.Context())
		cancel()
		expired, cancel := context.WithDeadline(c.t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		for _, ctx := range slices.Repeat([]context.Context{canceled, expired}, repeatedly) {
			for range 3 { // a connection that is in use may answer at once
				if _, err := c.load(alice); err != nil {
					c.Fatalf("Load: %v", err)
				}
			}
			if _, err := c.store.Load(ctx, alice); !errors.Is(err, ctx.Err()) {
				c.Errorf("Load: got error %v, want one that wraps %v", err, ctx.Err())
			}
			if _, err := c.store.Load(ctx, bob); !errors.Is(err, ctx.Err()) {
				c.Errorf("Load of nothing: got error %v, want one that wraps %v", err, ctx.Err())
			}
			for _, over := range []session.Version{v, session.Absent, session.Any} {
				if _, err := c.store.Save(ctx, alice, record("late"), over); !errors.Is(err, ctx.Err()) {
					c.Errorf("Save over %s: got error %v, want one that wraps %v", name(over), err, ctx.Err())
				}
			}
		}
	}},

	{name: "a frozen server holds nobody beyond the deadline", says: saysContext, needs: []capability{freeze}, run: func(c *check) {
		const within = 100 * time.Millisecond
		c.callers(within, context.DeadlineExceeded, func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(c.t.Context(), within)
		})
	}},

	{name: "a frozen server holds nobody who leaves", says: saysContext, needs: []capability{freeze}, run: func(c *check) {
		const within = 100 * time.Millisecond
		c.callers(within, context.Canceled, func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(c.t.Context(), patience)
			time.AfterFunc(within, cancel)
			return ctx, cancel
		})
	}},

	{name: "a server that was slow for a moment serves again", says: saysLeaves, needs: []capability{freeze}, run: func(c *check) {
		c.mustSave(alice, record("alice"), session.Absent)
		c.warm()
		c.slowForAMoment()
	}},

	{name: "callers who leave take no connections along", says: saysLeaves, needs: []capability{freeze, connections}, run: func(c *check) {
		c.mustSave(alice, record("alice"), session.Absent)
		c.warm()
		before := c.Connections(c.t)
		c.slowForAMoment()
		if after := c.Connections(c.t); after != before {
			c.Errorf("callers who left a slow server: it has accepted %d connections more, want none", after-before)
		}
	}},

	{name: "a save that the deadline cut off has happened or has not", says: saysCutOff, needs: []capability{freeze}, run: func(c *check) {
		v := c.mustSave(alice, record("before"), session.Absent)
		ctx, cancel := context.WithTimeout(c.t.Context(), 100*time.Millisecond)
		defer cancel()
		returned := make(chan struct{})
		c.Freeze(c.t)
		go func() {
			defer close(returned)
			_, _ = c.store.Save(ctx, alice, record("after"), v)
		}()
		soon(returned, 100*time.Millisecond) // another case is about that
		c.Thaw(c.t)
		<-returned
		c.untilItAnswers(alice)
		stands := func() session.Version {
			c.Helper()
			r, err := c.load(alice)
			switch data := string(r.Data); {
			case err != nil:
				c.Fatalf("Load: %v, want what stood before or was saved", err)
			case data != "before" && data != "after":
				c.Fatalf("Load: got %s, want what stood before or was saved", brief(r.Data))
			case data == "before" && r.Version != v, data == "after" && r.Version == v:
				c.Fatalf("Load: got %s with the Version of another save", brief(r.Data))
			}
			return r.Version
		}
		for begun := time.Now(); time.Since(begun) < 300*time.Millisecond; time.Sleep(10 * time.Millisecond) {
			stands()
		}
		c.until("a save over what stands", func() error { // the other may happen as late as now
			_, err := c.save(alice, record("next"), stands())
			return err
		})
	}},
}
