package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/session"
)

// grace is what "without delay" allows for a busy machine.
const grace = time.Second

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
			begun := time.Now()
			var op string
			var err error
			if i%2 == 0 {
				op = "Load"
				_, err = c.store.Load(ctx, alice)
			} else {
				op = "Save"
				_, err = c.store.Save(ctx, alice, record("late"), v)
			}
			switch took := time.Since(begun); {
			case !errors.Is(err, want):
				failures <- fmt.Sprintf("%s: got error %v, want one that wraps %v", op, err, want)
			case took > within+grace:
				failures <- fmt.Sprintf("%s: returned after %v, want %v", op, took, within)
			default:
				failures <- ""
			}
		})
	}
	enough := time.After(within + 2*grace)
	for i := range cap(failures) {
		select {
		case failure := <-failures:
			if failure != "" {
				c.Fatalf("%s", failure)
			}
		case <-enough:
			c.Fatalf("%d of %d callers still wait %v after their context ended", cap(failures)-i, cap(failures), 2*grace)
		}
	}
}

var contextCases = []testCase{
	{name: "a call that is canceled before it begins fails", says: saysContext, run: func(c *check) {
		v := c.mustSave(alice, record("alice"), session.Absent)
		canceled, cancel := context.WithCancel(c.t.Context())
		cancel()
		expired, cancel := context.WithDeadline(c.t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		for _, ctx := range []context.Context{canceled, expired} {
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
		select {
		case <-returned:
		case <-time.After(100*time.Millisecond + grace): // another case is about that
		}
		c.Thaw(c.t)
		<-returned
		c.untilItAnswers(alice)
		// It may happen as late as now.
		var stands session.Record
		for begun := time.Now(); time.Since(begun) < 300*time.Millisecond; time.Sleep(10 * time.Millisecond) {
			r, err := c.load(alice)
			switch data := string(r.Data); {
			case err != nil:
				c.Fatalf("Load: %v, want what stood before or was saved", err)
			case data != "before" && data != "after":
				c.Fatalf("Load: got %s, want what stood before or was saved", brief(r.Data))
			case data == "before" && r.Version != v, data == "after" && r.Version == v:
				c.Fatalf("Load: got %s with the Version of another save", brief(r.Data))
			}
			stands = r
		}
		c.mustSave(alice, record("next"), stands.Version)
	}},
}
